"""Means of samples that come in clusters."""

from __future__ import annotations

from collections.abc import Sequence

from .clustered import ClusteredRate, effective_size, intraclass_correlation
from .intervals import mean_interval


def clustered_mean(
    clusters: Sequence[Sequence[float]], confidence: float = 0.95, *, low: float = 0.0, high: float = 1.0
) -> ClusteredRate:
    """Return the mean over clusters of their means, with an interval over clusters (`mean_interval`).

    Args:
        clusters: For each prompt the values of its samples, within [low, high]; empty ones are left out.
        confidence: Between 0 and 1.
        low: Least possible value.
        high: Greatest possible value.

    Raises:
        ValueError: There is no value, one lies outside the range, or `confidence` is not between 0 and 1.
    """
    found = [list(cluster) for cluster in clusters if len(cluster)]
    means = [sum(cluster) / len(cluster) for cluster in found]
    ends = mean_interval(means, confidence, low=low, high=high)
    correlation = intraclass_correlation(found)
    return ClusteredRate(
        value=sum(means) / len(means), low=ends[0], high=ends[1], clusters=len(found), samples=sum(map(len, found)),
        correlation=correlation, effective_n=effective_size(found, correlation),
    )  # fmt: skip
