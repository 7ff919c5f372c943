"""The runs that a law is fitted to, and whether five coefficients can be told from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ..errors import UsageError

Floats = npt.NDArray[np.float64]

FLOP_PER_TOKEN = 6.0  # a parameter: C = 6·N·D (Kaplan et al. 2020, arXiv:2001.08361, 2.1)
FEWEST, LEVELS = 10, 3  # different points, and different values of each size
LARGEST_SIZE = 1e40  # parameters, tokens, FLOP: their products stay far from the end of floats
SPREAD = 2.0  # largest over smallest size
ALIKE = 0.99  # correlation of log parameters and log tokens from which their parts cannot be told apart


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One run.

    Attributes:
        name: What a reader calls it.
        parameters: Of the model (N).
        tokens: That it was trained on, repeated ones included (D).
        loss: At the end, a token (nats).
    """

    name: str
    parameters: float
    tokens: float
    loss: float

    @property
    def flop(self) -> float:
        """Compute of the training, 6·N·D (FLOP)."""
        return FLOP_PER_TOKEN * self.parameters * self.tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """Several runs, as arrays of shape [n]; see `Point`."""

    parameters: Floats
    tokens: Floats
    loss: Floats

    @classmethod
    def of(cls, points: list[Point]) -> Self:
        """Return runs as arrays."""
        rows = np.array([(p.parameters, p.tokens, p.loss) for p in points], dtype=np.float64).reshape(-1, 3)
        return cls(parameters=rows[:, 0], tokens=rows[:, 1], loss=rows[:, 2])

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def flop(self) -> Floats:
        """Compute of each run, 6·N·D (FLOP)."""
        return FLOP_PER_TOKEN * self.parameters * self.tokens


def without_highest(points: list[Point], amount: int) -> list[Point]:
    """Return the points, in their order, without the `amount` that have the highest losses.

    Raises:
        UsageError: `amount` is negative or leaves nothing.
    """
    if not 0 <= amount < len(points):
        told = f"0 to {len(points) - 1}, less than there are runs"
        raise UsageError(f"--drop-highest must be {told}, got {amount}.")
    order = sorted(range(len(points)), key=lambda place: points[place].loss)
    kept = set(order[: len(points) - amount])
    return [point for place, point in enumerate(points) if place in kept]


def require_enough(points: Points) -> None:
    """Refuse points from which five coefficients cannot be told.

    Raises:
        UsageError: There are too few, or parameters or tokens vary too little or only together.
    """
    different = len({*zip(points.parameters.tolist(), points.tokens.tolist(), strict=True)})
    if different < FEWEST:
        told = f"{different} different pairs of parameters and tokens" if different != 1 else "one pair"
        raise UsageError(f"A law with five coefficients takes at least {FEWEST} runs of different size, got {told}.")
    for name, size in (("parameters", points.parameters), ("tokens", points.tokens)):
        levels = len(np.unique(size))
        if levels < LEVELS or size.max() < SPREAD * size.min():
            wanted = f"at least {LEVELS} values, the largest {SPREAD:g} times the smallest"
            told = f"{name} ({size.min():.4g} to {size.max():.4g})"
            raise UsageError(f"The runs differ too little in {told}: a law takes {wanted}.")
    together = float(np.corrcoef(np.log(points.parameters), np.log(points.tokens))[0, 1])
    if abs(together) > ALIKE:
        what = "tokens grow with parameters" if together > 0 else "all runs have about the same FLOP"
        raise UsageError(
            f"In these runs {what} (correlation {together:.3f}), so nobody can tell what either does:"
            " add runs with other numbers of tokens a parameter and other FLOP."
        )
