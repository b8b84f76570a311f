"""Writing files so that a crash, or a full disk, never costs the previous one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffelike.errors import FileError


def make_folder(path: str | os.PathLike) -> Path:
    """The folder that a tool writes its files into, made if it is missing. Raises FileError when that cannot be."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"Cannot make the folder {folder}: {error.strerror}. Choose another one.") from error
    return folder


_targets: dict[Path, Path] = {}
"""Of the temporary files being written, what each will be: a writer that is given one names that in its errors."""


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`.

    On any error the temporary file is removed and `path` stays as it was.
    Raises FileError when the folder is missing or cannot be written.
    """
    target = Path(path)
    named = _targets.get(target, target)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise FileError(
            f"Cannot write {named}: {error.strerror}. Make the folder {target.parent} or choose another one."
        ) from error
    os.close(descriptor)
    temporary = Path(name)
    _targets[temporary] = named
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        # mkstemp makes private files; a snapshot gets the rights any new file would get.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FileError(f"Cannot write {named}: {error.strerror or error}.") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        del _targets[temporary]


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a new temporary folder beside `path`; on success it is renamed to `path`, on any error it is removed.

    Raises FileError when `path` exists already, or the folder it is to stand in is missing or cannot be written.
    """
    target = Path(path)
    if target.exists():
        raise FileError(f"{target} exists already. Remove it, or choose another name: data sets are never overwritten.")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise FileError(f"Cannot write {target}: {error.strerror}. Make the folder {target.parent} first.") from error
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)
        try:
            temporary.rename(target)
        except OSError as error:
            raise FileError(f"Cannot write {target}: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
