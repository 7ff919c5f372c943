"""Which weights in half precision stay as they are although gradients push them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .layers import some

HALF = (torch.float16, torch.bfloat16)
STEPS = 50  # over which an element has to move: one that rounds at random, or keeps what is lost, has moved by then


@dataclass(kw_only=True, slots=True)
class _Start:
    """Weights as they once were, and in how many samples since their elements had a gradient."""

    step: int
    parameters: list[Tensor]
    values: list[Tensor]
    pushes: list[Tensor]
    samples: int = 0


class Rounding:
    """Follows a sample of half-precision weights over windows of at least fifty steps.

    An element is *pushed* when it had a gradient in at least half of the window's samples: rare tokens do not count.
    """

    def __init__(self) -> None:
        self._starts: dict[tuple[int, ...], _Start] = {}

    def before(self, step: int, parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        """Take weights and gradients before a step.

        Args:
            step: The optimizer step, counted from 1.
            parameters: Whose gradients are there.
            values: A sample of each, which may be kept, as `some` takes it.
        """
        half = [(p, v) for p, v in zip(parameters, values, strict=True) if p.dtype in HALF]
        if not half:
            return
        key = tuple(id(p) for p, _ in half)
        start = self._starts.get(key)
        if start is None:
            kept = [v for _, v in half]
            start = _Start(step=step, parameters=[p for p, _ in half], values=kept,
                           pushes=[torch.zeros_like(v, dtype=torch.int32) for v in kept])  # fmt: skip
            self._starts = {key: start, **dict(list(self._starts.items())[-3:])}  # of few optimizers
        start.samples += 1
        for parameter, pushes in zip(start.parameters, start.pushes, strict=True):
            grad = parameter.grad
            if grad is not None and not grad.is_sparse:
                pushes += some(grad, pushes.numel()) != 0

    @torch.no_grad()
    def after(self, step: int) -> Tensor | None:
        """Return the share of pushed elements that stayed, when a window is full; NaN where none was pushed."""
        full = {key: start for key, start in self._starts.items() if step - start.step >= STEPS}
        if not full:
            return None
        counts: list[Tensor] = []
        for key, start in full.items():
            del self._starts[key]
            for parameter, was, pushes in zip(start.parameters, start.values, start.pushes, strict=True):
                same, pushed = some(parameter.detach(), was.numel()) == was, 2 * pushes >= start.samples
                counts.append(torch.stack([(same & pushed).sum(), pushed.sum()]))
        total: Tensor = torch.stack([count.to(counts[0].device) for count in counts]).sum(dim=0).float()
        return total[0] / total[1]
