"""`caffelike extract_features`: what a net makes of its data, blob by blob, into data bases or files."""

import click

from caffelike.cli import _options, _terminal


@click.command()
@click.argument("weights")
@click.argument("net", metavar="NET")
@click.argument("blobs", metavar="BLOB1[,BLOB2,...]")
@click.argument("outputs", metavar="DB1[,DB2,...]")
@click.argument("batches", metavar="NUM_MINI_BATCHES", type=int)
@click.argument("kind", metavar="DB_TYPE")
@click.argument("device", metavar="[CPU|GPU]", required=False, default="CPU")
@click.argument("device_id", metavar="[DEVICE_ID]", required=False, default="0")
def command(
    weights: str, net: str, blobs: str, outputs: str, batches: int, kind: str, device: str, device_id: str
) -> None:
    """Run NET (a prototxt) on its own data and write the values of blobs, one record for each image.

    DB_TYPE: lmdb or leveldb (float Datums), hdf5 or npy (an array of all records).

    Example: caffelike extract_features net.caffemodel train_val.prototxt fc7 features_lmdb 10 lmdb
    """
    from caffelike.tools import extract_features

    _options.use_device(device_id if device == "GPU" else "", "extract_features.cpp:59")
    with _terminal.progress("extract", batches) as show:
        extract_features(
            weights, net, blobs.split(","), outputs.split(","), batches, kind, tick=lambda i: show(i, lambda: "")
        )
