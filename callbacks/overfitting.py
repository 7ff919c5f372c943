"""The generalisation gap: training and validation loss as one quantity, on the same weights."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from .arguments import takes
from .averaging import VALIDATION, averages
from .comparison import Comparison
from .directions import directions
from .gap_rows import GapRows
from .isolation import isolated
from .layers import sharded
from .monitor import Monitor, MonitorError, guarded
from .probe import Probe, given_loader, trains_on
from .purse import PROBES
from .shuffled import in_order
from .step_loss import named
from .validations import Validation

FEWEST = 2  # batches without which there is no interval
END_S = 1.0  # what the gap of the last weights may take after the last step


class OverfittingMonitor(Monitor):
    """Measure validation loss minus training loss, both by `validation_step` in eval mode.

    The training loss that Lightning logs is taken with dropout, before the update and over an epoch of
    changing weights; it cannot be compared with the validation loss. At each validation this monitor runs
    the module's `validation_step` on copies of the first training batches of the run, with the same weights,
    and leaves module, metrics, loggers' values and random numbers as they were.

    Where `validation_step` returns a dict with `losses`, the loss of each example as a tensor of shape [batch], the
    interval is a bootstrap over examples, else Welch's over batches. A `loss` beside them has to be their mean; one
    that is weighted or holds more is another quantity, and the interval stays Welch's.

    With several validation loaders, the first is the total and each further one a row labelled with its index,
    against the same training loss. Each of `metrics` is a row labelled with its name, positive where validation is
    worse.

    Records:
        overfitting.train_loss: Loss on the probe of training batches (loss).
        overfitting.val_loss: Loss on the validation set, first loader (loss).
        overfitting.gap: Their difference, with a 95 % interval (loss).
        overfitting.gl: Prechelt's generalisation loss: validation loss above its lowest (%).
        overfitting.pq: The same over the training progress of five validations.
        overfitting.up: Successive strips of five validations over which the validation loss rose.
        overfitting.metric_gap: Gap of each of `metrics`.
        overfitting.dataloader_gap: Gap of each further validation loader (loss).

    Metrics: `overfitting.gap`, `overfitting.gap_relative`, `overfitting.best_step`.

    Probing takes at most 0.6 % of the fit's time, or that part of another `overhead_budget`; with less time it
    takes fewer batches or waits for a later validation. What `validation_step` does outside the module, like
    writing files, it does once more.

    Args:
        monitor: Key that `validation_step` logs and that is the loss, where it returns none and logs several. By
            default it is what the step returns under `loss` or `losses`, or alone, unless that is another number
            than the one loss that it logs.
        batches: How many training batches the probe holds, at least 2.
        train_eval_dataloader: Training examples without augmentation. The probe is then drawn from this loader at
            the first validation, and no training batch is copied. Of an unshuffled DataLoader, random examples are
            taken; every rank takes the same. It needs a dataset object of its own where that keeps state.
        metrics: Further values that `validation_step` logs: their names, or `{name: "max" | "min"}` with the way
            each is better, where the name does not tell.
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
        train_eval_dataloader: Iterable[Any] | None = None,
        metrics: Mapping[str, Literal["max", "min"]] | Sequence[str] | None = None,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if monitor is not None and not isinstance(monitor, str):
            raise ValueError(f"monitor must be the name of a logged value or None, got {monitor!r}")
        if not isinstance(batches, int) or isinstance(batches, bool) or batches < FEWEST:
            raise ValueError(f"batches must be a whole number of at least {FEWEST}, got {batches!r}")
        self.monitor, self.batches = named(monitor), batches
        self.train_eval_dataloader = given_loader(train_eval_dataloader)
        self.metrics = directions(metrics)

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether there is a validation to compare with."""
        assert self.session is not None  # noqa: S101 - entered before
        reason = self._hindrance(trainer, pl_module)
        if reason:
            self.switch_off(reason)
            return
        self._train = Probe(self.batches)
        self._ranks = trainer.world_size
        self._val = Validation(self.batches, monitor=self.monitor, always=bool(self.metrics), ranks=self._ranks)
        self._comparison = Comparison(
            self.session, self._train, self._val, monitor=self.monitor, metrics=self.metrics
        )
        self._rows = GapRows(self.session, self.resumed_progress(self.name) if self.session.resumed else {})
        self._drawn = self._random = False
        self._batch_s = 0.0
        self._gap_step = self._validated = -1

    def _hindrance(self, trainer: Trainer, pl_module: LightningModule) -> str:
        reason = sharded(trainer.strategy, pl_module)
        given = self.train_eval_dataloader
        if not trainer.enable_validation:
            reason = "the run has no validation loop"
        elif takes(pl_module.validation_step, "dataloader_iter"):
            reason = "validation_step takes dataloader_iter: it cannot be given a batch"
        elif averages(trainer, VALIDATION):
            reason = "validation runs with averaged weights, which are gone when the gap could be measured"
        elif given is not None and trains_on(given, trainer.train_dataloader):
            reason = "train_eval_dataloader is the training loader itself: give it a loader of its own"
        return reason

    def progress(self) -> dict[str, Any]:
        """Return the losses so far."""
        return {} if self.session is None or self.off else self._rows.state()

    @guarded
    def _keep_train(self, batch: Any) -> None:
        self._train.offer(batch)

    @guarded
    def _restart(self, trainer: Trainer) -> None:
        self._val.restart(len(trainer.num_val_batches))

    @guarded
    def _keep_val(self, batch: Any, dataloader_idx: int) -> None:
        self._val.before(batch, dataloader_idx)

    @guarded
    def _keep_loss(self, outputs: Any, batch: Any, dataloader_idx: int) -> None:
        self._val.after(outputs, batch, dataloader_idx)

    @guarded
    def _measure(self, trainer: Trainer, pl_module: LightningModule, *, last: bool = False) -> None:
        assert self.session is not None  # noqa: S101 - only called while measuring
        if self.train_eval_dataloader is not None and not self._drawn:
            self._draw(self.train_eval_dataloader, trainer, pl_module)
        amount = self._affordable_at_the_end() if last else self._affordable()
        if amount < FEWEST:
            self._write_validation(trainer)
            return
        started = time.monotonic()
        with self.session.purse.spending(PROBES):
            self._compare(trainer, pl_module, amount)
        self._batch_s = (time.monotonic() - started) / amount
        self._gap_step = trainer.global_step

    def _draw(self, loader: Iterable[Any], trainer: Trainer, pl_module: LightningModule) -> None:
        """Fill the probe from the user's loader as a validation would: its transfer hooks see no training."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        with self.session.purse.spending(PROBES), isolated(pl_module):
            self._random = self._train.draw(loader, trainer, pl_module)
        self._drawn = True
        held = len(self._train.batches)
        if held < FEWEST:
            raise MonitorError(f"train_eval_dataloader gives {held} of at least {FEWEST} batches: give more examples")

    def _compare(self, trainer: Trainer, pl_module: LightningModule, amount: int) -> None:
        found, step = self._comparison.run(trainer, pl_module, amount), trainer.global_step
        told = {"quantity": found.quantity, "source": self._source(trainer), "loaders": len(trainer.num_val_batches)}
        self._rows.gap(step, found.train, found.val, found.val_loss, **told)
        self._rows.labelled(step, found.gaps)

    def _source(self, trainer: Trainer) -> str:
        """Return where the training examples come from, as far as the record has to tell it."""
        if self._drawn:
            return "train_eval_dataloader" if self._random else "the first batches of train_eval_dataloader"
        return "the first batches of an unshuffled training loader" if in_order(trainer.train_dataloader) else ""

    def _write_validation(self, trainer: Trainer) -> None:
        """Write the validation loss alone, which costs nothing, where there is no time for a probe."""
        loss = self._comparison.val_loss(trainer)
        if loss is not None:
            self._rows.validation(trainer.global_step, loss)

    def _affordable(self) -> int:
        """Return how many batches the budget allows now."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        left, held, cost = self.session.purse.left(PROBES), len(self._train.batches), self._cost_s
        if self._ranks > 1:
            return held  # every rank the same number: the step may wait for the others
        # The first time it is done at all, because it shows which logged value is the loss.
        least = 0 if self._rows.written else FEWEST
        return min(held, max(least, int(left / cost))) if cost else held

    def _affordable_at_the_end(self) -> int:
        assert self.session is not None  # noqa: S101 - only called while measuring
        held, cost, seconds = len(self._train.batches), self._cost_s, max(END_S, self.session.purse.left(PROBES))
        return min(held, max(FEWEST, int(seconds / cost))) if cost else held

    @property
    def _cost_s(self) -> float:
        """Seconds of one more batch of each side: as measured, or as the validation took for its own."""
        return self._batch_s or self._comparison.sides * self._val.seconds_per_batch

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the gap of the last weights if time was short before; say when no validation came."""
        if self._ranks == 1 and self._validated == trainer.global_step != self._gap_step:
            self._measure(trainer, pl_module, last=True)
        if not self._rows.written and self.session is not None:
            self.session.not_checked("overfitting", "no validation ran after the first two training batches")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Copy the first training batches as they pass: a second loader would disturb the first."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        wanted = self.session is not None and not self.off and self.train_eval_dataloader is None
        if wanted and not self._train.full:
            self._keep_train(batch)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the validation before."""
        super().on_validation_start(trainer, pl_module)
        self._restart(trainer)

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
        return super().__getstate__() | dict.fromkeys(("_train", "_val", "_comparison", "_rows"))
