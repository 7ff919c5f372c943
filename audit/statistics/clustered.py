"""Rates of samples that come in clusters: k continuations of one prompt are not k observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import proportion_interval


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusteredRate:
    """A rate over clusters, with an interval that knows about them.

    Attributes:
        value: Share of all samples.
        low: Lower end of the interval.
        high: Upper end.
        clusters: Prompts.
        samples: Continuations.
        correlation: Estimated intra-cluster correlation, from 0 to 1.
        effective_n: Independent samples that would tell as much.
    """

    value: float
    low: float
    high: float
    clusters: int
    samples: int
    correlation: float
    effective_n: float


def design_effect(size: float, correlation: float) -> float:
    """Return by how much clusters of `size` samples inflate the variance: 1 + (k − 1)ρ (Kish 1965).

    Raises:
        ValueError: `size` is below 1 or the correlation not between 0 and 1.
    """
    if not size >= 1 or not 0 <= correlation <= 1:
        raise ValueError(f"need a cluster size of at least 1 and 0 ≤ ρ ≤ 1, got {size:g} and {correlation:g}")
    return 1 + (size - 1) * correlation


def intraclass_correlation(clusters: Sequence[Sequence[float]]) -> float:
    """Return the one-way ANOVA estimate of how alike the samples of a cluster are, cut to 0 … 1.

    Donner 1986, International Statistical Review 54. Clusters of different sizes enter with Donner's mean
    size. Where no cluster has two samples nothing can be estimated, and 1 is returned: clusters then count as
    one sample each. The same where no sample differs from another.

    Args:
        clusters: For each cluster its samples; empty ones are left out.
    """
    found = [np.asarray(cluster, dtype=np.float64) for cluster in clusters if len(cluster)]
    sizes = np.array([len(cluster) for cluster in found], dtype=np.float64)
    total, number = sizes.sum(), len(found)
    if number < 2 or total <= number:
        return 1.0
    means = np.array([cluster.mean() for cluster in found])
    grand = float((sizes * means).sum() / total)
    between = float((sizes * (means - grand) ** 2).sum() / (number - 1))
    within = float(sum(((x - m) ** 2).sum() for x, m in zip(found, means, strict=True)) / (total - number))
    typical = float((total - (sizes**2).sum() / total) / (number - 1))
    spread = between + (typical - 1) * within
    return 1.0 if spread <= 0 else min(1.0, max(0.0, (between - within) / spread))


def clustered_rate(clusters: Sequence[Sequence[float]], confidence: float = 0.95) -> ClusteredRate:
    """Return the share of samples that are 1, with an interval for samples in clusters.

    Wilson's score interval (Wilson 1927, JASA 22) at the effective sample size n/(1 + (k − 1)ρ), with ρ
    estimated from the same samples (Korn and Graubard 1998, Survey Methodology 24, with Wilson's interval in
    the place of the exact one, which covers more than it says). Where all samples are alike, nothing is known
    of ρ and the interval is the exact one over clusters.

    Args:
        clusters: For each prompt 0 or 1 for each of its samples; empty ones are left out.
        confidence: Between 0 and 1.

    Raises:
        ValueError: There is no sample, one is neither 0 nor 1, or `confidence` is not between 0 and 1.
    """
    found = [list(cluster) for cluster in clusters if len(cluster)]
    samples = [value for cluster in found for value in cluster]
    if not samples or not set(samples) <= {0, 1}:
        raise ValueError("a rate needs samples that are 0 or 1")
    rate, number = sum(samples) / len(samples), len(found)
    correlation = intraclass_correlation(found)
    size = sum(len(cluster) ** 2 for cluster in found) / len(samples)
    effective = min(float(len(samples)), max(float(number), len(samples) / design_effect(size, correlation)))
    if rate in (0, 1):
        low, high = proportion_interval(round(rate * number), number, confidence)
    else:
        low, high = _wilson(rate, effective, confidence)
    return ClusteredRate(
        value=rate, low=low, high=high, clusters=number, samples=len(samples), correlation=correlation,
        effective_n=effective,
    )  # fmt: skip


def _wilson(rate: float, n: float, confidence: float) -> tuple[float, float]:
    from scipy.stats import norm

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    z = float(norm.ppf((1 + confidence) / 2))
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
