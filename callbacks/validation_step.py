"""Asks the user's `validation_step` about one batch, and finds the loss in what it returns or logs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torchmetrics import Metric

from .batches import batch_size
from .isolation import Logged
from .monitor import MonitorError, loss_in
from .sample import Sample

ALIKE = 1e-3  # relative difference up to which the mean of `losses` is the `loss` beside it
Value = float | Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """What a step returned of one batch, still on its device.

    Attributes:
        loss: Mean loss, shape [].
        losses: Loss of each example, shape [size]; None where the step does not give it.
        size: Examples in the batch.
    """

    loss: Tensor
    losses: Tensor | None
    size: int

    @classmethod
    def of(cls, outputs: Any, batch: Any) -> Returned | None:
        """Return the loss in what a step returned, None when there is none."""
        size = batch_size(batch)
        loss, losses = loss_in(outputs), _losses_in(outputs, size)
        if loss is None:
            loss = None if losses is None else losses.float().mean()
        return None if loss is None else cls(loss=loss, losses=losses, size=size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the step said of one batch: its loss, the key if it was logged, and the values asked for."""

    returned: Returned
    key: str
    values: Mapping[str, Value]


class Answers(NamedTuple):
    """What the step said of some batches: their losses, and for each batch the values asked for."""

    sample: Sample
    values: Sequence[Mapping[str, Value]]


def sample_of(said: Sequence[Returned], key: str = "") -> Sample:
    """Return the losses of some batches; those of examples only where all give them and they fit the loss."""
    if not said:
        return Sample(losses=(), sizes=(), key=key)
    means = torch.stack([one.loss.float().reshape(()) for one in said])
    examples: list[float] = []
    if all(one.losses is not None for one in said):
        each = [one.losses.float() for one in said if one.losses is not None]
        own = torch.stack([losses.mean() for losses in each])
        # A loss that is weighted, or holds more than its examples' losses, is another quantity.
        if torch.allclose(own, means.to(own.device), rtol=ALIKE, atol=1e-6):
            examples = torch.cat(each).tolist()
    return Sample(losses=means.tolist(), sizes=[one.size for one in said], examples=examples, key=key)


class ValidationStep:
    """The user's step, to be called while the module is isolated.

    Args:
        trainer: Runs the fit.
        pl_module: Holds the step.
        logged: What the isolated step logs.
        monitor: Key of the logged loss, None to look for it.
        metrics: Names of further logged values that are wanted.
    """

    def __init__(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        logged: Logged,
        *,
        monitor: str | None = None,
        metrics: Iterable[str] = (),
    ) -> None:
        self._plugin = trainer.precision_plugin
        self._module, self._logged, self._monitor = pl_module, logged, monitor
        self._metrics = tuple(metrics)
        self._positions = _positions(pl_module)
        # Children only: those are copies while the module is isolated.
        self._children = [child for child in pl_module.modules() if isinstance(child, Metric)]
        self._objects: dict[str, Metric] = {}
        if self._metrics:
            vars(pl_module)["log"] = self._log
            vars(pl_module)["log_dict"] = self._log_dict

    def over(self, batches: Sequence[Any], loader: int = 0) -> Answers:
        """Return what the step says of some batches."""
        answers = [self.ask(batch, index, loader) for index, batch in enumerate(batches)]
        key = answers[-1].key if answers else ""
        return Answers(sample_of([answer.returned for answer in answers], key), [answer.values for answer in answers])

    def ask(self, batch: Any, index: int, loader: int = 0) -> Answer:
        """Call the step on one batch.

        Raises:
            MonitorError: It cannot take the batch, or gives no loss.
        """
        self._forget()
        outputs = self._call(batch, index, loader)
        returned = None if self._monitor else Returned.of(outputs, batch)
        if returned is not None:
            return Answer(returned=returned, key="", values=self._values())
        key = self._monitor or _only_loss(self._logged)
        if key not in self._logged:
            raise MonitorError(f"validation_step logs no {key!r}: name the logged loss with monitor=")
        loss = torch.tensor(self._logged[key], dtype=torch.float64)
        said = Returned(loss=loss, losses=None, size=batch_size(batch))
        return Answer(returned=said, key=key, values=self._values())

    def _call(self, batch: Any, index: int, loader: int) -> Any:
        # Only moved: the hooks around the transfer have already changed this batch. Cloned: a step may write into it.
        moved = self._module.transfer_batch_to_device(batch, self._module.device, loader)
        batch = self._plugin.convert_input(apply_to_collection(moved, Tensor, torch.Tensor.clone))
        try:
            with self._plugin.val_step_context():
                return self._module.validation_step(*[batch, index, loader][: self._positions])
        except Exception as error:
            kind = "a training batch" if loader == 0 else f"a batch of loader {loader} again"
            raise MonitorError(
                f"validation_step cannot take {kind} ({type(error).__name__}: {error}); let it accept"
                " what training_step gets, or leave the gap out with overfitting=None"
            ) from error

    def _forget(self) -> None:
        self._logged.clear()
        self._objects.clear()
        if self._metrics:
            for metric in self._children:
                metric.reset()

    def _log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        if isinstance(value, Metric):
            self._objects[name] = value
        else:
            self._logged.log(name, value)

    def _log_dict(self, values: Any, *_: Any, **__: Any) -> None:
        for name, value in dict(values).items():
            self._log(name, value)

    def _values(self) -> dict[str, Value]:
        known = {id(child) for child in self._children}
        objects = {n: m.clone() for n, m in self._objects.items() if n in self._metrics and id(m) in known}
        return {name: self._logged[name] for name in self._metrics if name in self._logged} | objects


def step_parameters(pl_module: LightningModule) -> list[str]:
    """Return the names of what `validation_step` takes."""
    return list(inspect.signature(pl_module.validation_step).parameters)


def _losses_in(outputs: Any, size: int) -> Tensor | None:
    found = outputs.get("losses") if isinstance(outputs, dict) else None
    if not isinstance(found, Tensor) or found.ndim != 1 or len(found) != size or not found.is_floating_point():
        return None
    return found.detach()


def _only_loss(logged: Logged) -> str:
    found = [name for name in logged if "loss" in name.lower()]
    if len(found) != 1:
        told = f"logs {', '.join(found)}" if found else "logs none"
        raise MonitorError(
            f"validation_step returns no loss and {told}: name the logged loss with OverfittingMonitor(monitor=…)"
        )
    return found[0]


def _positions(pl_module: LightningModule) -> int:
    """Return how many of (batch, batch_idx, dataloader_idx) the step takes."""
    kinds = [p.kind for p in inspect.signature(pl_module.validation_step).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 2
    return min(3, sum(kind is not inspect.Parameter.VAR_KEYWORD for kind in kinds))
