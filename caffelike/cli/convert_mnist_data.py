"""`caffelike convert_mnist_data`: MNIST's files into a data base."""

import click

from caffelike.cli import _terminal


@click.command()
@click.argument("image_file")
@click.argument("label_file")
@click.argument("db", metavar="DB_NAME")
@click.option("--backend", default="lmdb", show_default=True, help="lmdb or leveldb.")
def command(image_file: str, label_file: str, db: str, backend: str) -> None:
    """Write MNIST's images and labels (idx files, gzipped or not) into a new data base.

    Example: caffelike convert_mnist_data train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz mnist_train_lmdb
    """
    from caffelike.tools import convert_mnist_data

    with _terminal.progress("convert", None) as show:
        convert_mnist_data(image_file, label_file, db, backend, tick=lambda i, n: show(i, lambda: "", n))
