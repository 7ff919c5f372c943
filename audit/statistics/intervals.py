"""Intervals of proportions and means, on scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS, AT_ONCE = 10_000, 500  # Monte Carlo draws of `mean_interval`, and how many are held in memory
FEW = 8  # values of the smaller sample, below which Welch's degrees of freedom are not used
MANY = 32  # values from which equal ones are drawn together


def proportion_interval(events: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a proportion (Clopper and Pearson 1934, Biometrika 26).

    Each side errs with half of 1 − confidence: 0 of 100 gives 3.6 % as the upper end, where
    `proportion_upper_bound`, which errs on one side only, gives 3.0 %.

    Args:
        events: How often it happened.
        n: How often it could have happened.
        confidence: Between 0 and 1.

    Raises:
        ValueError: `n` is not positive, `events` not between 0 and `n` or `confidence` not between 0 and 1.
    """
    tail = (1 - allowed(confidence)) / 2
    high = proportion_upper_bound(events, n, 1 - tail)
    return 1.0 - proportion_upper_bound(n - events, n, 1 - tail), high


def proportion_upper_bound(events: int, n: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided upper bound of a proportion (Clopper and Pearson 1934, Biometrika 26).

    For no event it is 1 − (1 − confidence)^(1/n), about 3/n at 95 %.

    Raises:
        ValueError: `n` is not positive, `events` not between 0 and `n` or `confidence` not between 0 and 1.
    """
    from scipy.stats import beta

    if n <= 0 or not 0 <= events <= n:
        raise ValueError(f"need 0 ≤ events ≤ n and n > 0, got {events} of {n}")
    return 1.0 if events == n else float(beta.ppf(allowed(confidence), events + 1, n - events))


def mean_interval(
    values: Sequence[float], confidence: float = 0.95, *, low: float = 0.0, high: float = 1.0
) -> tuple[float, float]:
    """Return a two-sided interval of the mean of values that cannot lie outside [low, high].

    Gaffke's bound: the quantile of the values' mean under random Dirichlet(1, …, 1) weights, with one more
    value put at the end of the range on whose side the bound lies. Student's interval is far too narrow
    where high scores are rare, and has no width where none was seen; this one equals Clopper and Pearson's
    for values at the ends of the range and is Student's in the limit. That it covers at every n is shown
    by simulation, not proven. The weights are drawn with a fixed seed: the same values, in any order, give
    the same interval.

    Gaffke 2005, Mathematical Methods of Statistics 14; Learned-Miller and Thomas 2019, arXiv:1905.06208.

    Args:
        values: Shape [n], n ≥ 1, independent.
        confidence: Between 0 and 1.
        low: Least possible value.
        high: Greatest possible value.

    Raises:
        ValueError: There is no value, one lies outside the range, or `confidence` is not between 0 and 1.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    if x.size == 0:
        raise ValueError("an interval needs at least one value, got none")
    if not ((low <= x) & (x <= high)).all():
        raise ValueError(f"values must lie between {low:g} and {high:g}, got {x[0]:g} to {x[-1]:g}")
    tail = (1 - allowed(confidence)) / 2
    inner, outer = _dirichlet_means(x)
    mean = float(x.mean())
    lowest = float(np.quantile(inner + outer * low, tail))
    highest = float(np.quantile(inner + outer * high, 1 - tail))
    return max(low, min(lowest, mean)), min(high, max(highest, mean))


def _dirichlet_means(x: Floats) -> tuple[Floats, Floats]:
    """Return, for each draw of weights, the values' weighted sum and the weight left for one more value.

    The weights are shares of exponential draws. Of many values that are mostly the same, those of the same value
    are drawn as the gamma that is their sum.
    """
    rng = np.random.default_rng(0)
    levels, counts = np.unique(x, return_counts=True)
    merged = x.size > MANY and 2 * levels.size < x.size
    values, shapes = (levels, counts) if merged else (x, np.ones(x.size))
    inner, outer = [], []
    for _ in range(DRAWS // AT_ONCE):
        weights = rng.standard_gamma([*shapes, 1.0], size=(AT_ONCE, values.size + 1))
        weights /= weights.sum(axis=1, keepdims=True)
        inner.append(weights[:, :-1] @ values)
        outer.append(weights[:, -1])
    return np.concatenate(inner), np.concatenate(outer)


def welch_interval(
    first: Sequence[float],
    second: Sequence[float],
    *,
    first_weights: Sequence[float] | None = None,
    second_weights: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return Welch's t interval of mean(second) − mean(first), for independent samples of unequal variance.

    Welch, B. L. (1947), Biometrika 34, 28–35. With weights (sizes of batches) the variance of a mean is
    that of a ratio estimator, Σ w²(x − m)² / (Σ w)² · n / (n − 1) (Cochran 1977, Sampling Techniques, 6.3).
    Where a sample has fewer than eight values, Welch's degrees of freedom are themselves too uncertain, and those of
    the smaller sample count, which are too few rather than too many (Hsu 1938, Scheffé 1970).

    Args:
        first: Shape [n], n ≥ 2.
        second: Shape [m], m ≥ 2.
        first_weights: Shape [n], positive; equal when not given.
        second_weights: Shape [m], positive; equal when not given.
        confidence: Between 0 and 1.

    Raises:
        ValueError: A sample has fewer than two values, holds something that is not finite or is too large
            for its variance, weights do not fit, or `confidence` is not between 0 and 1.
    """
    from scipy.stats import t

    mean_1, variance_1, n_1 = _mean_and_variance(first, first_weights)
    mean_2, variance_2, n_2 = _mean_and_variance(second, second_weights)
    error = variance_1 + variance_2
    difference = mean_2 - mean_1
    upper = (1 + allowed(confidence)) / 2
    if error == 0:
        return difference, difference
    fewest = min(n_1, n_2)
    share = variance_1 / error  # not the squares of the variances, which underflow
    freedom = 1 / (share**2 / (n_1 - 1) + (1 - share) ** 2 / (n_2 - 1)) if fewest >= FEW else fewest - 1
    half = float(t.ppf(upper, freedom)) * math.sqrt(error)
    return difference - half, difference + half


def _mean_and_variance(sample: Sequence[float], weights: Sequence[float] | None) -> tuple[float, float, int]:
    """Return mean, variance of the mean, and size."""
    x = np.asarray(sample, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    if x.size < 2:
        raise ValueError(f"an interval needs at least two values, got {x.size}")
    if w.shape != x.shape or not (np.isfinite(w) & (w > 0)).all():
        raise ValueError(f"need {x.size} positive weights, one for each value")
    if not np.isfinite(x).all():
        raise ValueError("an interval needs finite values")
    with np.errstate(over="ignore", invalid="ignore"):
        share = w / w.sum()
        mean = float(np.sum(share * x))
        variance = float(np.sum((share * (x - mean)) ** 2) * x.size / (x.size - 1))
    if not math.isfinite(mean + variance):
        raise ValueError("an interval needs values whose variance is finite")
    return mean, variance, x.size


def allowed(confidence: float) -> float:
    """Return a confidence between 0 and 1.

    Raises:
        ValueError: It is none.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return confidence
