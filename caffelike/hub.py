"""Models by name: the definitions in models/, with weights from a file or fetched from where they were published.

A model is a folder models/<name>/ with train_val, deploy and solver prototxts and a README.md whose front matter
(`key: value` lines between two `---`) names the published weights as Caffe's model zoo does: `caffemodel`,
`caffemodel_url`, `sha1`.
"""

import difflib
import hashlib
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelike import log, platform
from caffelike.errors import CaffelikeError, FileError
from caffelike.schema import TEST

if TYPE_CHECKING:
    from caffelike.graph.net import Net

MIRROR = "CAFFELIKE_MIRROR"
DOWNLOAD = "download"
_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without an answer


def load(model: str, weights: str | os.PathLike | None = None, phase: int = TEST) -> "Net":
    """The net of models/<model>/deploy.prototxt, or of a bundle with its weights and its recipe as `net.recipe`.

    model: a name of `names()`, the name its published weights go by ("bvlc_reference_caffenet"), or a bundle's file.
    weights: a .caffemodel or .caffemodel.h5; "download": the published ones, see `fetch`; None: as the fillers say,
    which in a deploy.prototxt is zero.
    Raises CaffelikeError for an unknown name; FileError, WeightsError.
    """
    from caffelike import bundle
    from caffelike.graph.net import Net

    if os.path.isfile(model):
        if weights is not None or phase != TEST:
            raise CaffelikeError(f"{model} is a file: a bundle has its own weights, and is for the phase TEST.")
        return bundle.read(model)
    folder = find(model)
    path = fetch(model) if weights == DOWNLOAD else weights
    return Net(folder / "deploy.prototxt", phase, weights=path)


def root() -> Path:
    """The folder of all models: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def names() -> list[str]:
    """The models there are."""
    return sorted(path.parent.name for path in root().glob("*/deploy.prototxt"))


def find(model: str) -> Path:
    """The folder of a model. Raises CaffelikeError, naming near ones, when there is none of that name."""
    for name in names():
        if model in (name, Path(facts(root() / name).get("caffemodel", "")).stem):
            return root() / name
    near = difflib.get_close_matches(model, names(), n=2)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise CaffelikeError(
        f"There is no file and no model called '{model}'. {hint}The models are {', '.join(names())};"
        " a definition of your own is loaded by caffelike.Net(file, phase, weights=...), a bundle by its file's name."
    )


def facts(folder: Path) -> dict[str, str]:
    """The front matter of a model's README.md, empty where there is none; values are strings."""
    readme = folder / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.exists() else []
    if lines[:1] != ["---"]:
        return {}
    pairs = (line.partition(":") for line in lines[1 : lines.index("---", 1)])
    return {key.strip(): value.strip() for key, _, value in pairs}


def fetch(model: str) -> Path:
    """The file with a model's published weights, downloaded once and checked by its SHA-1.

    The environment variable CAFFELIKE_MIRROR may list places, separated by blanks, to try before the published one:
    https:// or file:// addresses of folders, or plain folders. A broken download goes on where it stopped.
    Raises CaffelikeError when no weights are published, FileError when none can be had, saying how to get them by hand.
    """
    known = facts(find(model))
    if "sha1" not in known:
        raise CaffelikeError(
            f"No weights are published for {model}. Train it (models/{model}/README.md says how) and pass the file:"
            f' caffelike.load("{model}", weights="....caffemodel").'
        )
    target = cache_folder() / known["caffemodel"]
    with platform.only_one_process(target.with_suffix(".lock")):
        if target.exists() and _sha1(target) == known["sha1"]:
            return target
        target.unlink(missing_ok=True)
        _download(known, target, model)
    return target


def cache_folder() -> Path:
    """The folder that keeps downloaded weights, private to its user. Raises FileError when it cannot be made."""
    folder = platform.cache_base() / "weights"
    if not platform.private_folder(folder):
        raise FileError(
            f"Cannot keep weights in {folder}: it cannot be written, or others may write into it."
            " Set CAFFELIKE_CACHE_DIR to a folder of your own."
        )
    return folder


def _download(known: dict[str, str], target: Path, model: str) -> None:
    name, part = known["caffemodel"], target.with_name(f"{target.name}.part")
    places = [f"{place.rstrip('/')}/{name}" for place in os.environ.get(MIRROR, "").split()]
    failures = []
    for place in [*places, known["caffemodel_url"]]:
        log.logger.info("Fetching %s", place)
        try:
            _get(place, part)
        except (OSError, ValueError) as error:
            failures.append(f"{place}: {getattr(error, 'reason', None) or error}")
            continue
        if (found := _sha1(part)) == known["sha1"]:
            os.replace(part, target)
            return
        part.unlink()
        failures.append(f"{place}: its SHA-1 is {found}, not the published one; the file was thrown away")
    tried = "\n  ".join(failures)
    raise FileError(
        f"Cannot get {name}:\n  {tried}\n"
        f"Get it some other way (SHA-1 {known['sha1']}), then do one of these:\n"
        f'  caffelike.load("{model}", weights="/your/folder/{name}")\n'
        f"  copy it to {target}\n"
        f"  set {MIRROR} to a folder or an https:// address that has it"
    )


def _get(place: str, part: Path) -> None:
    """Append to `part` what is missing of the file at `place`. Raises OSError, or ValueError for http: and the like."""
    scheme = urllib.parse.urlsplit(place).scheme
    if scheme == "file" or len(scheme) < 2:  # a plain path; C:\ is not a scheme
        source = urllib.request.url2pathname(urllib.parse.urlsplit(place).path) if scheme == "file" else place
        shutil.copyfile(source, part)
        return
    if scheme != "https":
        raise ValueError("only https://, file:// and folders are taken")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(place, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing beyond what is here: whole already, or of another file
            raise
        error.close()
        return
    with answer, open(part, "ab" if _resumes(answer, have) else "wb") as file:
        shutil.copyfileobj(answer, file, _CHUNK)
        if (left := answer.length) not in (None, 0):
            raise OSError(f"the connection broke with {left} bytes missing; try again, it goes on from there")


def _resumes(answer: Any, have: int) -> bool:
    """Whether an answer starts at byte `have` and not at the beginning."""
    return answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")


def _sha1(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
