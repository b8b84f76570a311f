"""`caffelike convert_annoset`: images and the boxes in them into a data base."""

from typing import Any

import click


@click.command()
@click.argument("root", metavar="ROOTFOLDER/")
@click.argument("listfile", metavar="LISTFILE")
@click.argument("db", metavar="DB_NAME")
@click.option("--anno_type", default="detection", show_default=True, help="detection; for labels see convert_imageset.")
@click.option("--label_type", default="xml", show_default=True, help="What annotations are: xml or json.")
@click.option("--label_map_file", required=True, help="A LabelMap: the label of each name.")
@click.option("--gray", is_flag=True, help="One channel instead of three.")
@click.option("--shuffle", is_flag=True, help="In a random order.")
@click.option("--backend", default="lmdb", show_default=True, help="lmdb or leveldb.")
@click.option("--resize_width", default=0, help="Width of all images; 0: as they are.")
@click.option("--resize_height", default=0, help="Height of all images.")
@click.option("--min_dim", default=0, help="The least the shorter side may have; images keep their proportions.")
@click.option("--max_dim", default=0, help="The most the longer side may have.")
@click.option("--check_size", is_flag=True, help="Refuse images of different sizes.")
@click.option("--check_label", is_flag=True, help="Refuse a label map with two names of one label.")
@click.option("--encoded", is_flag=True, help="Store image files, not pixels.")
@click.option("--encode_type", default="", metavar="png|jpg", help="The kind of image file to store.")
@click.option("--seed", type=int, default=None, help="Makes --shuffle give the same order each time.")
def command(root: str, listfile: str, db: str, anno_type: str, **options: Any) -> None:
    """Write the images of LISTFILE (lines `image annotation`), with their boxes, into a data base for AnnotatedData.

    ROOTFOLDER/ is put before each name.

    Example: caffelike convert_annoset VOC/ train.txt train_lmdb --label_map_file labelmap.prototxt --encoded
    """
    from caffelike.tools import convert_annoset

    if anno_type != "detection":
        raise click.UsageError("anno_type must be detection; convert_imageset writes images with labels.")
    convert_annoset(root, listfile, db, **options)
