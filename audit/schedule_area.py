"""A learning rate over steps: where its warm-up ends, whether it comes down, and the areas of the annealing law."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PLATEAU = 0.9  # of the highest rate: from here on it counts as constant
FADING = 0.999  # λ, by which a decrease of the rate fades a step
GRID = 4000  # points on which areas are summed


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A learning rate, divided by its highest.

    Attributes:
        step: Optimizer steps, ascending, shape [n]; empty when the rate was not recorded.
        rate: Shape [n], at most 1.
    """

    step: Floats
    rate: Floats

    @classmethod
    def of(cls, step: NDArray[np.int64], rate: Floats) -> Self:
        """Return the schedule of a recorded rate; without one that is positive, that of a constant rate."""
        chosen = np.isfinite(rate) & (rate >= 0)
        step, rate = step[chosen], rate[chosen]
        if not rate.size or rate.max() <= 0:
            return cls(step=np.zeros(0), rate=np.zeros(0))
        return cls(step=step.astype(np.float64), rate=rate / rate.max())

    @cached_property
    def warm_up(self) -> int:
        """Last step before the rate is near its highest for the first time; 0 without a warm-up."""
        return int(self.step[int((self.rate >= PLATEAU).argmax())]) - 1 if self.step.size else 0

    @cached_property
    def decays(self) -> bool:
        """Whether the rate has come down from near its highest."""
        return bool((self.rate[self.step > self.warm_up] < PLATEAU).any())

    def at(self, step: Floats) -> Floats:
        """Return the rate at steps of any shape; beyond the last one, the last."""
        return np.interp(step, self.step, self.rate) if self.step.size else np.ones_like(step)

    def areas(self, step: Floats) -> tuple[Floats, Floats]:
        """Return S1, in steps of the highest rate, and S2 at steps of shape [n].

        Where the rate is constant S1 is the number of steps, the warm-up's among them, and S2 is 0.
        """
        return (step, np.zeros_like(step)) if not self.decays else self._areas(step)

    def _areas(self, step: Floats) -> tuple[Floats, Floats]:
        grid = np.linspace(0.0, float(step.max()), GRID + 1)
        width, middle = grid[1], (grid[1:] + grid[:-1]) / 2
        rate = np.where(
            middle > self.warm_up, self.at(middle), 1.0
        )  # a warm-up is no annealing, as Tissue et al. have it
        fading, momentum, area = FADING**width, 0.0, np.zeros(GRID)
        for place, fall in enumerate(-np.diff(rate, prepend=1.0)):
            momentum = fading * momentum + fall
            area[place] = momentum * width
        s1 = np.concatenate(([0.0], np.cumsum(rate) * width))
        return np.interp(step, grid, s1), np.interp(step, grid, np.concatenate(([0.0], np.cumsum(area))))

    def stretched(self, factor: float) -> Schedule:
        """Return the same schedule over `factor` times the steps."""
        return Schedule(step=self.step * factor, rate=self.rate)

    def ahead(self, end: int, factors: Floats) -> tuple[Floats, Floats]:
        """Return S1 and S2 after `factors` times `end` steps: up to 1 in this schedule, above in a stretched one."""
        if not self.decays:
            return end * factors, np.zeros_like(factors)
        areas = [(self if f <= 1 else self.stretched(float(f)))._areas(np.array([end * f])) for f in factors]
        return np.array([float(s1[0]) for s1, _ in areas]), np.array([float(s2[0]) for _, s2 in areas])
