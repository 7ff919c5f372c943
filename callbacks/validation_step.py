"""Asks the user's `validation_step` about one batch after the other: what it returns, and what it logs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torchmetrics import MeanMetric, Metric

from .arguments import step_arguments, takes
from .batches import batch_size
from .logged import Logged, Reduction
from .monitor import MonitorError
from .step_loss import Returned, Said

Value = float | Metric


class Lap:
    """What a batch of the run's own validation takes, and so what it takes to ask about one more.

    Attributes:
        seconds: Of the quickest so far; 0 before there was one.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: float | None = None

    def began(self) -> None:
        """Take the time at which a batch is there."""
        self._began = time.perf_counter()

    def ended(self) -> None:
        """Take the time at which the step is done with it."""
        if self._began is not None:
            took, self._began = time.perf_counter() - self._began, None
            self.seconds = min(took, self.seconds or took)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What the step said of some batches, and for each of them the values asked for."""

    said: Sequence[Said]
    values: Sequence[Mapping[str, Value]]

    @property
    def sizes(self) -> list[int]:
        """Examples in each batch."""
        return [one.size for one in self.said]


class ValidationStep:
    """The user's step, to be called while the module is isolated.

    Args:
        trainer: Runs the fit.
        pl_module: Holds the step.
        logged: What the isolated step logs.
        metrics: Names of further logged values that are wanted.
    """

    def __init__(
        self, trainer: Trainer, pl_module: LightningModule, logged: Logged, *, metrics: Iterable[str] = ()
    ) -> None:
        self._plugin = trainer.precision_plugin
        self._module, self._logged = pl_module, logged
        self._metrics = tuple(metrics)
        # Lightning gives a step the index of the loader where there are several.
        self._indexed = len(trainer.num_val_batches) > 1 and takes(pl_module.validation_step, "dataloader_idx")
        # Children only: those are copies while the module is isolated.
        self._children = [child for child in pl_module.modules() if isinstance(child, Metric)]

    def over(self, batches: Sequence[Any], loader: int = 0) -> Answers:
        """Return what the step says of some batches.

        Raises:
            MonitorError: It cannot take one of them.
        """
        answers = [self.ask(batch, index, loader) for index, batch in enumerate(batches)]
        return Answers(said=[said for said, _ in answers], values=[values for _, values in answers])

    def ask(self, batch: Any, index: int, loader: int = 0) -> tuple[Said, dict[str, Value]]:
        """Return what the step says of one batch, and the values asked for.

        Raises:
            MonitorError: It cannot take the batch.
        """
        self._forget()
        returned = Returned.of(self._call(batch, index, loader), batch)
        # Lightning takes a metric object's value over all batches and ranks.
        reductions = self._logged.reductions | dict.fromkeys(self._objects(), Reduction(over_ranks=True))
        logged = dict(self._logged) | self._means()
        said = Said(size=batch_size(batch), returned=returned, logged=logged, reductions=reductions)
        return said, self._values()

    def _call(self, batch: Any, index: int, loader: int) -> Any:
        # Only moved: the hooks around the transfer have already changed this batch. Cloned: a step may write into it.
        moved = self._module.transfer_batch_to_device(batch, self._module.device, loader)
        batch = self._plugin.convert_input(apply_to_collection(moved, Tensor, torch.Tensor.clone))
        step = self._module.validation_step
        arguments = step_arguments(step, batch, index, loader if self._indexed else None)
        try:
            with self._plugin.val_step_context():
                return step(*arguments)
        except Exception as error:
            kind = "a training batch" if loader == 0 else f"a batch of loader {loader} again"
            problem = f"{type(error).__name__}: {error}".splitlines()[0][:100]
            raise MonitorError(
                f"validation_step cannot take {kind} ({problem}); let it accept what"
                " training_step gets, give training examples as it takes them with"
                " OverfittingMonitor(train_eval_dataloader=…), or leave the gap out with overfitting=None"
            ) from error

    def _forget(self) -> None:
        self._logged.forget()
        for metric in self._children:
            metric.reset()

    def _objects(self) -> dict[str, Metric]:
        known = {id(child) for child in self._children}
        return {name: metric for name, metric in self._logged.objects.items() if id(metric) in known}

    def _means(self) -> dict[str, float]:
        """Return the values of this batch that were logged as a `MeanMetric`, as many log their loss."""
        found = {n: m.clone() for n, m in self._objects().items() if isinstance(m, MeanMetric) and m.update_called}
        for metric in found.values():
            metric.sync_on_compute = False  # no rank waits for another
        return {name: float(metric.compute()) for name, metric in found.items()}

    def _values(self) -> dict[str, Value]:
        objects = {name: metric.clone() for name, metric in self._objects().items() if name in self._metrics}
        return {name: self._logged[name] for name in self._metrics if name in self._logged} | objects
