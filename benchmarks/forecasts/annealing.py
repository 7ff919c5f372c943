"""Planted learning curves under a schedule of the learning rate that comes down.

Two published laws. That of Tissue et al. 2024 (arXiv:2408.11029) is the one that the product fits; here it is summed
step by step, not on a grid. The multi-power law of Luo et al. 2025 (arXiv:2503.12811) is another one, which a
forecast does not know.

Tissue et al. count a warm-up as if the rate had been at its highest; the multi-power law counts it by its rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
Shape = Callable[[Floats, float], Floats]

FADING = 0.999  # of Tissue et al.
DECREASES = 400  # that the multi-power law sums over


def constant(done: Floats, _low: float) -> Floats:
    """Stay."""
    return np.ones_like(done)


def cosine(done: Floats, low: float) -> Floats:
    """Come down along half a cosine."""
    return low + (1 - low) * (1 + np.cos(np.pi * done)) / 2


def linear(done: Floats, low: float) -> Floats:
    """Come down along a line."""
    return 1 - (1 - low) * done


def late(done: Floats, low: float) -> Floats:
    """Stay for four fifths, then come down along a line (warm-up, stable, decay)."""
    return 1 - (1 - low) * np.maximum(0.0, (done - 0.8) / 0.2)


def drops(done: Floats, _low: float) -> Floats:
    """Fall to a tenth at half and again at three quarters."""
    return np.where(done < 0.5, 1.0, np.where(done < 0.75, 0.1, 0.01))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """A learning rate, divided by its highest: a warm-up along a line, then a shape.

    Attributes:
        shape: What comes after the warm-up.
        warm: Share of the steps that the warm-up takes.
        low: Where shapes end.
    """

    shape: Shape
    warm: float
    low: float

    def over(self, steps: int) -> Floats:
        """Return the rate of each step, shape [steps]."""
        done = np.arange(1, steps + 1) / steps
        after = self.shape(np.clip((done - self.warm) / (1 - self.warm), 0, 1), self.low)
        return np.where(done < self.warm, done / max(self.warm, 1e-9), after)


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """What a schedule does to the loss.

    Attributes:
        floor: Loss that is left in the end.
        left: What the power law still has to give at the end of the run.
        slope: Exponent of the power law.
        gain: By how much annealing has lowered the loss at the end of the run.
        multi: β and γ of the multi-power law and its C, in units of the whole run; None for the law of Tissue et al.
    """

    floor: float
    left: float
    slope: float
    gain: float
    multi: tuple[float, float, float] | None

    def losses(self, rates: Rates, end: int, steps: int, at: NDArray[np.int64]) -> Floats:
        """Return the loss at steps of a run whose schedule takes `steps`, where that of this run takes `end`."""
        s1, annealed = self._areas(rates.over(steps), end)
        usual, whole = self._areas(rates.over(end), end)
        scale = self.gain / float(whole[-1]) if whole[-1] > 0 else 0.0
        curve = self.floor + self.left * (s1 / usual[-1]) ** -self.slope - scale * annealed
        return np.asarray(curve[at - 1])

    def _areas(self, rate: Floats, end: int) -> tuple[Floats, Floats]:
        """Return the sum of rates and, but for a factor, what annealing has given, after each step."""
        if self.multi is not None:
            s1 = np.cumsum(rate)
            return s1, _multi_power(rate, s1, end, *self.multi)
        peak = int(rate.argmax())
        falls = np.concatenate((np.zeros(peak + 1), -np.diff(rate[peak:])))
        return np.cumsum(np.r_[np.ones(peak), rate[peak:]]), np.cumsum(lfilter([1.0], [1.0, -FADING], falls))


def _multi_power(rate: Floats, s1: Floats, end: int, beta: float, gamma: float, c: float) -> Floats:
    """Return Σ (η_{k−1} − η_k)·G(η_k^−γ·S_k), G(x) = 1 − (1 + C·x)^−β, after each step."""
    places = np.unique(np.linspace(int(rate.argmax()), rate.size - 1, DECREASES + 1).astype(np.int64))
    grid, total = np.linspace(0, rate.size - 1, DECREASES + 1).astype(np.int64), np.zeros(DECREASES + 1)
    for before, here in pairwise(places):
        since = np.maximum(0.0, s1[grid] - s1[here]) * max(float(rate[here]), 1e-3) ** -gamma / end
        total += (rate[before] - rate[here]) * (1 - (1 + c * since) ** -beta)
    return np.interp(np.arange(rate.size), grid, total)


def law(rng: np.random.Generator, *, multi: bool) -> Law:
    """Draw a law: exponent, what is left, and what annealing gives, up to a half of that."""
    left = rng.uniform(0.1, 1.5)
    return Law(
        floor=rng.uniform(0.5, 3.0), left=left, slope=rng.uniform(0.2, 0.9), gain=rng.uniform(0.05, 0.5) * left,
        multi=(rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(5, 50)) if multi else None,
    )  # fmt: skip
