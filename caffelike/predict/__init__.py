"""A million pictures through one net: all cores of a machine, or a Ray cluster, and a table at the end.

    caffelike predict squeezenet.bundle photos/ --out results.parquet [--ray]

The pictures are cut into shards. A worker loads the net once and answers shard after shard; an answered shard is a
part file beside the result, written whole or not at all, so a run that was stopped goes on with the shards that are
missing, and each picture is in the result exactly once. A picture that cannot be read is a row with an error.

    shards.py       what is to be done: pictures in a folder, a list or a data base, cut into shards
    work.py         what a worker does with a shard
    local.py        workers that are processes of this machine
    ray_workers.py  workers on a Ray cluster: the only module that knows Ray
    results.py      part files, and the table made of them
    run.py          the loop that hands out shards and keeps the parts
"""
