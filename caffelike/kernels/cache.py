"""The folder in which compiled kernels are kept.

Numba stamps a cached function with its own file's time only, so an edit in a file that it calls into would go
unnoticed. Here the cache folder's name holds a hash of all kernel sources: any edit starts a fresh folder, and
all but the last few are removed. Importing this does not load Numba.
"""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from caffelike.platform import cache_base, private_folder

_KEPT = 4  # cache folders: environments with different versions of caffelike may take turns


def sources_hash() -> str:
    """Hash over the names and contents of all files in caffelike/kernels but the GPU's, which nothing here calls."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*.py") if p.parent.name != "cuda"):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def open_cache(base: Path) -> Path | None:
    """The folder for the present kernel sources under `base`, older ones removed; None where none can be had.

    The folder holds pickles, hence is private (mode 0700) and refused when others may write into it.
    """
    folder = base / f"kernels-{sources_hash()}"
    if not private_folder(folder):
        return None
    with contextlib.suppress(OSError):  # another process may be tidying up as well
        os.utime(folder)  # "used last" for the order below
        found = sorted(base.glob("kernels-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in found[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


folder: Path | None = open_cache(cache_base())
"""Where compiled kernels are kept; None: nowhere, every process compiles for itself."""


def is_empty() -> bool:
    """Whether there is a folder, and nothing in it yet: every kernel has to be compiled."""
    return folder is not None and not any(folder.iterdir())
