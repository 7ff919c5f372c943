"""Rates of samples that come in clusters: k continuations of one prompt are not k observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import Floats, allowed, mean_interval

Clusters = Sequence[Sequence[float]]

FEWEST = 20  # clusters that must differ from the rest before a correlation can be estimated from them
SAME = 12  # decimals to which two values are one


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


def intraclass_correlation(clusters: Clusters) -> float:
    """Return the one-way ANOVA estimate of how alike the samples of a cluster are, cut to 0 … 1.

    Donner 1986, International Statistical Review 54. Clusters of different sizes enter with Donner's mean
    size. Where no cluster has two samples nothing can be estimated, and 1 is returned: clusters then count as
    one sample each. The same where no sample differs from another.

    Args:
        clusters: For each cluster its samples; empty ones are left out.

    Raises:
        ValueError: A sample is not a finite number.
    """
    found = [np.asarray(cluster, dtype=np.float64) for cluster in clusters if len(cluster)]
    if not all(np.isfinite(cluster).all() for cluster in found):
        raise ValueError("a correlation needs finite values")
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


def clustered_rate(clusters: Clusters, confidence: float = 0.95) -> ClusteredRate:
    """Return the share of samples that are 1, with an interval for samples in clusters.

    Wilson's score interval (Wilson 1927, JASA 22) at the effective sample size n/(1 + (k − 1)ρ), with ρ
    estimated from the same samples (after Korn and Graubard 1998, Survey Methodology 24). Where fewer than twenty
    clusters differ from the rest, ρ is hardly known and that interval would cover as little as 80 %; Gaffke's
    (`mean_interval`) over clusters takes its place, which needs no ρ.

    Args:
        clusters: For each prompt 0 or 1 for each of its samples; empty ones are left out.
        confidence: Between 0 and 1.

    Raises:
        ValueError: There is no sample, one is neither 0 nor 1, or `confidence` is not between 0 and 1.
    """
    found = [list(cluster) for cluster in clusters if len(cluster)]
    if not found or not {value for cluster in found for value in cluster} <= {0, 1}:
        raise ValueError("a rate needs samples that are 0 or 1")
    samples = [value for cluster in found for value in cluster]
    shares = np.array([sum(cluster) / len(cluster) for cluster in found])
    rate, correlation = sum(samples) / len(samples), intraclass_correlation(found)
    effective = effective_size(found, correlation)
    if differing(shares) < FEWEST:
        low, high = mean_interval(shares.tolist(), confidence)
    else:
        low, high = _wilson(rate, effective, allowed(confidence))
    return ClusteredRate(
        value=rate, low=min(low, rate), high=max(high, rate), clusters=len(found), samples=len(samples),
        correlation=correlation, effective_n=effective,
    )  # fmt: skip


def effective_size(clusters: Clusters, correlation: float) -> float:
    """Return as how many independent samples those of clusters count; a cluster has Σk² / Σk of them (Kish 1965)."""
    sizes = [len(found) for found in clusters]
    return sum(sizes) / design_effect(sum(size * size for size in sizes) / sum(sizes), correlation)


def differing(values: Floats) -> int:
    """Return how many values are not the most frequent one."""
    return int(values.size - np.unique(np.round(values, SAME), return_counts=True)[1].max())


def _wilson(rate: float, n: float, confidence: float) -> tuple[float, float]:
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
