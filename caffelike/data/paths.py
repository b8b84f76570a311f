"""Where files are that a definition names."""

import os

from caffelike import log


def resolve(path: str, beside: str = "") -> str:
    """The path to open for `path`: relative to the working folder, as in Caffe, else to the folder `beside`.

    beside: the folder of the definition that names the file; when it is used, that is logged. A path that exists in
    neither place is returned as it is.
    """
    if not path or not beside or os.path.isabs(path) or os.path.exists(path):
        return path
    other = os.path.join(beside, path)
    if not os.path.exists(other):
        return path
    log.info("paths.py:22", f"{path} is not in the working folder; taking {other}, beside the file that names it.")
    return other


def missing(path: str, what: str) -> str:
    """The message for a file or folder that is not there."""
    where = "" if os.path.isabs(path) else f" (relative to the working folder {os.getcwd()})"
    return f"Could not open {what} {path}{where}: it does not exist. Check the path, or make the file first."
