"""Trees of labels, as YOLO9000 has them: a label says more and more exactly what something is."""

from caffelike.data.imagelist import read_text
from caffelike.errors import DataError

Tree = tuple[tuple[int, int, int], ...]
"""For each label the first of the labels beside it, the end of these, and its parent, -1 for none."""


def flat(classes: int) -> Tree:
    """Labels of which one is true."""
    return ((0, classes, -1),) * classes


def read_tree(path: str) -> Tree:
    """The labels of a file of lines `name parent`, parent a line's number from 0, above it, or -1.

    Lines next to each other with one parent are beside each other: of these one is true. Raises FileError, DataError.
    """
    parents: list[int] = []
    for number, line in enumerate(read_text(path, "tree of labels").splitlines(), 1):
        if not line.strip():
            continue
        try:
            parents.append(int(line.split()[-1]))
        except ValueError:
            parents.append(len(parents))
        if len(line.split()) < 2 or not -1 <= parents[-1] < len(parents) - 1:
            raise DataError(
                f"{path}:{number}: '{line}' is no label. Expected is: name, and the number of a line above."
            )
    if not parents:
        raise DataError(f"{path} has no labels.")
    starts = [i for i, parent in enumerate(parents) if not i or parents[i - 1] != parent]
    found = []
    for start, stop in zip(starts, [*starts[1:], len(parents)], strict=True):
        found += [(start, stop, parents[start])] * (stop - start)
    return tuple(found)


def read_map(path: str, classes: int) -> tuple[int, ...]:
    """The class of each label of a file of numbers, one a line. Raises FileError and DataError."""
    try:
        found = tuple(int(line.split()[0]) for line in read_text(path, "class map").splitlines() if line.strip())
    except ValueError as error:
        raise DataError(
            f"{path} is no class map: {error}. Expected is a number from 0 to {classes - 1} a line."
        ) from None
    if not found or not all(0 <= kind < classes for kind in found):
        raise DataError(f"{path} is no class map for {classes} classes: its numbers must be 0 .. {classes - 1}.")
    return found
