"""`caffelike convert_cifar_data`: CIFAR-10's files into data bases."""

import click

from caffelike.cli import _terminal


@click.command()
@click.argument("input_folder")
@click.argument("output_folder")
@click.argument("backend", metavar="[DB_TYPE]", required=False, default="lmdb")
def command(input_folder: str, output_folder: str, backend: str) -> None:
    """Write CIFAR-10's binary batches (gzipped or not) into cifar10_train_lmdb and cifar10_test_lmdb.

    INPUT_FOLDER holds data_batch_1.bin, ... and test_batch.bin. DB_TYPE: lmdb (the default) or leveldb.

    Example: caffelike convert_cifar_data cifar-10-batches-bin .
    """
    from caffelike.tools import convert_cifar_data

    with _terminal.progress("convert", None) as show:
        convert_cifar_data(input_folder, output_folder, backend, tick=lambda i, n: show(i, lambda: "", n))
