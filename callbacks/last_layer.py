"""Watches the torch calls of a probe: the last weighted layer, batch norms, and what a loss compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .observer import CONVOLUTIONS
from .watching import transformed

ROWS = 64  # of one batch that are kept, evenly spaced
LEAST, VALUES = 8, 2**18  # rows of however many features, and values beyond those
NUMBERS = frozenset({
    functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.huber_loss,
    functional.binary_cross_entropy, functional.binary_cross_entropy_with_logits,
})  # fmt: skip


@dataclass(slots=True)
class Passed:
    """What passed in the step on one batch.

    Attributes:
        layer: Path of the last weighted layer.
        hidden: Its input, shape [rows, features].
        output: Its output, shape [rows, features].
        predicted: What the first loss was computed of, one row an example, or else the last layer's output.
        target: What it was compared with; None where no such loss was seen.
        dense: Whether it is an output for each place of an image, of which `output` is the mean over places.
        drift: For each batch norm how far its running mean is from the batch's, in standard deviations of the batch.
    """

    layer: str = ""
    hidden: Tensor | None = None
    output: Tensor | None = None
    predicted: Tensor | None = None
    target: Tensor | None = None
    dense: bool = False
    drift: dict[str, Tensor] = field(default_factory=dict)


class LastLayer(TorchFunctionMode):
    """A mode that notes what passes; it is entered around one call of the user's step.

    Args:
        names: Path of each layer by the `id` of its weight, of each batch norm by that of its running mean.
        size: Examples in the batch.

    Attributes:
        passed: What was noted.
        problem: What went wrong in noting: raised in the user's step, it would be taken for the step's own.
    """

    def __init__(self, names: Mapping[int, str], size: int) -> None:
        super().__init__()
        self.passed = Passed()
        self.problem: Exception | None = None
        self._names, self._size = names, size
        self._last: tuple[Tensor, Tensor, bool] | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func` and note what it was given."""
        options = kwargs or {}
        if transformed():
            return func(*args, **options)
        if func is functional.batch_norm:  # before the call, which moves the running mean
            self._try(self._normed, args[:3], options)
        out = func(*args, **options)
        if func is functional.linear or func in CONVOLUTIONS:
            self._try(lambda *given, **named: self._weighted(func, out, *given, **named), args[:2], options)
        elif func is functional.cross_entropy:
            self._try(self._classified, args[:2], options)
        elif func in NUMBERS:
            self._try(self._compared, args[:2], options)
        return out

    def keep(self) -> Passed:
        """Return what was noted, once the step is over."""
        if self.problem is not None:
            raise self.problem
        if self._last is not None:
            given, out, convolved = self._last
            self.passed.hidden = rows_of(given, convolved=convolved)
            self.passed.output = rows_of(out, convolved=convolved)
            self.passed.dense = convolved and out.shape[2:].numel() > 1
            self._last = None
            if self.passed.predicted is None and out.ndim == 2 and len(out) == self._size:
                self.passed.predicted = out.detach()  # a loss that is written out is not seen
        return self.passed

    def _try(self, note: Callable[..., None], args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        try:
            note(*args, **options)
        except Exception as error:  # noqa: BLE001 - kept for `keep`
            self.problem = error

    def _weighted(self, func: Any, out: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> None:  # noqa: A002
        name = self._names.get(id(weight))
        if name is not None:
            self.passed.layer, self._last = name, (input, out, func in CONVOLUTIONS)

    def _classified(self, input: Tensor, target: Tensor, **_: Any) -> None:  # noqa: A002 - as torch calls it
        if input.ndim == 2 and target.ndim == 1 and not target.is_floating_point():
            self._compared(input, target)

    def _compared(self, input: Tensor, target: Tensor, **_: Any) -> None:  # noqa: A002 - as torch calls it
        each = input.ndim > 0 and target.ndim > 0 and len(input) == len(target) == self._size
        if each and self.passed.target is None:
            self.passed.predicted, self.passed.target = input.detach(), target.detach()

    def _normed(self, input: Tensor, running_mean: Tensor | None = None, *_: Any, **__: Any) -> None:  # noqa: A002
        name = self._names.get(id(running_mean))
        if running_mean is None or name is None or name in self.passed.drift:
            return
        others = [dim for dim in range(input.ndim) if dim != 1]
        values = input.detach().float()
        spread = values.var(dim=others, correction=0).sqrt().clamp_min(1e-6)
        self.passed.drift[name] = ((values.mean(dim=others) - running_mean) / spread).square().mean().sqrt()


def rows_of(tensor: Tensor, *, convolved: bool) -> Tensor:
    """Return a row of features for each example or position; images are averaged over places."""
    flat = tensor.detach().float()
    flat = flat.flatten(2).mean(dim=2) if convolved and flat.ndim > 2 else flat.reshape(-1, flat.shape[-1])
    most = min(ROWS, max(LEAST, VALUES // max(1, flat.shape[-1])))
    if len(flat) <= most:
        return flat
    return flat[torch.linspace(0, len(flat) - 1, most, device=flat.device).long()]
