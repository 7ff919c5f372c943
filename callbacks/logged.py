"""What a step passes to `self.log` while that is shadowed, and how it would have been reduced."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torchmetrics import Metric

MEANS = ("mean", "avg", torch.mean)
OPTIONS = tuple(inspect.signature(LightningModule.log).parameters)[3:]  # after self, name and value


@dataclass(frozen=True, kw_only=True, slots=True)
class Reduction:
    """What Lightning makes of a logged number by the end of the validation.

    Attributes:
        over_batches: Name of what it takes over batches, `last` where it keeps the last one.
        over_ranks: Whether it is that of all ranks.
    """

    over_batches: str = "mean"
    over_ranks: bool = False


class Logged(dict[str, float]):
    """The numbers by name.

    Attributes:
        reductions: How each of them is reduced.
        objects: What was logged as a metric object, by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reductions: dict[str, Reduction] = {}
        self.objects: dict[str, Metric] = {}

    def log(self, name: str, value: Any, *options: Any, **named: Any) -> None:
        """Stand in for `LightningModule.log`."""
        if isinstance(value, Metric):
            self.objects[name] = value
        elif isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1):
            self[name] = float(value.detach() if isinstance(value, Tensor) else value)
            self.reductions[name] = _reduction(**dict(zip(OPTIONS, options, strict=False)) | named)

    def log_dict(self, values: Any, *options: Any, **named: Any) -> None:
        """Stand in for `LightningModule.log_dict`."""
        for name, value in dict(values).items():
            self.log(name, value, *options, **named)

    def forget(self) -> None:
        """Forget the batch before."""
        self.clear()
        self.reductions.clear()
        self.objects.clear()


def _reduction(*, on_epoch: Any = None, reduce_fx: Any = "mean", sync_dist: Any = False, **_: Any) -> Reduction:
    over = reduce_fx.lower() if isinstance(reduce_fx, str) else reduce_fx
    told = "mean" if over in MEANS else str(getattr(over, "__name__", over))
    # In a validation, Lightning reduces over the epoch unless told otherwise.
    return Reduction(over_batches="last" if on_epoch is False else told, over_ranks=bool(sync_dist))
