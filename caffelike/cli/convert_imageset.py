"""`caffelike convert_imageset`: images and labels into a data base."""

from typing import Any

import click

from caffelike.cli import _terminal


@click.command()
@click.argument("root", metavar="ROOTFOLDER/")
@click.argument("listfile", metavar="[LISTFILE]")
@click.argument("db", metavar="DB_NAME", required=False, default="")
@click.option("--gray", is_flag=True, help="One channel instead of three.")
@click.option("--shuffle", is_flag=True, help="In a random order.")
@click.option("--backend", default="lmdb", show_default=True, help="lmdb or leveldb.")
@click.option("--resize_width", default=0, help="Width of all images; 0: as they are.")
@click.option("--resize_height", default=0, help="Height of all images.")
@click.option("--check_size", is_flag=True, help="Refuse images of different sizes.")
@click.option("--encoded", is_flag=True, help="Store image files, not pixels.")
@click.option("--encode_type", default="", metavar="png|jpg", help="The kind of image file to store.")
@click.option("--labels", default=1, show_default=True, help="Labels in each line, separated by blanks.")
@click.option("--seed", type=int, default=None, help="Makes --shuffle give the same order each time.")
def command(root: str, listfile: str, db: str, **options: Any) -> None:
    """Write the images that LISTFILE names (lines `name label`) into a new LMDB or LevelDB.

    ROOTFOLDER/ is put before each name. Without LISTFILE every folder in ROOTFOLDER is a class. Labels that are
    floats, or several (`name 0,1,0.5`), are read by `data_param { labels: 3 }`.

    Example: caffelike convert_imageset photos/ train.txt train_lmdb --resize_width 256 --resize_height 256
    """
    from caffelike.tools import convert_imageset

    with _terminal.progress("convert", None) as show:
        convert_imageset(
            root, listfile if db else None, db or listfile, **options, tick=lambda i, n: show(i, lambda: "", n)
        )
