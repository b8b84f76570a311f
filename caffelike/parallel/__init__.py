"""Several processes ("ranks") train one net together: data-parallel, synchronous, on MPI.

    mpirun -n 4 caffelike train solver.prototxt          (started by MPI: on one machine or many)
    caffelike train --ranks 4 solver.prototxt            (starts MPI itself, on this machine)

Caffe's rule: every rank holds the same weights and reads its own share of the records; the gradients are averaged, so
N ranks with batches of b learn what one process with batches of N * b learns.

    mpi.py                the only module that knows mpi4py
    buckets.py            gradients in pieces, each summed over the ranks as soon as its layers' backward has run
    launch.py             starting the ranks on this machine
    sync_batch_norm.py    BatchNorm whose statistics are those of all ranks' batches together
"""
