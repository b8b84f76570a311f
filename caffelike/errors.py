"""Every error caffelike raises on purpose.

All of them are `CaffelikeError`, which is a `RuntimeError` because that is what pycaffe raises.
A message names the culprit (file:line, or layer and blob), what was expected, what came, and the cure.
"""


class CaffelikeError(RuntimeError):
    """Base of all errors raised on purpose; its text is meant for the user, without a traceback."""


class FileError(CaffelikeError):
    """A file or folder is missing, unreadable or not writable."""


class ParseError(CaffelikeError):
    """A text definition cannot be read; `filename`, `line` and `column` (from 1) say where."""

    def __init__(self, message: str, filename: str = "", line: int = 0, column: int = 0):
        self.message, self.filename, self.line, self.column = message, filename, line, column
        place = ":".join(str(part) for part in (filename, line, column) if part)
        super().__init__(f"{place}: {message}" if place else message)


class ModelError(CaffelikeError):
    """A definition reads well but describes no possible net; `layer` names the layer at fault."""

    def __init__(self, message: str, layer: str = ""):
        self.layer = layer
        super().__init__(message)


class ShapeError(ModelError, ValueError):
    """Shapes of blobs or arrays that do not fit together; a ValueError, as pycaffe and NumPy raise."""


class WeightsError(CaffelikeError):
    """A weight or state file is damaged, or does not fit the net it is read into."""


class DeviceError(CaffelikeError):
    """The GPU cannot be used, or failed."""


class DeviceMemoryError(DeviceError, MemoryError):
    """The GPU's memory is full."""


class DataError(CaffelikeError):
    """A data source is empty, damaged, or holds what the net cannot take."""


class LabelError(DataError):
    """A label outside its range 0 .. `classes` - 1; `item` is its index in the batch, `label` the value found."""

    def __init__(self, message: str, item: int, label: float, classes: int):
        self.item, self.label, self.classes = item, label, classes
        super().__init__(message)

    @classmethod
    def no_class(cls, item: int, label: float, classes: int) -> "LabelError":
        """The error for a label that is not one of 0 .. classes - 1."""
        return cls(
            f"The label of item {item} of the batch is {label:g}, but labels must be 0 .. {classes - 1}: there are"
            f" {classes} classes. Correct the data, or the num_output of the layer that makes the scores"
            " (ignore_label leaves out one value).",
            item=item,
            label=label,
            classes=classes,
        )


class LabelWarning(UserWarning):
    """A label outside its range, in a pass whose labels nobody gave in earnest."""


class SolverError(CaffelikeError):
    """A solver definition or state that cannot be run."""


class NotFiniteError(SolverError):
    """Training produced a NaN or an infinity."""
