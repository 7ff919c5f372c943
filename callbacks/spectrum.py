"""How many directions rows of features use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MOST_ROWS, MOST_VALUES = 512, 2**22  # that are looked at, rows evenly spaced: more would take seconds
FEWEST_ROWS = 64  # of however many features
WIDE = 4  # times as many features as rows, from which products of rows are quicker


@dataclass(frozen=True, kw_only=True, slots=True)
class Spectrum:
    """What rows of features have in common.

    Attributes:
        rows: How many.
        dimension: Features of each.
        effective_rank: Exponential of the entropy of the normalised singular values of the centred rows (Roy and
            Vetterli 2007, The effective rank), from 1 to the smaller of rows and features; 0 where rows are equal.
        spread: Root mean square distance from the mean row over the root mean square length, from 0 (all are equal)
            to 1 (their mean is zero).
        turn: The same of the rows scaled to a length of 1: 0 where all point the same way.
    """

    rows: int
    dimension: int
    effective_rank: float
    spread: float
    turn: float

    @classmethod
    def of(cls, values: Tensor) -> Spectrum | None:
        """Return that of rows of shape [rows, features]; None where a value is not finite."""
        most = max(FEWEST_ROWS, min(MOST_ROWS, MOST_VALUES // max(1, values.shape[1])))
        values = values.detach()[:: -(-len(values) // most) or 1].cpu().double()
        if not len(values) or not bool(torch.isfinite(values).all()):
            return None
        singular = _singular(values - values.mean(dim=0))
        share = singular / singular.sum()
        share = share[share > 0]
        rank = float((-(share * share.log()).sum()).exp()) if len(share) else 0.0
        unit = torch.nn.functional.normalize(values, dim=1)
        return cls(rows=len(values), dimension=values.shape[1], effective_rank=rank, spread=_spread(values),
                   turn=_spread(unit))  # fmt: skip


def _singular(centred: Tensor) -> Tensor:
    """Return the singular values; of wide rows as roots of the eigenvalues of their products."""
    if centred.shape[1] < WIDE * len(centred):
        values: Tensor = torch.linalg.svdvals(centred)
        return values
    squares: Tensor = torch.linalg.eigvalsh(centred @ centred.T)
    kept = torch.where(squares > 1e-14 * squares.max(), squares, torch.zeros_like(squares))  # below are roundings
    return kept.sqrt()


def _spread(values: Tensor) -> float:
    length = float(values.square().mean().sqrt())
    return float((values - values.mean(dim=0)).square().mean().sqrt()) / length if length else 0.0
