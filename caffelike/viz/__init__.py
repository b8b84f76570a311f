"""Looking into a net: each technique is a file, gives arrays first, and pictures of them through `picture`.

All are made of Net.forward and Net.backward alone, layer by layer, with gradients that the caller writes; `passes` is
the place to learn how that is done by hand. `open_net` makes a net that can run backward to its picture.
"""

from caffelike.viz.activations import activations
from caffelike.viz.cam import cam, grad_cam
from caffelike.viz.deconvnet import deconvolve
from caffelike.viz.dream import class_model, dream
from caffelike.viz.embedding import embedding, features
from caffelike.viz.filters import filters
from caffelike.viz.gradients import gradient, guided
from caffelike.viz.occlusion import Occlusion, occlusion
from caffelike.viz.passes import able, open_net
from caffelike.viz.strongest import Strongest, strongest

__all__ = [
    "Occlusion",
    "Strongest",
    "able",
    "activations",
    "cam",
    "class_model",
    "deconvolve",
    "dream",
    "embedding",
    "features",
    "filters",
    "grad_cam",
    "gradient",
    "guided",
    "occlusion",
    "open_net",
    "strongest",
]
