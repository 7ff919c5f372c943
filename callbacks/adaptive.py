"""How long the steps of Adam and its kin are, and how much of their denominator is epsilon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

import torch
from torch import Tensor

from .layers import some

TENSORS, ELEMENTS = 64, 64  # parameters that are looked at, and elements of each
COLUMNS = ("optimizer.step_p99", "optimizer.epsilon_ratio")


@torch.no_grad()
def figures(optimizer: Any) -> Tensor | None:
    """Return figures of an optimizer's moments; Kingma and Ba 2015, Adam, algorithm 1.

    Elements that never had a gradient are left out, so that rare tokens do not count.

    Returns:
        99th percentile of |m̂| / (√v̂ + ε), and ε over the median of √v̂; both without unit, shape [2], NaN where no
        element had a gradient. None where the optimizer does not keep both moments.
    """
    found = list(_moments(optimizer))
    if not found:
        return None
    device = found[0][0].device
    first, root, epsilon = (torch.cat([part[place].to(device) for part in found]) for place in range(3))
    used = (first != 0) | (root != 0)
    step = (first.abs() / (root + epsilon)).where(used, torch.nan)
    share = (epsilon / root).where(used, torch.nan)  # the median of a ratio whose numerator is the same for all
    return torch.stack([torch.nanquantile(step, 0.99), torch.nanmedian(share)])


def _moments(optimizer: Any) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield m̂, √v̂ and ε of a sample of each parameter's elements, as torch.optim.Adam computes them."""
    held = [(group, parameter) for group in optimizer.param_groups for parameter in group["params"]]
    for group, parameter in held[:: -(-len(held) // TENSORS) or 1]:
        betas, epsilon = group.get("betas"), group.get("eps")
        if not isinstance(betas, tuple | list) or len(betas) != 2 or not isinstance(epsilon, int | float):
            continue
        state = optimizer.state.get(parameter) or {}
        first, second = state.get("exp_avg"), state.get("max_exp_avg_sq", state.get("exp_avg_sq"))
        step = state.get("step")
        if not (_plain(first) and _plain(second)) or first.shape != second.shape or step is None:
            continue
        mean = some(first, ELEMENTS).float() / (1 - betas[0] ** step)
        root = (some(second, ELEMENTS).float() / (1 - betas[1] ** step)).sqrt()
        # With the rounding of the state's own type: in half precision a small ε is none.
        yield mean, root, second.new_full((), epsilon).float().expand_as(root)


def _plain(tensor: Any) -> TypeGuard[Tensor]:
    return type(tensor) is Tensor and tensor.is_floating_point() and tensor.numel() > 0
