"""A fitted law with what resampling the runs says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from .law import Law, Objective, best_fit, require_falling
from .points import Floats, Points, require_enough

CONFIDENCE = 0.95
RESAMPLES, FEWEST_RESAMPLES, MOST_RESAMPLES = 500, 100, 20_000
ENDLESS = 1e300  # from here on a number has been cut to stay finite, and is told as none
UNSEEN = 10  # resamples without a run, from which it is predicted as a new one


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A number with its interval; an end that nothing bounds is None."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: Floats | float, draws: Floats) -> Self:
        """Return a value with the percentile interval of its draws, widened to hold the value.

        Draws that are no number lie beyond both ends.
        """
        tail = (1 - CONFIDENCE) / 2
        broken = np.isnan(draws)
        low = np.quantile(np.where(broken, -np.inf, draws), tail, method="lower")
        high = np.quantile(np.where(broken, np.inf, draws), 1 - tail, method="higher")
        low, high = np.fmin(low, value), np.fmax(high, value)
        return cls(value=_finite(value), low=_finite(low), high=_finite(high))

    def within(self, factor: float) -> bool:
        """Return whether the interval is positive and its ends differ by at most a factor."""
        if self.low is None or self.high is None:
            return False
        return self.low > 0 and self.high <= factor * self.low


def _finite(value: Floats | float) -> float | None:
    found = float(value)
    return found if abs(found) < ENDLESS else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """A law fitted to runs.

    Attributes:
        points: The runs.
        law: The law that fits them best.
        objective: Sum over runs of the Huber loss.
        draws: The laws of the resamples, shape [draws].
        counts: How often a resample holds each run, shape [draws, n].
        errors: Log loss of each run less what the resamples without it expect (median), shape [n].
    """

    points: Points
    law: Law
    objective: float
    draws: Law
    counts: Floats
    errors: Floats


def fit_law(points: Points, *, resamples: int = RESAMPLES, seed: int = 0) -> Fit:
    """Return the law that fits runs best, and those of runs drawn anew with replacement.

    Each resample is minimised from the best fit (Besiroglu et al. 2024 resample the runs likewise).

    Args:
        points: At least ten that differ.
        resamples: How often the runs are drawn; 100 to 20,000.
        seed: Of the draws.

    Raises:
        UsageError: The runs cannot tell five coefficients, or an option lies outside its range.
        GroundwireError: scipy is missing.
    """
    if not FEWEST_RESAMPLES <= resamples <= MOST_RESAMPLES:
        raise UsageError(f"--bootstrap must be {FEWEST_RESAMPLES} to {MOST_RESAMPLES:,} resamples, got {resamples}.")
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {seed}.")
    require_enough(points)
    n, minimised = len(points), Objective(points)
    theta, objective = best_fit(minimised, n)
    law = minimised.law(theta)
    require_falling(law, points)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    start = minimised.lifted(theta)
    draws = minimised.law(np.stack([minimised.minimum(start, weights)[0] for weights in counts], axis=1))
    errors = _errors(points, draws, counts)
    return Fit(points=points, law=law, objective=objective, draws=draws, counts=counts, errors=errors)


def unseen(counts: Floats, place: int) -> npt.NDArray[np.intp]:
    """Return the resamples without the run at a place; all, where those are too few."""
    without = np.flatnonzero(counts[:, place] == 0)
    return without if len(without) >= UNSEEN else np.arange(len(counts))


def _errors(points: Points, draws: Law, counts: Floats) -> Floats:
    expected = np.log(draws.column().loss(points.parameters, points.tokens))
    medians = [np.median(expected[unseen(counts, place), place]) for place in range(len(points))]
    return np.asarray(np.log(points.loss) - medians, dtype=np.float64)
