"""Whether the weights that a module computes with change, whatever tensors its optimizer steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .layers import some

TENSORS, ELEMENTS = 64, 64  # parameters that are looked at, and elements of each
MARGIN = 100.0  # roundings by which a step must stand out to be missed
COLUMNS = ("optimizer.moved_share", "optimizer.unheld_share")


class Movement:
    """Compares a sample of the weights with the same sample the last time.

    An element is *pushed* when its gradient, at most 1, times the learning rate is a hundred roundings of the weight
    or more: a step that small or smaller by right, as at the end of a schedule, is not missed.
    """

    def __init__(self) -> None:
        self._parameters: Sequence[Tensor] = ()
        self._last: Tensor | None = None

    @torch.no_grad()
    def look(self, module: nn.Module, optimizers: Iterable[Any]) -> Tensor | None:
        """Return what has happened to the weights since the last call.

        Args:
            module: Whose weights compute the loss.
            optimizers: All of the training's.

        Returns:
            Share of the pushed elements that have moved, NaN where none was pushed; and share of the trained
            parameters that no optimizer holds. None where there is nothing to compare with.
        """
        trained = [p for p in module.parameters() if p.requires_grad and _plain(p)]
        rates = {id(p): group["lr"] for opt in optimizers for group in opt.param_groups for p in group["params"]}
        chosen = trained[:: -(-len(trained) // TENSORS) or 1]
        before, known = self._last, self._parameters
        self._parameters = chosen
        self._last = _samples(chosen).clone() if chosen else None
        if before is None or self._last is None or not _same(chosen, known):
            return None
        moved = self._last != before
        pushed = _pushes(chosen, rates) > before.abs()
        share = moved.sum() / (moved | pushed).sum()  # 0 / 0 is NaN
        unheld = sum(id(p) not in rates for p in trained) / len(trained)
        return torch.stack([share.float(), share.new_tensor(unheld, dtype=torch.float32)])


def _same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def _plain(parameter: Tensor) -> bool:
    lazy = nn.parameter.is_lazy(parameter)
    return not lazy and parameter.is_floating_point() and not parameter.is_meta and parameter.numel() > 0


def _samples(tensors: Iterable[Tensor]) -> Tensor:
    """Return up to `ELEMENTS` of each tensor in one vector."""
    found = [some(tensor.detach(), ELEMENTS).float() for tensor in tensors]
    return torch.cat([values.to(found[0].device) for values in found])


def _pushes(parameters: Sequence[Tensor], rates: dict[int, Any]) -> Tensor:
    """Return the weights up to which a step would be plain to see; 0 where there is no gradient."""
    usual = next(iter(rates.values()), 0.0)  # of a parameter that no optimizer holds
    reach = [rates.get(id(p), usual) / (MARGIN * torch.finfo(p.dtype).eps) for p in parameters]
    pushes = [times * _gradient(p) for p, times in zip(parameters, reach, strict=True)]
    return torch.cat([values.to(pushes[0].device) for values in pushes])


def _gradient(parameter: Tensor) -> Tensor:
    grad = parameter.grad
    if grad is None or grad.is_sparse:
        return torch.zeros_like(some(parameter.detach(), ELEMENTS), dtype=torch.float32)
    values = some(grad, ELEMENTS).float().abs().clamp(max=1.0)
    return torch.nan_to_num(values, nan=0.0)
