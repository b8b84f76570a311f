"""A loss written in Python: Caffe's EuclideanLoss, as a layer of one's own."""

import numpy as np

import caffelike


class SquaredError(caffelike.Layer):
    """loss = sum((prediction - truth)^2) / (2 N) for bottoms prediction and truth of one shape (N, ...)."""

    def setup(self, bottom, top):
        """Two bottoms and one top; called once."""
        if len(bottom) != 2 or len(top) != 1:
            raise ValueError("SquaredError takes a prediction and the truth, and makes one loss.")

    def reshape(self, bottom, top):
        """The loss is one number; called before each forward pass."""
        if bottom[0].shape != bottom[1].shape:
            raise ValueError(f"the prediction is {bottom[0].shape}, but the truth {bottom[1].shape}.")
        self.gap = np.zeros(bottom[0].shape, np.float32)
        top[0].reshape()

    def forward(self, bottom, top):
        """Keep the gap for backward."""
        self.gap[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.gap**2) / (2 * len(self.gap))

    def backward(self, top, propagate_down, bottom):
        """The gap, with the sign of the bottom; top[0].diff is the loss weight."""
        for i, sign in enumerate((1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * top[0].diff * self.gap / len(self.gap)
