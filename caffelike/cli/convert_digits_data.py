"""`caffelike convert_digits_data`: scikit-learn's handwritten digits in data bases."""

import click

minloglevel = 1


@click.command()
@click.argument("folder", metavar="[OUTDIR]", required=False, default=".")
def command(folder: str) -> None:
    """Write digits_train_lmdb (1,437 digits of 28x28) and digits_test_lmdb (360 others) into OUTDIR.

    They are the digits of `caffelike demo`, which models/lenet/train_val.prototxt reads.

    Example: caffelike convert_digits_data digits
    """
    from caffelike.data import write_lmdb
    from caffelike.demo import load_digits
    from caffelike.files import make_folder

    for name, digits in zip(("digits_train_lmdb", "digits_test_lmdb"), load_digits(), strict=True):
        count = write_lmdb(make_folder(folder) / name, zip(digits.images[:, None], digits.labels.tolist(), strict=True))
        click.echo(f"{name}: {count} digits")
