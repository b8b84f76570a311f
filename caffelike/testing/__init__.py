"""Checks for people who write layers: finite differences, and the contract every registered layer meets.

from caffelike.testing import check_layer, labels

check_layer("Softmax", "softmax_param { axis: 2 }", [(2, 3, 5)])
check_layer("SoftmaxWithLoss", shapes=[(4, 5), (4,)], inputs={"label": labels(5)})
"""

from caffelike.testing.bench import Bench
from caffelike.testing.contract import Case, check_kernel, check_layer
from caffelike.testing.gradient import check_gradient
from caffelike.testing.inputs import away_from_zero, labels, positive

__all__ = ["Bench", "Case", "away_from_zero", "check_gradient", "check_kernel", "check_layer", "labels", "positive"]
