"""What passes on the way into the model: features, examples that come twice, and whether any of it matters."""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer

from ..audit.series import Rows
from .arguments import takes
from .averaging import VALIDATION, averages
from .batches import batch_size, first_tensor, plain
from .digests import Digests, digests
from .features import Columns, columns, document
from .isolation import isolated
from .layers import sharded
from .monitor import Monitor, MonitorError, guarded
from .own_random import Carried, carried, repeats_by_right, shards_itself, workers_of
from .probe import Probe
from .purse import PROBES, SAMPLES
from .schedule import Thinning
from .step_loss import loss_of
from .swapped import inputs_of, with_one_target, with_other_inputs
from .validation_step import Lap, ValidationStep

PROBED = 2  # validation batches whose inputs are exchanged
ASKED = 3  # times that the step is asked about each
FIRST_S = 0.3  # what the first time may take, whatever is left
SLOW = "to ask validation_step about batches again takes longer than the budget allows: raise overhead_budget="
LIKE = 0.02  # relative difference of two losses from which the targets are not asked about as well
GROWTH = 2.0  # times as many examples as at the last event, before the next one
NAMED = 5  # generators that an event names


class InputMonitor(Monitor):
    """Look at the batches of training and validation as they pass, on rank zero.

    Nothing is read a second time: features are counted and examples are digested in sampled batches of the run's own
    loaders, of training in its first epoch and of the first validation. At validations, the module's own
    `validation_step` is asked about two batches whose examples have got the inputs of other examples; module, metrics
    and random numbers stay as they were.

    Records:
        inputs.loss: Loss of the validation batches as they are (loss).
        inputs.exchanged_loss: The same, each example with the inputs of another one (loss).
        inputs.one_target_loss: The same, inputs as they are, all examples with one's target; NaN unless the other two
            are alike (loss).
        inputs.features: Event with features or channels that are constant or NaN.
        inputs.examples: Event with how many examples came twice, from which workers, and how many of validation were
            among those of training.
        inputs.workers: Event with the loader's workers and the generators that its dataset carries.

    Args:
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "inputs"

    def __init__(self, *, dirpath: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dirpath=dirpath)
        self.due = Thinning()

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the run before; look at the loader."""
        self._kind = ""
        self._columns = {"train": Columns(), "val": Columns()}
        self._seen = {"train": Digests(), "val": Digests()}
        self._batches = {"train": 0, "val": 0}
        self._told = {"features": 0, "examples": 0}
        self._epoch, self._validations = trainer.current_epoch, 0
        self._spent_s = self._asked_s = 0.0
        self._probe, self._lap = Probe(PROBED), Lap()
        self._carried: list[Carried] = []
        self._workers = 0
        self._unasked = _unaskable(trainer, pl_module)
        self._said_unasked = False
        self._watches = trainer.global_rank == 0

    def _begin_loader(self, loader: Any) -> None:
        assert self.session is not None  # noqa: S101 - only called while measuring
        self._workers = workers_of(loader)
        self._carried = carried(loader)
        self._loader = {
            "workers": self._workers,
            "repeats_by_right": repeats_by_right(loader),
            "stream": shards_itself(loader),
        }

    @guarded
    def _look(self, trainer: Trainer, batch: Any, batch_idx: int) -> None:
        if not self._watches:
            return
        if not self._batches["train"]:
            self._begin_loader(trainer.train_dataloader)
        self._batches["train"] += 1
        self._sample("train", batch, batch_idx, digest=trainer.current_epoch == self._epoch)

    @guarded
    def _look_at_validation(self, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
        if dataloader_idx or not self._batches["train"]:
            return
        self._batches["val"] += 1
        if not self._unasked and self._may_ask():
            self._probe.offer(batch)
        self._sample("val", batch, batch_idx, digest=not self._validations)

    def _sample(self, side: str, batch: Any, batch_idx: int, *, digest: bool) -> None:
        """Count and digest a batch, if it is due and there is time."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        number, before = self._batches[side], self.session.purse.spent[SAMPLES]
        left = self.session.purse.left(SAMPLES)
        # Digests want every batch: they take no more than half of what all others leave.
        digest = digest and (number <= self.due.dense or left > self._spent_s)
        count = self.due(number) and (number <= self.due.dense or left >= 0)
        if not digest and not count:
            return
        with self.session.purse.spending(SAMPLES):
            if digest and (found := digests(batch)) is not None:
                self._seen[side].add(found, batch_idx % self._workers if self._workers else 0)
            if count:
                self._count(side, batch)
        self._spent_s += self.session.purse.spent[SAMPLES] - before

    def _count(self, side: str, batch: Any) -> None:
        first = first_tensor(inputs_of(batch))
        found = columns(first) if first is not None and plain(first) else None
        if found is not None and self._kind in ("", found[0]):
            self._kind = found[0]
            self._columns[side].add(found[1], batch_size(batch))

    @guarded
    def _exchange(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self.session is not None  # noqa: S101 - only called while measuring
        if self._unasked:
            self._say_unasked()
        elif self._probe.batches and self._may_ask():
            with self.session.purse.spending(PROBES):
                before = self.session.purse.spent[PROBES]
                self._ask(trainer, pl_module)
            self._asked_s += self.session.purse.spent[PROBES] - before
        self._probe = Probe(PROBED)

    def _may_ask(self) -> bool:
        """Return whether there is time to ask about two batches; the first time, there is some whatever is left."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        cost_s, left_s = ASKED * PROBED * self._lap.seconds, self.session.purse.left(PROBES)
        return left_s >= max(cost_s, self._asked_s) if self._asked_s else cost_s <= max(left_s, FIRST_S)

    def _ask(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the losses with the right inputs, with others' and, where those are alike, with one target."""
        assert self.session is not None  # noqa: S101 - only called while measuring
        batches = [(batch, found) for batch in self._probe.batches if (found := with_other_inputs(batch))]
        if not batches:
            self._unasked = "the batches do not tell inputs from targets, or are of a language model"
            self._say_unasked()
            return
        try:
            with isolated(pl_module) as logged:
                ask = _Asking(self._monitored, ValidationStep(trainer, pl_module, logged))
                right = ask([batch for batch, _ in batches])
                ways = [ask([found[way] for _, found in batches]) for way in range(len(batches[0][1]))]
                other = max(ways, key=lambda loss: abs(loss - right))
                alike = abs(other - right) <= LIKE * abs(right)
                one = ask([with_one_target(batch) for batch, _ in batches]) if alike else math.nan
        except MonitorError as error:
            self._unasked = f"validation_step cannot be asked about batches again: {error}"
            self._say_unasked()
            return
        names = ("inputs.loss", "inputs.exchanged_loss", "inputs.one_target_loss")
        row = Rows.of(names, [self.session.key(trainer.global_step)], [[right, other, one]])
        self.session.rows("inputs", row)

    @property
    def _monitored(self) -> str | None:
        """Name of the logged loss, where the monitor of the gap was told."""
        monitors = self.session.monitors if self.session else []
        return next((found for m in monitors if isinstance(found := getattr(m, "monitor", None), str)), None)

    def _say_unasked(self) -> None:
        if not self._said_unasked and self.session is not None:
            self.session.not_checked("whether the model uses its inputs", self._unasked)
        self._said_unasked = True

    def flush(self) -> None:
        """Bring over what waits; tell it, if it is much more than was told."""
        for side in self._seen.values():
            side.settle()
        if self._columns["train"].examples >= GROWTH * self._told["features"] > 0 or self._is_first("features"):
            self._tell_features()
        if self._seen["train"].seen >= GROWTH * self._told["examples"] > 0 or self._is_first("examples"):
            self._tell_examples()

    def _is_first(self, what: str) -> bool:
        return not self._told[what] and self._validations > 0

    def _tell_features(self) -> None:
        train = self._columns["train"]
        if self.session is not None and train.usual is not None:
            self._told["features"] = max(1, train.examples)
            self.session.event("inputs.features", **document(self._kind, train, self._columns["val"]))

    def _tell_examples(self) -> None:
        train, val = self._seen["train"], self._seen["val"]
        if self.session is None or not train.seen:
            return
        self._told["examples"] = train.seen
        shared = val.shared(train)
        across, within = train.repeats()
        self.session.event(
            "inputs.examples", train=len(train), twins=train.twins(), across_workers=across, within_workers=within,
            val=len(val), shared=shared, one_in=train.divisor, train_seen=train.seen, val_seen=val.seen,
            **self._loader,
        )  # fmt: skip
        names = [found.name for found in self._carried if found.untouched]
        self.session.event("inputs.workers", **self._loader, generators=names[:NAMED], count=len(names))

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what was not asked."""
        if self._watches and not self._asked_s:
            self._unasked = self._unasked or (SLOW if self._validations else "no validation ran")
            self._say_unasked()

    def close(self) -> None:
        """Tell all that was seen, on every end."""
        if self.off or not self._watches:
            return
        for side in self._seen.values():
            side.settle()
        self._tell_features()
        self._tell_examples()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Look at a batch as it passes."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self._look(trainer, batch, batch_idx)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Look at a batch of validation."""
        self._look_at_validation(batch, batch_idx, dataloader_idx)
        if self.session is not None and not self.off:
            self._lap.began()

    def on_validation_batch_end(self, *_: Any) -> None:
        """Time a batch."""
        if self.session is not None and not self.off:
            self._lap.ended()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exchange inputs."""
        super().on_validation_end(trainer, pl_module)
        if self.session is not None and not self.off and self._batches["val"]:
            self._validations += 1
            self._exchange(trainer, pl_module)

    def __getstate__(self) -> dict[str, Any]:
        gone = ("_probe", "_lap", "_columns", "_seen", "_carried")
        return super().__getstate__() | dict.fromkeys(gone)


class _Asking:
    """Asks the step about batches, each time with the same random numbers."""

    def __init__(self, monitor: str | None, step: ValidationStep) -> None:
        self._monitor, self._step = monitor, step

    def __call__(self, batches: list[Any]) -> float:
        torch.manual_seed(0)
        said = self._step.over(batches).said
        return loss_of(said, self._monitor).sample(said).mean


def _unaskable(trainer: Trainer, pl_module: LightningModule) -> str:
    """Return why the step may not be asked again, or an empty string."""
    if not trainer.enable_validation:
        return "the run has no validation loop"
    if takes(pl_module.validation_step, "dataloader_iter"):
        return "validation_step takes dataloader_iter: it cannot be given a batch"
    if averages(trainer, VALIDATION):
        return "validation runs with averaged weights, which are gone when the step could be asked"
    if trainer.world_size > 1:
        return "several ranks train: the step may wait for the others"
    return sharded(trainer.strategy, pl_module)
