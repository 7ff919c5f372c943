"""The generalisation gap: training and validation loss as one quantity, on the same weights."""

from __future__ import annotations

import inspect
import math
import os
import time
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from ..audit.series import Rows
from ..audit.statistics import welch_interval
from .batches import batch_size
from .isolation import Logged, isolated
from .layers import sharded
from .monitor import Monitor, MonitorError, guarded, loss_in
from .observer import ModeWatch
from .purse import PROBES

LARGEST_PROBE = 64 * 2**20  # bytes of copied batches
FEWEST = 2  # batches without which there is no interval
END_S = 1.0  # what the gap of the last weights may take after the last step


class OverfittingMonitor(Monitor):
    """Measure validation loss minus training loss, both by `validation_step` in eval mode.

    The training loss that Lightning logs is taken with dropout, before the update and over an epoch of
    changing weights; it cannot be compared with the validation loss. At each validation this monitor runs
    the module's `validation_step` on copies of the first training batches of the run, with the same weights,
    and leaves module, metrics, loggers' values and random numbers as they were.

    Records:
        overfitting.train_loss: Loss on the probe of training batches (loss).
        overfitting.val_loss: Loss on the validation set, first loader (loss).
        overfitting.gap: Their difference, with a 95 % Welch interval over batches (loss).

    Metrics: `overfitting.gap`, `overfitting.gap_relative`, `overfitting.best_step`.

    Probing takes at most 0.6 % of the fit's time, or that part of another `overhead_budget`; with less time it
    takes fewer batches or waits for a later validation. What `validation_step` does outside the module, like
    writing files, it does once more.

    Args:
        monitor: Key that `validation_step` logs and that is the loss, where it returns none and logs several.
        batches: How many training batches the probe holds, at least 2.
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "overfitting"

    def __init__(
        self,
        *,
        monitor: str | None = None,
        batches: int = 8,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if monitor is not None and not isinstance(monitor, str):
            raise ValueError(f"monitor must be the name of a logged value or None, got {monitor!r}")
        if not isinstance(batches, int) or isinstance(batches, bool) or batches < FEWEST:
            raise ValueError(f"batches must be a whole number of at least {FEWEST}, got {batches!r}")
        self.monitor, self.batches = monitor, batches

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether there is a validation to compare with."""
        self._train = _Probe(self.batches)
        self._val = _Probe(self.batches)
        self._returned: list[tuple[Tensor, int]] = []
        self._batch_s = self._val_s = self._val_began = 0.0
        self._val_count = 0
        self._ranks = trainer.world_size
        self._rows = 0
        self._key = ""
        self._gap_step = self._validated = -1
        reason = sharded(trainer.strategy, pl_module)
        if not trainer.enable_validation:
            reason = "the run has no validation loop"
        elif "dataloader_iter" in _parameters(pl_module):
            reason = "validation_step takes dataloader_iter: it cannot be given a batch"
        elif _averages(trainer):
            reason = "validation runs with averaged weights, which are gone when the gap could be measured"
        if reason:
            self.switch_off(reason)

    @guarded
    def _keep_train(self, batch: Any) -> None:
        self._train.offer(batch)

    @guarded
    def _keep_val(self, batch: Any, dataloader_idx: int) -> None:
        # Copies are needed only where validation_step returns no loss: that shows at its first batch.
        if dataloader_idx == 0 and not self._returned:
            self._val.offer(batch)
        self._val_began = time.perf_counter()

    @guarded
    def _keep_loss(self, outputs: Any, batch: Any, dataloader_idx: int) -> None:
        self._val_s += time.perf_counter() - self._val_began
        self._val_count += 1
        loss = None if self.monitor else loss_in(outputs)
        if dataloader_idx == 0 and loss is not None:
            self._returned.append((loss, batch_size(batch)))

    @guarded
    def _measure(self, trainer: Trainer, pl_module: LightningModule, *, last: bool = False) -> None:
        amount = self._affordable_at_the_end() if last else self._affordable()
        if amount < FEWEST:
            self._write_validation(trainer)
            return
        assert self.session is not None  # noqa: S101 - only called while measuring
        started = time.monotonic()
        with self.session.purse.spending(PROBES), isolated(pl_module) as logged:
            if not self._rows:
                self._look_for_training(trainer, pl_module, logged)
            train = self._evaluate(trainer, pl_module, self._train, amount, logged)
            val = self._validation(trainer, pl_module, amount, logged)
        self._write(trainer, train, val)
        elapsed = time.monotonic() - started
        self._batch_s = elapsed / (2 * amount if val.probed else amount)
        self._gap_step = trainer.global_step

    def _look_for_training(self, trainer: Trainer, pl_module: LightningModule, logged: Logged) -> None:
        """Note calls that drop out at random although the model is in eval mode."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        with ModeWatch() as watch:
            self._loss(trainer, pl_module, self._train.batches[0], 0, logged)
        calls = dict.fromkeys(watch.found)
        self.session.event("overfitting.eval_mode", calls=list(calls)[:5], count=len(watch.found))

    def _affordable(self) -> int:
        """Return how many batches the budget allows now."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        left = self.session.purse.left(PROBES)
        held = len(self._train.batches)
        if self._ranks > 1:
            return held  # every rank the same number: the step may wait for the others
        # The first time it is done at all, because it shows which logged value is the loss.
        least = 0 if self._rows else FEWEST
        return min(held, max(least, int(left / self._cost_s))) if self._cost_s else held

    def _affordable_at_the_end(self) -> int:
        held = len(self._train.batches)
        return min(held, max(FEWEST, int(END_S / self._cost_s))) if self._cost_s else held

    @property
    def _cost_s(self) -> float:
        """Seconds of one more batch: as measured, or else as the validation took for one of its own."""
        one = self._batch_s or (self._val_s / self._val_count if self._val_count else 0.0)
        return one if self._returned else 2 * one

    def _validation(self, trainer: Trainer, pl_module: LightningModule, amount: int, logged: Logged) -> _Losses:
        if self._returned:
            return self._returned_losses()
        return self._evaluate(trainer, pl_module, self._val, amount, logged)

    def _returned_losses(self) -> _Losses:
        losses = torch.stack([loss.float() for loss, _ in self._returned]).tolist()
        return _Losses(losses, [size for _, size in self._returned], "", probed=False)

    def _evaluate(
        self, trainer: Trainer, pl_module: LightningModule, probe: _Probe, amount: int, logged: Logged
    ) -> _Losses:
        losses, sizes, key = [], [], ""
        for index, batch in enumerate(probe.batches[:amount]):
            logged.clear()
            loss, key = self._loss(trainer, pl_module, batch, index, logged)
            losses.append(loss)
            sizes.append(batch_size(batch))
        return _Losses(losses, sizes, key, probed=True)

    def _loss(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, index: int, logged: Logged
    ) -> tuple[float, str]:
        """Return the loss of one batch and the key under which it was logged, if it was not returned."""
        plugin = trainer.precision_plugin
        # Only moved: the hooks around the transfer have already changed this batch. Cloned: a step may write into it.
        moved = pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
        batch = plugin.convert_input(apply_to_collection(moved, Tensor, torch.Tensor.clone))
        arguments = [batch, index, 0][: _positions(pl_module)]
        try:
            with plugin.val_step_context():
                outputs = pl_module.validation_step(*arguments)
        except Exception as error:
            raise MonitorError(
                f"validation_step cannot take a training batch ({type(error).__name__}: {error}); let it accept"
                " what training_step gets, or leave the gap out with overfitting=None"
            ) from error
        loss = None if self.monitor else loss_in(outputs)
        if loss is not None:
            return float(loss), ""
        key = self.monitor or _only_loss(logged)
        if key not in logged:
            raise MonitorError(f"validation_step logs no {key!r}: name the logged loss with monitor=")
        return logged[key], key

    def _write(self, trainer: Trainer, train: _Losses, val: _Losses) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        self._key = val.key
        val_loss = self._whole_validation(trainer)
        val_loss = val.mean if val_loss is None else val_loss
        values = {"train_loss": train.mean, "val_loss": val_loss, "gap": val_loss - train.mean}
        half = _half_width(train, val)
        if half is not None:
            values |= {"gap_low": values["gap"] - half, "gap_high": values["gap"] + half}
        names = tuple(f"overfitting.{name}" for name in values)
        key = self.session.key(trainer.global_step)
        self.session.rows("overfitting", Rows.of(names, [key], [list(values.values())]))
        if not self._rows:
            quantity = f"logged as {train.key}" if train.key else "returned by validation_step"
            self.session.event("probe", quantity=quantity, train=len(train.losses), val=len(val.losses))
        self._rows += 1

    def _whole_validation(self, trainer: Trainer) -> float | None:
        """Return the mean over the whole validation set; a probe holds only its first batches."""
        if self._returned:
            return self._returned_losses().mean
        logged = trainer.callback_metrics.get(self._key) if self._key else None
        return None if logged is None else float(logged)

    def _write_validation(self, trainer: Trainer) -> None:
        """Write the validation loss alone, which costs nothing, where there is no time for a probe."""
        val_loss = self._whole_validation(trainer)
        if val_loss is not None and self.session is not None:
            rows = Rows.of(("overfitting.val_loss",), [self.session.key(trainer.global_step)], [[val_loss]])
            self.session.rows("overfitting", rows)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the gap of the last weights if time was short before; say when no validation came."""
        if self._ranks == 1 and self._validated == trainer.global_step != self._gap_step:
            self._measure(trainer, pl_module, last=True)
        if not self._rows and self.session is not None:
            self.session.not_checked("overfitting", "no validation ran after the first two training batches")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Copy the first training batches as they pass: a second loader would disturb the first."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        if self.session is not None and not self.off and not self._train.full:
            self._keep_train(batch)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the validation before."""
        if self.session is not None and not self.off:
            self._returned, self._val = [], _Probe(self.batches)

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Copy the first validation batches."""
        self._keep_val(batch, dataloader_idx)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the loss that the step returned."""
        self._keep_loss(outputs, batch, dataloader_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the gap."""
        super().on_validation_end(trainer, pl_module)
        self._validated = trainer.global_step
        if self._all_measure(trainer):
            self._measure(trainer, pl_module)

    def _all_measure(self, trainer: Trainer) -> bool:
        """Return whether no rank has switched itself off: the user's step may wait for all of them.

        Every rank has to ask, whether it measures or not.
        """
        measures = self.session is not None and not self.off
        if trainer.world_size == 1 or trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return measures
        return trainer.strategy.reduce_boolean_decision(measures, all=True)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_train": None, "_val": None, "_returned": []}


class _Losses:
    """Losses of some batches: shape [n], with their sizes."""

    def __init__(self, losses: Sequence[float], sizes: Sequence[int], key: str, *, probed: bool) -> None:
        self.losses, self.sizes, self.key, self.probed = losses, sizes, key, probed

    @property
    def mean(self) -> float:
        """Mean over examples."""
        total = sum(loss * size for loss, size in zip(self.losses, self.sizes, strict=True))
        return total / sum(self.sizes) if self.losses else math.nan


class _Probe:
    """Copies of the first batches, on the CPU, as many as fit."""

    def __init__(self, most: int) -> None:
        self.batches: list[Any] = []
        self._most, self._bytes = most, 0

    @property
    def full(self) -> bool:
        return len(self.batches) >= self._most or self._bytes >= LARGEST_PROBE

    def offer(self, batch: Any) -> None:
        if not self.full:
            self.batches.append(apply_to_collection(batch, Tensor, self._copy))

    def _copy(self, tensor: Tensor) -> Tensor:
        self._bytes += tensor.numel() * tensor.element_size()
        return tensor.detach().to("cpu", copy=True)


def _half_width(train: _Losses, val: _Losses) -> float | None:
    try:
        low, high = welch_interval(train.losses, val.losses, first_weights=train.sizes, second_weights=val.sizes)
    except ValueError:
        return None
    return (high - low) / 2


def _only_loss(logged: Logged) -> str:
    found = [name for name in logged if "loss" in name.lower()]
    if len(found) != 1:
        told = f"logs {', '.join(found)}" if found else "logs none"
        raise MonitorError(
            f"validation_step returns no loss and {told}: name the logged loss with OverfittingMonitor(monitor=…)"
        )
    return found[0]


def _averages(trainer: Trainer) -> bool:
    """Return whether a callback swaps averaged weights in for the validation only."""
    callbacks: list[Callback] = getattr(trainer, "callbacks", [])
    kinds = {kind.__name__ for callback in callbacks for kind in type(callback).__mro__}
    return "WeightAveraging" in kinds


def _parameters(pl_module: LightningModule) -> list[str]:
    return list(inspect.signature(pl_module.validation_step).parameters)


def _positions(pl_module: LightningModule) -> int:
    """Return how many of (batch, batch_idx, dataloader_idx) the step takes."""
    kinds = [p.kind for p in inspect.signature(pl_module.validation_step).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 2
    return min(3, sum(kind is not inspect.Parameter.VAR_KEYWORD for kind in kinds))
