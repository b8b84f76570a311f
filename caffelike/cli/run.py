"""`caffelike run`: a pycaffe script as it is, with `import caffe` meaning caffelike."""

import traceback

import click

from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--cpu", is_flag=True, help="Let set_mode_gpu() and set_device() mean the CPU, instead of an error.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for python -m.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(cpu: bool, module: bool, script: str, arguments: tuple[str, ...]) -> int:
    """Run SCRIPT with its ARGUMENTS; `import caffe` in it, and in what it imports, is caffelike.

    What comes after SCRIPT belongs to the script. Its errors are shown with their traceback, and exit code 1.

    Example: caffelike run classify.py --model deploy.prototxt cat.jpg

    Example: caffelike run --cpu -m unittest test_net
    """
    from caffelike import compat

    try:
        compat.run(script, arguments, cpu, module)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        raise CaffelikeError(str(end.code)) from None
    except Exception as error:
        if isinstance(error, CaffelikeError) and error.__traceback__ is not None and _ours(error):
            raise
        traceback.print_exc()
        return 1
    return 0


def _ours(error: CaffelikeError) -> bool:
    """Whether the script was not even started."""
    frames = traceback.extract_tb(error.__traceback__)
    return not any(frame.filename.endswith("runpy.py") or "runpy" in frame.filename for frame in frames)
