"""Images and their labels into a data base that Data layers read, as Caffe's convert_imageset does."""

import io
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from caffelike import log, rng
from caffelike.data import datum, images, writing
from caffelike.data.imagelist import Line, read_list
from caffelike.data.resize import resize
from caffelike.errors import DataError, FileError
from caffelike.files import atomic_path

_JPEG_QUALITY = 95  # what OpenCV takes, and so Caffe
_TOLD = 20  # unreadable images that are named in the last warning


@dataclass
class Converted:
    """What was made. unreadable: names of images that were left out. classes: names by label, of a folder of folders.

    labels: how many each record has in its float_data; 0: one whole number, in its label.
    """

    records: int = 0
    unreadable: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    labels: int = 0


def convert_imageset(
    root: str | os.PathLike,
    listfile: str | os.PathLike | None,
    db: str | os.PathLike,
    *,
    gray: bool = False,
    shuffle: bool = False,
    backend: str = "lmdb",
    resize_height: int = 0,
    resize_width: int = 0,
    check_size: bool = False,
    encoded: bool = False,
    encode_type: str = "",
    labels: int = 1,
    seed: int | None = None,
    tick: Callable[[int, int], object] = lambda done, total: None,
) -> Converted:
    """Write the images that a list names into a new data base.

    root: put before each name as it is. listfile: lines `name label`, cut at the last blank; None: every folder in
    `root` is a class, labelled by its place in the alphabet, and the classes' names go to `<db>_classes.txt`.
    gray: one channel. shuffle: in a random order (of `seed`, if given). resize_height, resize_width: both or neither.
    check_size: refuse images of different sizes. encoded: store image files instead of pixels, as they are where
    nothing changes; encode_type: as "png" or "jpg" (means encoded).
    labels: how many stand in each line; they may also be joined by commas, `name 0,1,0.5`. Labels that are several, or
    no whole numbers, go to the records' float_data, where `data_param { labels: 3 }` reads them; Caffe, which does not,
    finds the first one's whole part, as if it had made the data base itself.
    tick(done, total): called after each image.

    Keys are `%08d_name` with the place in the (shuffled) list. An image that cannot be read is logged and left out.
    Raises FileError, and DataError for a list or an option that makes no sense or when no image can be read at all.
    """
    root, db = os.fspath(root), os.fspath(db)
    if (resize_height > 0) != (resize_width > 0):
        raise DataError("resize_height and resize_width belong together: give both, or neither.")
    if encode_type and not encoded:
        log.info("convert_imageset.cpp:84", "encode_type specified, assuming encoded=true.")
    result = Converted()
    if listfile is None:
        entries, result.classes = class_folders(root)
    else:
        entries = read_list(os.fspath(listfile), labels)
    if shuffle:
        log.info("convert_imageset.cpp:79", "Shuffling data")
        order = rng.generator(int.from_bytes(os.urandom(7), "little") if seed is None else seed, "convert_imageset")
        entries = [entries[i] for i in order.permutation(len(entries))]
    log.info("convert_imageset.cpp:82", f"A total of {len(entries)} images.")
    reader = ImageReader(_with_slash(root, entries), gray, (resize_height, resize_width), encoded, encode_type.lower())
    if not all(isinstance(entry.label, int) for entry in entries):
        result.labels = len(_numbers(entries[0]))
    with ExitStack() as stack:
        if result.classes:
            names = stack.enter_context(atomic_path(f"{db}_classes.txt"))
            names.write_text("".join(f"{name}\n" for name in result.classes), encoding="utf-8")
        database = stack.enter_context(writing.create(db, backend))
        shape: tuple[int, ...] = ()
        for i, entry in enumerate(entries):
            tick(i, len(entries))
            try:
                content, size = reader.read(entry.path)
            except (FileError, DataError) as error:
                log.error("io.cpp:81", str(error))
                result.unreadable.append(entry.path)
                continue
            shape = shape or size
            if check_size and size != shape:
                raise of_other_size(reader.root + entry.path, size, shape)
            key = f"{i:08d}_{entry.path}".encode()
            numbers = _numbers(entry)
            record = datum.to_bytes(content, int(numbers[0]))
            if result.labels:
                record += datum.field(6, np.array(numbers, "<f4").tobytes())  # float_data
            database.put(key, record)
            if database.count % 1000 == 0:
                log.info("convert_imageset.cpp:144", f"Processed {database.count} files.")
        if not database.count:
            raise DataError(
                f"None of the {len(entries)} images could be read, so there is no {db}; the first one tried is"
                f" {reader.root}{entries[0].path}. ROOTFOLDER is put before the names as it is."
            )
    result.records = database.count
    if result.records % 1000:
        log.info("convert_imageset.cpp:152", f"Processed {result.records} files.")
    tell_unreadable(result.unreadable, len(entries), db, "convert_imageset.cpp:152")
    if result.labels:
        text = f"Each record has {result.labels} labels: read them with data_param {{ labels: {result.labels} }}."
        log.info("convert_imageset.cpp:152", text)
    return result


def tell_unreadable(names: list[str], total: int, db: str, place: str) -> None:
    """A warning that names the images that were left out, if there are any."""
    if names:
        named = ", ".join(names[:_TOLD]) + (", ..." if len(names) > _TOLD else "")
        log.warning(place, f"{len(names)} of {total} images could not be read and are not in {db}: {named}")


def of_other_size(path: str, size: tuple[int, ...], first: tuple[int, ...]) -> DataError:
    """The error that check_size raises."""
    return DataError(
        f"Incorrect data field size: {path} is {_by(size)} (height x width x channels), the first image is"
        f" {_by(first)}. Set resize_height and resize_width, or leave check_size out."
    )


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _numbers(entry: Line) -> tuple[float, ...]:
    """The labels of an entry."""
    assert not isinstance(entry.label, str)
    return entry.label if isinstance(entry.label, tuple) else (entry.label or 0,)


def class_folders(root: str) -> tuple[list[Line], list[str]]:
    """The images in each folder of `root`, labelled by folder, and the folders' names."""
    from PIL import Image

    if not os.path.isdir(root):
        raise FileError(f"{root} is no folder. Without a list, a folder of folders of images is expected.")
    kinds = set(Image.registered_extensions())
    classes = sorted(path.name for path in Path(root).iterdir() if path.is_dir() and not path.name.startswith("."))
    entries = [
        Line(path.relative_to(root).as_posix(), label)
        for label, name in enumerate(classes)
        for path in sorted(Path(root, name).rglob("*"))
        if path.suffix.lower() in kinds and not path.name.startswith(".")
    ]
    if not entries:
        raise DataError(f"{root} has no folders with images in them. Without a list, each folder in it is a class.")
    return entries, classes


def _with_slash(root: str, entries: list[Line]) -> str:
    """`root`, with the slash that people forget where it is seen to be missing."""
    first = entries[0].path
    ends = not root or root.endswith(("/", os.sep))
    if ends or os.path.exists(root + first) or not os.path.exists(os.path.join(root, first)):
        return root
    log.warning("convert_imageset.cpp:122", f"{root} does not end with '/'; taking {root}/ as ROOTFOLDER.")
    return root + "/"


class ImageReader:
    """Reads an image as what goes into a Datum.

    size: its height and width; zeros: as it is, but for `limits`: the least that its shorter side, and the most that
    its longer side may have, which counts more; 0: any.
    """

    def __init__(
        self,
        root: str,
        gray: bool,
        size: tuple[int, int],
        encoded: bool,
        kind: str,
        limits: tuple[int, int] = (0, 0),
    ):
        self.root = root
        self._gray, self._size, self._encoded, self._kind = gray, size, encoded or bool(kind), kind
        self._limits = limits

    def read(self, name: str) -> tuple[np.ndarray | bytes, tuple[int, ...]]:
        """(pixels of (channels, height, width), or an image file's bytes; its height, width, channels)."""
        path = self.root + name
        pixels = images.read(path, not self._gray)
        wanted = self._size if all(self._size) else self._limited(*pixels.shape[:2])
        as_it_is = not all(self._size) and wanted == pixels.shape[:2]
        if not as_it_is:
            pixels = resize(pixels, *wanted)
        if not self._encoded:
            return pixels.transpose(2, 0, 1), pixels.shape
        suffix = os.path.splitext(name)[1].lower().lstrip(".")
        kind = self._kind or suffix
        if not kind:
            raise DataError(f"Failed to guess the encoding of {path}: its name has no extension. Give encode_type.")
        if as_it_is and _same(kind, suffix):
            return Path(path).read_bytes(), pixels.shape
        return _encode(pixels, kind), pixels.shape

    def _limited(self, height: int, width: int) -> tuple[int, int]:
        least, most = self._limits
        short, long = min(height, width), max(height, width)
        factor = least / short if least and short < least else 1.0
        if most and int(factor * long) > most:
            factor = most / long
        return round(height * factor), round(width * factor)


def _same(kind: str, suffix: str) -> bool:
    """Whether two extensions name one format."""
    jpeg = ("jpg", "jpeg")
    return kind == suffix or (kind in jpeg and suffix in jpeg)


def _encode(pixels: np.ndarray, kind: str) -> bytes:
    from PIL import Image

    known = Image.registered_extensions()
    if f".{kind}" not in known:
        raise DataError(f"Images cannot be encoded as '{kind}'; png and jpg are usual.")
    shown = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels[:, :, ::-1]
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(out, known[f".{kind}"], quality=_JPEG_QUALITY)
    return out.getvalue()
