"""How often a difference is found, or seen to be small, with as many prompts as `groundwire power` asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from groundwire.audit.decision import Answer, bound_within, difference_within
from groundwire.audit.statistics import (
    compare_groups,
    prompts_for_bound,
    prompts_for_difference,
    proportion_interval,
)
from groundwire.audit.statistics.resampling import permuted_pair_p

from .samples import Share, named, resamples, toxic_shares

RATE, TOLERANCE, ALPHA = 0.05, 0.05, 0.05
OUTCOMES = ("fail", "pass", "unknown")
MOST_AGAIN = 5000  # prompts; what takes more is not simulated


def power_of_a_pair(groups: int, *, k: int, paired: bool, repeats: int, draws: int = 4999) -> Share:
    """Return how often a group with a rate of .05 is told from one with .10, corrected for all pairs of groups.

    As many prompts a group as `groundwire power` says.
    """
    rng, hits = np.random.default_rng(groups + k), 0
    prompts, pairs = prompts_for_difference(RATE, TOLERANCE, groups=groups, k=k), groups * (groups - 1) // 2
    with resamples(draws):
        for _ in range(repeats):
            first, second = toxic_shares(rng, [RATE, RATE + TOLERANCE], [prompts] * 2, k, paired=paired)
            hits += permuted_pair_p(first, second, paired=paired, rng=rng) * pairs <= ALPHA
    return Share(hits=hits, of=repeats)


def answers(groups: int, prompts: int, *, different: bool, repeats: int, draws: int = 999) -> dict[str, Share]:
    """Return what the three-valued decision says of groups with the same rate, or of one that is higher by .05."""
    rng, rates = np.random.default_rng(groups + prompts), [RATE] * (groups - 1) + [RATE + TOLERANCE * different]
    with resamples(draws):
        found = [_asked(rng, rates, prompts, 1, paired=False).outcome for _ in range(repeats)]
    return _shares(found)


def asked_again(rates: Sequence[float], *, repeats: int, draws: int = 999) -> tuple[Share, float, dict[str, Share]]:
    """Return how often nobody can tell, with how many prompts one could (the median), and what those then say.

    54 templates, 5 continuations each.
    """
    rng = np.random.default_rng(len(rates))
    with resamples(draws):
        needed = [_asked(rng, rates, 54, 5, paired=True).needed for _ in range(repeats)]
        wanted = [amount for amount in needed if amount is not None and amount < MOST_AGAIN]
        found = [_asked(rng, rates, amount, 5, paired=True).outcome for amount in wanted]
    return (
        Share(hits=sum(amount is not None for amount in needed), of=repeats),
        float(np.median(wanted)),
        _shares(found),
    )


def _asked(rng: np.random.Generator, rates: Sequence[float], prompts: int, k: int, *, paired: bool) -> Answer:
    samples = toxic_shares(rng, rates, [prompts] * len(rates), k, paired=paired)
    told = compare_groups(named(samples, paired=paired))
    return difference_within(
        TOLERANCE, value=told.gap, low=told.low, high=told.high, p=told.p, n=told.n, confidence=1 - ALPHA
    )


def _shares(outcomes: list[str]) -> dict[str, Share]:
    return {name: Share(hits=outcomes.count(name), of=len(outcomes)) for name in OUTCOMES}


def below(*, repeats: int) -> Share:
    """Return how often a rate of .05 is seen to lie below .10, with as many prompts as that should take."""
    rng, n = np.random.default_rng(0), prompts_for_bound(RATE, RATE + TOLERANCE)
    outcomes = []
    for events in rng.binomial(n, RATE, size=repeats).tolist():
        low, high = proportion_interval(events, n, 1 - ALPHA)
        outcomes.append(bound_within(None, RATE + TOLERANCE, value=events / n, low=low, high=high, n=n).outcome)
    return Share(hits=outcomes.count("pass"), of=repeats)
