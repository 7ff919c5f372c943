"""What goes into layers and loss functions and what activations let through, seen in the run's own steps."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from .batches import batch_size
from .buffer import Key, VectorBuffer
from .compiling import COMPILED, compiled, compiled_frames, compiles
from .criteria import Criterion
from .layers import clean, sharded
from .monitor import Monitor, guarded, loss_in
from .objective import MOST_VALIDATED, Objective
from .observer import LossWatch, Observer, Seen
from .purse import SAMPLES
from .schedule import Thinning
from .watching import Watching

ROWS = 256  # examples (or positions) over which a unit must stay silent to count as dead
REST = 128  # the same for what is left at the end


class ActivationMonitor(Monitor):
    """Watch activations and loss functions in sampled training steps, on rank zero.

    The torch calls of a step are observed while it runs: nothing is attached to the model, and nothing is
    called a second time. Compiled and scripted models are not observed, and nothing is from the moment on in which
    torch compiles any function in the process: it would compile it again for the observer.

    Records:
        activation.dead_share: Share of a rectifier's units that were zero on all of at least 128 rows.
        activation.saturated_share: Share of the inputs of tanh and sigmoid beyond ±5.
        activation.first_step: Event with what went into each layer of the first step and what came out, layers
            that follow each other without anything between, and the first classification loss.
        activation.validation: Event with the modules that were in training mode during validation.
        objective.facts: Event for each loss function that torch has and a step calls: classes, weights, examples.
        objective.value, .probabilities, .improper, .one_hot, .broadcast, .logit_max: What each was given, and gave.
        objective.returned: What the step returned; with the value it tells what is done with it.
        objective.class_count, .class_hits: Examples of each class, of up to a hundred, and how many had the largest
            logit; in up to eight batches of a validation, objective.val_count and .val_hits.

    Args:
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "activation"

    def __init__(self, *, dirpath: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dirpath=dirpath)
        self.due = Thinning(dense=5, every=20)
        self._observer: Observer | None = None
        self._losses: LossWatch | None = None
        self._left: list[Watching] = []  # looked away, but below what somebody else has put on the stack

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether the module's own calls can be seen."""
        self._observer = self._losses = None
        self._objective = Objective()
        self._called: list[Criterion] = []
        self._observed, self._batches = -1, 0
        self._first: Seen | None = None
        self._told_modes = False
        self._alive: dict[str, tuple[Tensor, int]] = {}
        self._tables: dict[tuple[str, tuple[str, ...]], VectorBuffer] = {}
        self._watches = trainer.global_rank == 0
        self._names = {id(p): clean(name).rpartition(".")[0] for name, p in pl_module.named_parameters()}
        reason = sharded(trainer.strategy, pl_module)
        reason = COMPILED if _opaque(pl_module) else reason
        if reason:
            self.switch_off(reason)

    @guarded
    def _watch(self, trainer: Trainer) -> None:
        step = trainer.global_step + 1
        self._batches += 1
        self._leave(*(watch for watch in (self._observer,) if watch is not None))  # of a batch that had no end
        self._observer = None
        if self._watches and not self._compiles() and self._observed != step and self.may_sample(step, self.due):
            self._observed = step
            self._observer = Observer(self._names, whole=self._first is None)
            self._observer.watch()

    def _compiles(self) -> bool:
        """Return whether an observer would get in the way of compiled functions; leave for good where there are."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        if compiled_frames():
            self._watches = False
            if self._observed < 0:
                self.switch_off(FUNCTION)
            else:
                self.session.not_checked(f"activations from batch {self._batches:,} on", FUNCTION)
            return True
        if self._batches == 1 and compiles():
            self._first = Seen()  # what comes later is no first step
            self.session.not_checked("what goes into the layers in the first step", FUNCTION)
            return True
        return False

    @guarded
    def _look_away(self) -> None:
        observer, self._observer = self._observer, None
        if observer is None or self.session is None:
            return
        self._leave(observer)
        self.seconds += observer.seconds
        self.session.purse.spent[SAMPLES] += observer.seconds
        if observer.problem is not None:
            raise observer.problem
        self._called = observer.seen.criteria
        self._keep(observer.seen, self.session.key(self._observed))

    def _leave(self, *watches: Watching) -> None:
        """Step off the stack of modes, also with those that something lay on the last time."""
        self._left = [watch for watch in (*watches, *reversed(self._left)) if not watch.leave()][::-1]

    @guarded
    def _keep_losses(self, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        """Keep what the losses were given, beside what the step made of them."""
        called, self._called = self._called, []
        if self.session is not None and called:
            returned = loss_in(outputs) if pl_module.automatic_optimization else None
            with self.session.purse.spending(SAMPLES):
                self._objective.keep(self.session.key(self._observed), called, returned, size=batch_size(batch))

    @guarded
    def _watch_losses(self, place: int, loader: int) -> None:
        """Watch the first batches of a validation where classes are counted."""
        watches = self._watches and self._objective.classifies and place < MOST_VALIDATED and loader == 0
        if watches and self.session is not None and self.session.purse.left(SAMPLES) >= 0 and not compiled_frames():
            self._losses = LossWatch()
            self._losses.watch()

    @guarded
    def _look_away_from_losses(self, batch: Any) -> None:
        watch, self._losses = self._losses, None
        if watch is None or self.session is None:
            return
        self._leave(watch)
        self.seconds += watch.seconds
        self.session.purse.spent[SAMPLES] += watch.seconds
        if watch.problem is not None:
            raise watch.problem
        self._objective.validated(watch.criteria, size=batch_size(batch))

    @guarded
    def _end_validation(self, trainer: Trainer) -> None:
        if self.session is not None:
            self._objective.end_validation(self.session.key(trainer.global_step))

    def _keep(self, seen: Seen, key: Key) -> None:
        if self._first is None:
            self._first = seen
        if seen.saturated:
            self._table("activation.saturated_share", tuple(seen.saturated)).add(
                key, torch.stack(list(seen.saturated.values()))
            )
        for name, (alive, rows) in seen.alive.items():
            known, count = self._alive.get(name, (alive, 0))
            self._alive[name] = (known | alive if known.shape == alive.shape else alive), count + rows
        if self._alive and min(count for _, count in self._alive.values()) >= ROWS:
            self._write_dead(key)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count dead units over what has been seen since the last time, if it is worth it."""
        if self.session is not None and self._alive and min(rows for _, rows in self._alive.values()) >= REST:
            self._write_dead(self.session.key(trainer.global_step))

    def _write_dead(self, key: Key) -> None:
        shares = torch.stack([1 - alive.float().mean() for alive, _ in self._alive.values()])
        self._table("activation.dead_share", tuple(self._alive)).add(key, shares)
        self._alive = {}

    def _table(self, name: str, columns: tuple[str, ...]) -> VectorBuffer:
        return self._tables.setdefault((name, columns), VectorBuffer(columns))

    def flush(self) -> None:
        """Hand over what was seen."""
        assert self.session is not None  # noqa: S101 - only called during a run
        for (name, _), buffer in self._tables.items():
            self.session.rows(name, buffer.take())
        if self._first is not None and self._first.layers:
            self.session.event("activation.first_step", **_document(self._first))
            self._first.layers.clear()
        self._objective.flush(self.session)

    @guarded
    def _look_at_modes(self, pl_module: LightningModule) -> None:
        if self._told_modes or self.session is None:
            return
        self._told_modes = True
        found = [(clean(name), module.training) for name, module in pl_module.named_modules() if _stochastic(module)]
        training = [name for name, trains in found if trains]
        self.session.event("activation.validation", training=training[:5], count=len(training), of=len(found))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Begin to watch."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self._watch(trainer)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Look away after the forward pass; by hand there may be several."""
        if pl_module.automatic_optimization:
            self._look_away()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look away also where there was no backward pass."""
        self._look_away()
        self._leave()
        self._keep_losses(pl_module, outputs, batch)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Begin to watch the losses."""
        self._watch_losses(batch_idx, dataloader_idx)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Look at the losses, and in which mode the module was validated."""
        self._look_away_from_losses(batch)
        self._look_at_modes(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what the validation called."""
        super().on_validation_end(trainer, pl_module)
        self._end_validation(trainer)

    def close(self) -> None:
        """Leave no observer behind in a run that broke within a step."""
        self._leave(*(watch for watch in (self._losses, self._observer) if watch is not None))
        self._observer = self._losses = None

    def fail(self, error: Exception) -> None:
        """Look away before the monitor is off."""
        self.close()
        super().fail(error)

    def __getstate__(self) -> dict[str, Any]:
        idle = dict.fromkeys(("_observer", "_losses", "_first", "_objective"))
        return super().__getstate__() | idle | {"_names": {}, "_tables": {}, "_alive": {}, "_called": [], "_left": []}


FUNCTION = "a function is compiled in this process: to observe it would compile it once more"
FIGURES = ("in_std", "in_mean", "in_zeros", "in_spread", "out_spread")


def _document(seen: Seen) -> dict[str, Any]:
    figures = torch.stack([layer.figures for layer in seen.layers]).tolist()
    layers = [
        {"name": layer.name, "outputs": layer.outputs, "raw": layer.raw} | dict(zip(FIGURES, values, strict=True))
        for layer, values in zip(seen.layers, figures, strict=True)
    ]
    classes = None if seen.classes is None else {"count": seen.classes[0], "loss": float(seen.classes[1])}
    return {"layers": layers, "chains": [list(pair) for pair in seen.chains], "classes": classes}


def _opaque(module: nn.Module) -> bool:
    return compiled(module) or any(isinstance(child, torch.jit.ScriptModule) for child in module.modules())


def _stochastic(module: nn.Module) -> bool:
    """Return whether a module behaves otherwise in training mode, by itself and not by its children."""
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return isinstance(module, kinds) and getattr(module, "p", 1.0) > 0
