"""The progress line's text, on a solver made up."""

from types import SimpleNamespace

import numpy as np

from caffelike.cli._watch import ProgressLine


def test_loss_rate_and_the_last_score():
    shown, callbacks = [], []
    solver = SimpleNamespace(
        iter=7, smoothed_loss=0.12345, lr=0.001, listeners=[], add_callback=lambda *given: callbacks.append(given)
    )
    line = ProgressLine(solver, lambda done, note: shown.append((done, note())))
    ((on_start,),) = callbacks
    on_start()
    solver.iter += 1
    on_start()
    line.on_test(solver, 1, {"other": np.array(1.0)})
    line.on_test(solver, 0, {"prob": np.zeros(3), "accuracy": np.array([0.97531]), "loss": np.array(0.1)})
    on_start()
    assert shown == [(7, ""), (8, "loss 0.123 lr 0.001"), (8, "loss 0.123 lr 0.001 test accuracy 0.9753")]
    assert solver.listeners == [line]
