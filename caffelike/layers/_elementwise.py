"""What layers share that map every value by itself."""

from caffelike.layer import Layer, Shape


class Elementwise(Layer):
    """Base of types whose top has its bottom's shape and may be the same blob."""

    inplace = True

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape."""
        return [shapes[0]]
