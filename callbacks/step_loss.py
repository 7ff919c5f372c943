"""Which number of the user's `validation_step` is its loss: what it returns, or what it logs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .batches import batch_size
from .directions import inferred
from .logged import Reduction
from .monitor import MonitorError, loss_in
from .sample import Sample

ALIKE = 1e-3  # relative difference up to which two numbers are one quantity
OF_LOADER = re.compile(r"/dataloader_idx_(\d+)$")  # what Lightning adds to a name where there are several loaders


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """What a step returned of one batch, still on its device.

    Attributes:
        loss: Mean loss, shape [].
        losses: Loss of each example, shape [size]; None where the step does not give it.
        size: Examples in the batch.
        named: Whether the step calls it a loss; a number alone may be an accuracy.
    """

    loss: Tensor
    losses: Tensor | None
    size: int
    named: bool

    @classmethod
    def of(cls, outputs: Any, batch: Any) -> Returned | None:
        """Return the loss in what a step returned, None when there is none."""
        size = batch_size(batch)
        loss, losses = loss_in(outputs), _losses_in(outputs, size)
        if loss is None:
            loss = None if losses is None else losses.float().mean()
        return None if loss is None else cls(loss=loss, losses=losses, size=size, named=isinstance(outputs, dict))


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What the step said of one batch.

    Attributes:
        size: Examples in it.
        returned: What may be the loss.
        logged: Numbers by name.
        reductions: How Lightning reduces them.
    """

    size: int
    returned: Returned | None
    logged: Mapping[str, float] = field(default_factory=dict)
    reductions: Mapping[str, Reduction] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Where the loss is found.

    Attributes:
        returned: Whether in what the step returns.
        key: Name under which the same number is logged, empty where it is not.
        reduction: How Lightning reduces what is logged.
    """

    returned: bool
    key: str = ""
    reduction: Reduction = field(default_factory=Reduction)

    @property
    def whole(self) -> bool:
        """Whether Lightning's value of the whole validation is the mean that is wanted."""
        return bool(self.key) and self.reduction.over_batches == "mean"

    def sample(self, said: Sequence[Said]) -> Sample:
        """Return the losses of some batches.

        Raises:
            MonitorError: One of them has none.
        """
        if self.returned:
            return sample_of([one.returned for one in said if one.returned is not None])
        if any(self.key not in one.logged for one in said):
            raise MonitorError(f"validation_step logs no {self.key!r}: name the logged loss with monitor=")
        return Sample(losses=[one.logged[self.key] for one in said], sizes=[one.size for one in said])

    def told(self, ranks: int) -> str:
        """Return what the loss is, as the record tells it."""
        if self.returned:
            return f"returned by validation_step{self.share(ranks)}"
        over = self.reduction.over_batches
        first = "" if over == "mean" else f", mean of the first batches because Lightning keeps their {over}"
        return f"logged as {self.key}{first}{self.share(ranks)}"

    def share(self, ranks: int) -> str:
        """Return what to add where the loss is not that of all ranks."""
        return (
            "" if ranks == 1 or (self.whole and self.reduction.over_ranks) else f", rank 0's share of {ranks} ranks"
        )


def loss_of(said: Sequence[Said], monitor: str | None) -> Loss:
    """Return where the loss is found, from what the step said of some batches.

    A number that is returned alone is the loss if it is logged as one, or if no one loss is logged beside it and it
    is not logged as something of which more is better.

    Args:
        said: At least one batch.
        monitor: Name of the logged loss, None to look for it.

    Raises:
        MonitorError: There is none, or several may be meant.
    """
    if monitor is not None:
        return _logged(said, monitor)
    names = [name for name in said[-1].logged if "loss" in name.lower()]
    returned = [one.returned for one in said if one.returned is not None]
    if len(returned) < len(said):
        return _logged(said, _only(names, "returns no loss"))
    same = [name for name in said[-1].logged if _alike(said, returned, name)]
    twin = next((name for name in same if name in names), "")
    if twin or returned[0].named:
        return Loss(returned=True, key=twin, reduction=said[-1].reductions.get(twin, Reduction()))
    better = next((name for name in same if inferred(name) == "max"), "")
    if len(names) == 1 or better:
        return _logged(said, _only(names, f"returns {better}, which is no loss,"))
    return Loss(returned=True)


def sample_of(said: Sequence[Returned]) -> Sample:
    """Return the losses of some batches; those of examples only where all give them and they fit the loss."""
    if not said:
        return Sample(losses=(), sizes=())
    means = torch.stack([one.loss.float().reshape(()) for one in said])
    examples: list[float] = []
    if all(one.losses is not None for one in said):
        each = [one.losses.float() for one in said if one.losses is not None]
        own = torch.stack([losses.mean() for losses in each])
        # A loss that is weighted, or holds more than its examples' losses, is another quantity.
        if torch.allclose(own, means.to(own.device), rtol=ALIKE, atol=1e-6):
            examples = torch.cat(each).tolist()
    return Sample(losses=means.tolist(), sizes=[one.size for one in said], examples=examples)


def reduction_of(said: Sequence[Said], name: str) -> Reduction:
    """Return how Lightning reduces what is logged under a name.

    Raises:
        MonitorError: To a sum.
    """
    found = said[-1].reductions.get(name, Reduction())
    if found.over_batches == "sum":
        raise MonitorError(
            f"validation_step logs {name!r} with reduce_fx='sum', and a sum grows with the number of examples:"
            " log a mean over examples without reduce_fx, or return the loss"
        )
    return found


def named(monitor: str | None) -> str | None:
    """Return the name that a step logs for the one that `ModelCheckpoint` takes with several loaders.

    Raises:
        ValueError: It names another loader than the first.
    """
    found = OF_LOADER.search(monitor) if monitor else None
    if monitor is None or found is None:
        return monitor
    plain = monitor[: found.start()]
    if int(found[1]):
        raise ValueError(
            f"monitor={monitor!r} names validation loader {found[1]}, but the gap is that of the first one: say"
            f" monitor={plain!r}; each further loader has a row of its own"
        )
    return plain


def _logged(said: Sequence[Said], name: str) -> Loss:
    if name not in said[-1].logged:
        raise MonitorError(f"validation_step logs no {name!r}: name the logged loss with monitor=")
    return Loss(returned=False, key=name, reduction=reduction_of(said, name))


def _only(names: Sequence[str], returns: str) -> str:
    if len(names) != 1:
        told = f"logs {', '.join(names)}" if names else "logs none"
        raise MonitorError(
            f"validation_step {returns} and {told}: name the logged loss with OverfittingMonitor(monitor=…)"
        )
    return names[0]


def _alike(said: Sequence[Said], returned: Sequence[Returned], name: str) -> bool:
    """Return whether what was returned of each batch is what was logged under a name."""
    pairs = [(float(one.loss), other.logged.get(name)) for one, other in zip(returned, said, strict=True)]
    return all(
        b is not None and (math.isclose(a, b, rel_tol=ALIKE, abs_tol=1e-6) or (math.isnan(a) and math.isnan(b)))
        for a, b in pairs
    )


def _losses_in(outputs: Any, size: int) -> Tensor | None:
    found = outputs.get("losses") if isinstance(outputs, dict) else None
    if not isinstance(found, Tensor) or found.ndim != 1 or len(found) != size or not found.is_floating_point():
        return None
    return found.detach()
