"""The training loop, in Caffe's order.

An iteration: test, callbacks, `iter_size` passes whose gradients add up, smoothed loss, display, learning rate,
clipping, the update rule, the requested action, snapshot. The rules are files of their own, see rule.py.
"""

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar

import numpy as np

from caffelike import device, log, registry, rng
from caffelike.blob import Storage
from caffelike.errors import FileError, SolverError
from caffelike.graph.place import after_gpu, before_gpu
from caffelike.layer import parameters
from caffelike.solvers import debug, definition, detection, extras, guard, lr, snapshot
from caffelike.solvers.average import WeightAverage
from caffelike.solvers.norm import squared_norm
from caffelike.solvers.outputs import Outputs
from caffelike.solvers.ranks import Ranks

STOP, SNAPSHOT = "stop", "snapshot"


class Solver:
    """Trains a net as a solver.prototxt says; `get_solver(file)` picks the class by the file's `type`.

    file: a solver.prototxt, or a SolverParameter (read from `filename`, if it is from a file).
    check_finite: stop with NotFiniteError at the first NaN or infinity in the loss or the weights.

    net: the training net. test_nets: they share its weights. param: the SolverParameter; changes take effect.
    iter: updates done so far. lr: the learning rate of this iteration. smoothed_loss: mean of the last
    `average_loss` losses. last_snapshot: path of the last .solverstate written or restored, or "".
    action: called after each update and between test batches; may answer "stop", "snapshot" or None.
    listeners: told of updates, displays, tests and snapshots, see listener.py; the opt-in extras are among them.
    ranks: the processes that train this net together, see ranks.py; this one alone unless caffelike.parallel joins it.

    Raises FileError, ParseError, ModelError, ShapeError, WeightsError, and SolverError for impossible options.
    """

    takes_momentum: ClassVar[bool] = True

    def __init__(self, file: str | os.PathLike | Any, *, filename: str = "", check_finite: bool = False):
        if isinstance(file, (str, os.PathLike)):
            filename, file = os.fspath(file), definition.read(os.fspath(file))
        self.filename, self.param = filename, file
        self.check_finite = check_finite
        self.iter = 0
        self.current_step = 0
        self.last_snapshot = ""
        self.action: Callable[[], str | None] | None = None
        self._callbacks: list[tuple[Callable[[], object], Callable[[], object] | None]] = []
        self._losses: deque[float] = deque(maxlen=max(1, self.param.average_loss))
        self._keep_losses = False
        self._stopping = False
        self._unsaved = False
        self._shown = (0.0, 0)
        definition.announce(self.param)
        definition.refuse_foreign(self.param, self.filename)
        self.check()
        if self.param.snapshot:
            snapshot.probe(self.param)
        if self.param.random_seed >= 0:
            rng.set_random_seed(self.param.random_seed)
        self.net = definition.training_net(self.param, self.filename)
        self.test_nets = definition.test_nets(self.param, self.filename, self.net)
        rule = registry.solvers[self.type].__module__
        update = sys.modules[rule].update
        names = parameters(update)
        self._histories = [Storage(self.net.arena_data.size) for _ in range(names.index("scale") - 2)]
        self._constants = names[names.index("rate") + 1 :]
        self._rule = rule.rpartition(".")[2]
        self._update = device.kernel(self._rule, "update") or update
        self._outputs = Outputs(self.net)
        self.listeners = extras.chosen(self)
        self.ranks = Ranks()
        log.info("solver.cpp:57", "Solver scaffolding done.")

    # What a rule writes ------------------------------------------------------------------------

    def check(self) -> None:
        """Raise SolverError for options that this rule cannot use."""
        if self.param.momentum and not self.takes_momentum:
            raise SolverError(f"Momentum cannot be used with {self.type}. Remove `momentum`, or choose another type.")
        if self.param.regularization_type not in ("L1", "L2"):
            raise SolverError(f"Unknown regularization type: {self.param.regularization_type}. Use L1 or L2.")
        if self.param.iter_size < 1:
            raise SolverError(f"iter_size must be at least 1, but is {self.param.iter_size}.")
        extras.check(self.param)
        detection.check(self.param)

    # State -------------------------------------------------------------------------------------

    @property
    def type(self) -> str:
        """The name of the update rule, as a solver.prototxt writes it."""
        return next(name for name in registry.solvers if issubclass(type(self), registry.solvers[name]))

    @property
    def history(self) -> list[np.ndarray]:
        """What the rule remembers, laid out as the arenas, in the computer's memory; take it anew for each use."""
        for storage in self._histories:
            storage.write_host()
        return [storage.array for storage in self._histories]

    @property
    def lr(self) -> float:
        """The learning rate that the next update uses."""
        return lr.rate(self.param, self.iter, lr.next_step(self.param, self.iter, self.current_step))

    @property
    def smoothed_loss(self) -> float:
        """Mean of the last `average_loss` losses of this `step` call; NaN before the first."""
        return sum(self._losses) / len(self._losses) if self._losses else math.nan

    def keep_history_in(self, arrays: Sequence[np.ndarray]) -> None:
        """Use these arrays, which hold what `history` holds, in their place from now on."""
        for storage, array in zip(self._histories, arrays, strict=True):
            storage.adopt(array)

    def add_callback(
        self, on_start: Callable[[], object], on_gradients_ready: Callable[[], object] | None = None
    ) -> None:
        """Call `on_start` before each iteration's passes and `on_gradients_ready`, if given, before its update."""
        self._callbacks.append((on_start, on_gradients_ready))

    def share_weights(self, net: Any) -> None:
        """Let `net` use the training net's weights, by layer name."""
        net.share_with(self.net)

    def stop(self) -> None:
        """End the `step` or `solve` that is running after its present iteration or test."""
        self._stopping = True

    def tested_weights(self) -> AbstractContextManager[None]:
        """Within the block the nets have the weights that are tested: with average_decay, their running average."""
        return self._weights(averaged=True)

    def _weights(self, averaged: bool) -> AbstractContextManager[None]:
        average = next((one for one in self.listeners if isinstance(one, WeightAverage)), None)
        return average.shown(averaged) if average else nullcontext()

    def close(self) -> None:
        """Let go of the nets' files and threads. The solver cannot run afterwards."""
        for net in (self.net, *self.test_nets):
            net.close()

    # Training ----------------------------------------------------------------------------------

    def solve(self, resume_file: str | os.PathLike | None = None) -> None:
        """Train up to max_iter, after restoring `resume_file` if given; then the last snapshot, loss and test."""
        p = self.param
        log.info("solver.cpp:289", f"Solving {self.net.name}")
        log.info("solver.cpp:290", f"Learning Rate Policy: {p.lr_policy}")
        if p.snapshot_after_train:
            snapshot.probe(p)
        if resume_file is not None:
            log.info("solver.cpp:296", f"Restoring previous solver status from {os.fspath(resume_file)}")
            self.restore(resume_file)
        self.step(max(0, p.max_iter - self.iter))
        if p.snapshot_after_train and (self._unsaved or not p.snapshot or self.iter % p.snapshot):
            self.snapshot()
        if self._stopping:
            log.info("solver.cpp:317", "Optimization stopped early.")
            return
        if p.display and self.iter % p.display == 0:
            self._losses.append(
                float(self.ranks.mean(np.array(self.net.run_forward())))
            )  # shows the result of the last update, on one batch more
            log.info("solver.cpp:327", f"Iteration {self.iter}, loss = {log.number(self.smoothed_loss)}")
        if p.test_interval and self.iter % p.test_interval == 0:
            self.test_all()
        log.info("solver.cpp:332", "Optimization Done.")

    def step(self, n: int) -> None:
        """Train for `n` iterations.

        Raises NotFiniteError when `check_finite` is on and the loss or a weight is NaN or infinite.
        """
        p = self.param
        lr.check(p)
        parts = list(self._parts())
        self._stopping = False
        if self._keep_losses:
            self._keep_losses = False
        else:
            self._losses = deque(maxlen=max(1, p.average_loss))
        self._shown = (time.perf_counter(), self._shown[1])
        stop = self.iter + n
        while self.iter < stop:
            if p.test_interval and self.iter % p.test_interval == 0 and (self.iter or p.test_initialization):
                self.test_all()
                if self._stopping:
                    break
            for on_start, _ in self._callbacks:
                on_start()
            display = bool(p.display and self.iter % p.display == 0)
            loss = self._passes(display, self._looked_at() or self.iter + 1 == stop)
            self._losses.append(loss)
            if self.check_finite and not math.isfinite(loss):
                raise guard.bad_loss(self, loss)
            if display:
                self._display()
            for _, on_gradients_ready in self._callbacks:
                if on_gradients_ready:
                    on_gradients_ready()
            if not self._apply(parts, display) and self.check_finite:
                raise guard.bad_update(self)
            request = self.ranks.agree(self.action() if self.action else None)
            self.iter += 1
            if (p.snapshot and self.iter % p.snapshot == 0) or request == SNAPSHOT:
                self._try_snapshot()
            if request == STOP:
                self._stopping = True
                break

    def _looked_at(self) -> bool:
        """Whether somebody looks at gradients, or at the update in their place, before this `step` ends."""
        return (
            any(ready for _, ready in self._callbacks)
            or any(listener.looks_at_gradients for listener in self.listeners)
            or self.param.clip_gradients >= 0
            or self.param.snapshot_diff
            or any(own.blob.diff_storage.held for own in self.net.learnable)
        )

    def _passes(self, display: bool, whole: bool) -> float:
        """The gradients of iter_size batches, added up; their mean loss. whole: see `Ranks.gradients`."""
        run = self.net.forward_backward
        if display and self.param.debug_info:
            run = partial(debug.forward_backward, self.net)
        loss = 0.0
        for i in range(self.param.iter_size):
            if i == self.param.iter_size - 1:
                self.ranks.listen(self.net)
            loss += run(beta=min(i, 1))
        self.ranks.gradients(whole)
        return float(self.ranks.mean(np.array(loss / self.param.iter_size)))

    def _display(self) -> None:
        now = time.perf_counter()
        then, iteration = self._shown
        lapse = now - then
        rate = (self.iter - iteration) / lapse if lapse else 0.0
        log.info(
            "solver.cpp:239",
            f"Iteration {self.iter} ({log.number(rate)} iter/s, {lapse:.3g}s/{self.param.display} iters),"
            f" loss = {log.number(self.smoothed_loss)}",
        )
        values = self.ranks.mean(self._outputs.values())
        for line in self._outputs.lines(values):
            log.info("solver.cpp:258", f"    Train net output {line}")
        guard.hint(self)
        self._shown = (now, self.iter)
        for listener in self.listeners:
            listener.on_display(self, self._outputs.by_name(values))

    # The update --------------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple]:
        """For each parameter its blob, weights, gradient and histories as 1-D arrays, and its multipliers."""
        for own in self.net.learnable:
            blob = own.blob
            history = [h[own.offset : own.offset + own.count] for h in self.history]
            yield blob, blob.raw_data.reshape(-1), blob.raw_diff.reshape(-1), history, own.lr_mult, own.decay_mult

    def _gpu_parts(self) -> Iterator[tuple]:
        """`_parts` in the GPU's memory."""
        for storage in self._histories:
            storage.write_gpu()
        for own in self.net.learnable:
            blob, part = own.blob, slice(own.offset, own.offset + own.count)
            weight, diff = blob.gpu_data.reshape(-1), blob.gpu_diff.reshape(-1)
            history = [storage.gpu_array[part] for storage in self._histories]
            yield blob, weight, diff, history, own.lr_mult, own.decay_mult

    def _on_gpu(self) -> Callable | None:
        """The kernel that updates on the GPU, if the net runs there and the rule has one."""
        return device.kernel(self._rule, "update", device.CUDA) if self.net.device == device.CUDA else None

    def apply_update(self) -> bool:
        """Update the weights from the gradients in the parameters' diffs; whether all weights are finite.

        Afterwards the diffs hold what was subtracted. `iter` stays as it is.
        """
        lr.check(self.param)
        return self._apply(list(self._parts()), bool(self.param.display and self.iter % self.param.display == 0))

    def _apply(self, parts: list[tuple], display: bool) -> bool:
        p = self.param
        for listener in self.listeners:
            listener.before_update(self)
        step = lr.next_step(p, self.iter, self.current_step)
        if step != self.current_step:
            self.current_step = step
            if p.lr_policy == "multistep":
                log.info("sgd_solver.cpp:50", f"MultiStep Status: Iteration {self.iter}, step = {step}")
        rate = lr.rate(p, self.iter, step)
        if display:
            log.info("sgd_solver.cpp:112", f"Iteration {self.iter}, lr = {log.number(rate)}")
        used = [storage for own in self.net.learnable for storage in (own.blob.data_storage, own.blob.diff_storage)]
        update = self._on_gpu()
        if update is not None:
            before_gpu(used)
            parts = list(self._gpu_parts())
        elif device.used():
            parts = list(self._parts())
        scale = np.float32(self._gradient_factor(parts) / p.iter_size)
        l1, l2 = (p.weight_decay, 0.0) if p.regularization_type == "L1" else (0.0, p.weight_decay)
        constants = [self.iter if name == "iteration" else np.float32(getattr(p, name)) for name in self._constants]
        norms = lr.needs_norms(p)
        if norms and self.ranks.size > 1:
            raise SolverError("local_lr_auto and larc need each parameter's whole gradient: train on one rank.")
        answers = set()  # a GPU gives the same answer for all parameters: it is asked once
        with np.errstate(all="ignore"):  # a diverging net overflows; check_finite tells what matters
            for blob, weight, diff, history, lr_mult, decay_mult in self.ranks.updated(parts):
                answer = (update or self._update)(
                    weight,
                    diff,
                    *history,
                    scale,
                    np.float32(l2 * decay_mult),
                    np.float32(l1 * decay_mult),
                    np.float32(lr.local(p, rate, lr_mult, *(self._norms(weight, diff, float(scale)) if norms else ()))),
                    *constants,
                )
                answers.add(answer)
                blob.data_storage.wrote()
        finite = all(answers)
        if update is not None:
            after_gpu(used)
        for listener in self.listeners:
            listener.after_update(self)
        return finite

    @staticmethod
    def _norms(weight: Any, diff: Any, scale: float) -> tuple[float, float]:
        """L2 norms of a parameter's weights and of its gradient, scaled."""
        return math.sqrt(squared_norm(weight)), scale * math.sqrt(squared_norm(diff))

    def _gradient_factor(self, parts: list[tuple]) -> float:
        """gradient_scale, times what brings the L2 norm of all gradients so scaled down to clip_gradients."""
        limit, scale = self.param.clip_gradients, self.param.gradient_scale
        if limit < 0:
            return scale
        norm = scale * math.sqrt(sum(squared_norm(diff) for _, _, diff, *_ in parts))
        if not norm > limit:
            return scale
        log.info(
            "sgd_solver.cpp:95",
            f"Gradient clipping: scaling down gradients (L2 norm {log.number(norm)} > {log.number(limit)}) by scale"
            f" factor {log.number(limit / norm)}",
        )
        return scale * (limit / norm)

    # Testing -----------------------------------------------------------------------------------

    def test_all(self) -> list[dict[str, np.ndarray]]:
        """Test every test net; each one's mean outputs by blob name."""
        scores = []
        for i in range(len(self.test_nets)):
            if self._stopping:
                break
            scores.append(self.test(i))
        return scores

    def test(self, index: int = 0) -> dict[str, np.ndarray]:
        """Run test_iter batches of one test net; the mean of each output blob by name (empty if stopped)."""
        log.info("solver.cpp:347", f"Iteration {self.iter}, Testing net (#{index})")
        self.test_nets[index].share_with(self.net)
        with self.tested_weights():
            scores = self._scores(index)
        if scores:
            for listener in self.listeners:
                listener.on_test(self, index, scores)
        return scores

    def _scores(self, index: int) -> dict[str, np.ndarray]:
        """What `test` returns, logged."""
        net, p = self.test_nets[index], self.param
        outputs: Outputs | detection.Detections = Outputs(net)
        if p.eval_type in detection.EVAL_TYPES:
            if self.ranks.size > 1:
                raise SolverError(f'eval_type: "{p.eval_type}" needs all boxes in one place: test on one rank.')
            outputs = detection.Detections(net, p)
        batches = self.ranks.share(p.test_iter[index])
        run = partial(debug.forward, net) if p.debug_info else net.run_forward
        loss = 0.0
        for _ in range(batches):
            if self._stopped_while_testing():
                log.info("solver.cpp:387", "Test interrupted.")
                return {}
            loss += run()
            outputs.add()
        mean = self.ranks.mean(outputs.mean())
        if p.test_compute_loss:
            loss = float(self.ranks.mean(np.array(loss / max(1, batches))))
            log.info("solver.cpp:394", f"Test loss: {log.number(loss)}")
        for line in outputs.lines(mean):
            log.info("solver.cpp:414", f"    Test net output {line}")
        return outputs.by_name(mean)

    def _stopped_while_testing(self) -> bool:
        while request := self.ranks.agree(self.action() if self.action else None):
            if request == SNAPSHOT:
                self._try_snapshot()
            else:
                self._stopping = True
        return self._stopping

    # Snapshots ---------------------------------------------------------------------------------

    def snapshot(self) -> str:
        """Write weights and solver state as `<snapshot_prefix>_iter_<iter>`; returns the state's path.

        Each file is written aside and renamed, so earlier ones stay whole whatever happens. Raises FileError.
        """
        with self._weights(averaged=False):
            self.last_snapshot = self.ranks.once(partial(snapshot.write, self))
        self._unsaved = False
        return self.last_snapshot

    def _try_snapshot(self) -> None:
        """A snapshot on the way: a full disk is reported, and training goes on."""
        try:
            self.snapshot()
        except FileError as error:
            self._unsaved = True
            log.error("solver.cpp:464", f"No snapshot at iteration {self.iter}, training goes on. {error}")

    def restore(self, file: str | os.PathLike) -> None:
        """Go on from a .solverstate or .solverstate.h5, of Caffe or of caffelike.

        Beside caffelike's own lies a `.caffelike-state` file with the data position, random state and smoothed loss:
        with it the run goes on as if it had never stopped, without it the data start anew, as in Caffe.
        Raises FileError, or WeightsError for a file that is damaged, is no solver state, or is of another net.
        """
        snapshot.restore(self, os.fspath(file))
        self.ranks.start(self)
        self.last_snapshot = os.fspath(file)
        self._shown = (self._shown[0], self.iter)

    # For the side file, see resume.py
    def recent_losses(self) -> list[float]:
        """The losses that `smoothed_loss` is the mean of."""
        return list(self._losses)

    def continue_losses(self, losses: list[float]) -> None:
        """Let the next `step` call go on smoothing from these losses."""
        self._losses = deque(losses, maxlen=max(1, self.param.average_loss))
        self._keep_losses = True


def get_solver(file: str | os.PathLike | Any, *, filename: str = "", check_finite: bool = False) -> Solver:
    """A solver of the `type` that the solver.prototxt names (SGD if none); arguments as for `Solver`."""
    if isinstance(file, (str, os.PathLike)):
        filename, file = os.fspath(file), definition.read(os.fspath(file))
    return registry.solvers[file.type](file, filename=filename, check_finite=check_finite)
