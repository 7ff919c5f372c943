"""Intervals, on scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


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

    Args:
        first: Shape [n], n ≥ 2.
        second: Shape [m], m ≥ 2.
        first_weights: Shape [n], positive; equal when not given.
        second_weights: Shape [m], positive; equal when not given.
        confidence: Between 0 and 1.

    Raises:
        ValueError: A sample has fewer than two values or holds something that is not finite.
    """
    from scipy.stats import t

    mean_1, variance_1, n_1 = _mean_and_variance(first, first_weights)
    mean_2, variance_2, n_2 = _mean_and_variance(second, second_weights)
    error = variance_1 + variance_2
    difference = mean_2 - mean_1
    if error == 0:
        return difference, difference
    freedom = error**2 / (variance_1**2 / (n_1 - 1) + variance_2**2 / (n_2 - 1))
    half = float(t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(error)
    return difference - half, difference + half


def _mean_and_variance(sample: Sequence[float], weights: Sequence[float] | None) -> tuple[float, float, int]:
    """Return mean, variance of the mean, and size."""
    x = np.asarray(sample, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    if x.size < 2:
        raise ValueError(f"an interval needs at least two values, got {x.size}")
    if not np.isfinite(x).all():
        raise ValueError("an interval needs finite values")
    mean = float(np.average(x, weights=w))
    variance = float(np.sum(w**2 * (x - mean) ** 2) / np.sum(w) ** 2 * x.size / (x.size - 1))
    return mean, variance, x.size


def proportion_interval(events: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a proportion (Clopper and Pearson 1934, Biometrika 26).

    Raises:
        ValueError: `n` is not positive or `events` is not between 0 and `n`.
    """
    from scipy.stats import beta

    if n <= 0 or not 0 <= events <= n:
        raise ValueError(f"need 0 ≤ events ≤ n and n > 0, got {events} of {n}")
    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else float(beta.ppf(tail, events, n - events + 1))
    high = 1.0 if events == n else float(beta.ppf(1 - tail, events + 1, n - events))
    return low, high


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return Student's t interval of a mean.

    Raises:
        ValueError: There are fewer than two values, or one is not finite.
    """
    from scipy.stats import t

    mean, variance, n = _mean_and_variance(values, None)
    half = float(t.ppf((1 + confidence) / 2, n - 1)) * math.sqrt(variance)
    return mean - half, mean + half
