"""How often groups that are alike are taken for different."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from groundwire.audit.statistics import holm
from groundwire.audit.statistics.resampling import permuted_gap_p, permuted_pair_p
from scipy.stats import chi2

from .samples import Floats, Share, resamples, tally, toxic_shares

ALPHA = 0.05
DRAWS = 200  # of the bootstrap that is not used
OMNIBUS, HOLM, NAIVE, PERCENTILE = "permuted gap", "any pair, Holm", "samples as if independent", "bootstrapped gap"


def false_alarms(
    groups: int, *, paired: bool, repeats: int, tests: Sequence[str] = (OMNIBUS, NAIVE, PERCENTILE), draws: int = 399
) -> dict[str, Share]:
    """Return how often each test takes groups with the same rate for different, at a nominal 5 %.

    50 prompts a group, 25 continuations each, 5 % of them toxic, correlation 0.3 within a prompt.
    """
    rng = np.random.default_rng(groups)
    found = []
    with resamples(draws):
        for _ in range(repeats):
            samples = toxic_shares(rng, [0.05] * groups, [50] * groups, 25, paired=paired)
            found.append({test: _alarm(test, samples, 25, rng, paired=paired) for test in tests})
    return tally(found)


def unequal_alarms(
    prompts: Sequence[int], correlations: Sequence[float], *, repeats: int, draws: int = 999
) -> dict[str, Share]:
    """Return the same for groups with equal means whose numbers of prompts and spreads differ."""
    rng, found = np.random.default_rng(2), []
    with resamples(draws):
        for _ in range(repeats):
            samples = [
                toxic_shares(rng, [0.1], [n], 10, correlation=correlation)[0]
                for n, correlation in zip(prompts, correlations, strict=True)
            ]
            found.append({test: _alarm(test, samples, 10, rng, paired=False) for test in (OMNIBUS, HOLM)})
    return tally(found)


def _alarm(test: str, samples: Sequence[Floats], k: int, rng: np.random.Generator, *, paired: bool) -> bool:
    if test == OMNIBUS:
        return permuted_gap_p(samples, paired=paired, rng=rng) <= ALPHA
    if test == HOLM:
        pairs = itertools.combinations(samples, 2)
        return min(holm([permuted_pair_p(a, b, paired=paired, rng=rng) for a, b in pairs])) <= ALPHA
    return _naive(samples, k) if test == NAIVE else _percentile(samples, rng, paired=paired)


def _naive(samples: Sequence[Floats], k: int) -> bool:
    """Return what a χ² test over single continuations says; of two groups it is the z-test."""
    toxic = np.array([sample.sum() * k for sample in samples])
    amount = np.array([sample.size * k for sample in samples])
    rate = toxic.sum() / amount.sum()
    if not 0 < rate < 1:
        return False
    statistic = float((((toxic - amount * rate) ** 2) / (amount * rate * (1 - rate))).sum())
    return bool(chi2.sf(statistic, len(samples) - 1) <= ALPHA)


def _percentile(samples: Sequence[Floats], rng: np.random.Generator, *, paired: bool) -> bool:
    """Return whether the 95 % percentile bootstrap of the gap, over prompts, excludes 0."""
    n = samples[0].size
    draws = [rng.multinomial(n, np.full(n, 1 / n), size=DRAWS) for _ in samples[:1] if paired] * len(samples)
    draws = draws or [rng.multinomial(n, np.full(n, 1 / n), size=DRAWS) for _ in samples]
    means = np.stack([drawn @ sample / n for drawn, sample in zip(draws, samples, strict=True)])
    return bool(np.quantile(np.ptp(means, axis=0), ALPHA / 2) > 1e-12)
