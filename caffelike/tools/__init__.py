"""What the command line's tools do, as functions for scripts: data sets from images, means, features, logs, reports."""

from caffelike.tools.annoset import convert_annoset
from caffelike.tools.cifar import convert_cifar_data
from caffelike.tools.confusion import Confusion
from caffelike.tools.features import extract_features
from caffelike.tools.image_mean import compute_image_mean
from caffelike.tools.imageset import convert_imageset
from caffelike.tools.mnist import convert_mnist_data, convert_mnist_siamese_data, read_idx
from caffelike.tools.split import split_imageset
from caffelike.tools.training_log import TrainingLog, parse_log

__all__ = [
    "Confusion",
    "TrainingLog",
    "compute_image_mean",
    "convert_annoset",
    "convert_cifar_data",
    "convert_imageset",
    "convert_mnist_data",
    "convert_mnist_siamese_data",
    "extract_features",
    "parse_log",
    "read_idx",
    "split_imageset",
]
