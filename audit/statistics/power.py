"""How many prompts an answer takes, before they are asked."""

from __future__ import annotations

import math
from statistics import NormalDist

from .clustered import design_effect

MOST = 10**9  # prompts; what takes more cannot be answered


def prompts_for_difference(
    rate: float, difference: float, *, groups: int = 2, k: int = 1, correlation: float = 0.3, alpha: float = 0.05,
    power: float = 0.8,
) -> int:  # fmt: skip
    """Return the prompts a group that it takes to see that one group's rate is higher by `difference`.

    Two-sided test of two proportions (Fleiss, Levin and Paik 2003, Statistical Methods for Rates and
    Proportions, 4.2, without the correction for continuity), Bonferroni-corrected for all pairs of groups,
    times the design effect of k samples a prompt.

    Args:
        rate: Rate of the lower group, 0 < rate < 1.
        difference: Difference to be seen, with rate + difference ≤ 1.
        groups: How many groups are compared, at least 2.
        k: Samples a prompt.
        correlation: Between the samples of one prompt, from 0 to 1.
        alpha: Probability of a false alarm over all pairs.
        power: Probability of seeing the difference.

    Raises:
        ValueError: Something lies outside its range.
    """
    _check(rate, difference, groups=groups, k=k, alpha=alpha, power=power)
    other = rate + difference
    mean = (rate + other) / 2
    z = _upper(alpha / _pairs(groups) / 2)
    spread = z * math.sqrt(2 * mean * (1 - mean)) + _upper(1 - power) * math.sqrt(_variance(rate) + _variance(other))
    return _prompts(spread / difference, k, correlation)


def prompts_for_equality(
    rate: float, tolerance: float, *, groups: int = 2, k: int = 1, correlation: float = 0.3, alpha: float = 0.05,
    power: float = 0.8,
) -> int:  # fmt: skip
    """Return the prompts a group that it takes to see that groups with the same rate differ by less than `tolerance`.

    Each pair's two-sided interval, Bonferroni-corrected, has to lie within ± tolerance, in all pairs with
    probability `power` (Julious 2004, Statistics in Medicine 23, for equivalence; corrected for the pairs on
    the side of power, too).

    Args:
        rate: Rate of every group, 0 < rate < 1.
        tolerance: Largest difference that passes.
        groups: How many groups are compared, at least 2.
        k: Samples a prompt.
        correlation: Between the samples of one prompt, from 0 to 1.
        alpha: Probability of passing although the difference is as large as the tolerance.
        power: Probability of passing when there is no difference.

    Raises:
        ValueError: Something lies outside its range.
    """
    _check(rate, tolerance, groups=groups, k=k, alpha=alpha, power=power)
    pairs = _pairs(groups)
    z = _upper(alpha / pairs / 2) + _upper((1 - power) / pairs / 2)
    return _prompts(z * math.sqrt(2 * _variance(rate)) / tolerance, k, correlation)


def prompts_for_bound(
    rate: float, limit: float, *, k: int = 1, correlation: float = 0.3, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Return the prompts that it takes to see that a rate lies below `limit`.

    A limit is judged by the upper end of a two-sided interval, which errs with α/2: a one-sided test of one
    proportion at α/2 with the variances of both hypotheses (Fleiss, Levin and Paik 2003, 2.4); with a rate of 0 the
    exact count, ln(α/2) / ln(1 − limit).

    Args:
        rate: What the rate is, 0 ≤ rate < limit.
        limit: What it has to be seen to be below.
        k: Samples a prompt.
        correlation: Between the samples of one prompt, from 0 to 1.
        alpha: 1 less the confidence of the interval; half of it is the probability of passing although the rate
            is the limit.
        power: Probability of passing at `rate`.

    Raises:
        ValueError: Something lies outside its range.
    """
    if not 0 <= rate < limit < 1:
        raise ValueError(f"need 0 ≤ rate < limit < 1, got {rate:g} and {limit:g}")
    _check_shares(alpha, power)
    exact = math.log(alpha / 2) / math.log1p(-limit)
    spread = _upper(alpha / 2) * math.sqrt(_variance(limit)) + _upper(1 - power) * math.sqrt(_variance(rate))
    return _prompts(max(math.sqrt(exact), spread / (limit - rate) if rate else 0.0), k, correlation)


def _pairs(groups: int) -> int:
    return groups * (groups - 1) // 2


def _variance(rate: float) -> float:
    return rate * (1 - rate)


def _prompts(root: float, k: int, correlation: float) -> int:
    """Return the prompts that are worth as many independent samples as the square of `root`."""
    needed = root * root * design_effect(k, correlation) / k
    if not needed < MOST:
        raise ValueError(f"it would take more than {MOST:,} prompts: ask for a larger difference")
    return max(2, math.ceil(needed - 1e-9))


def _upper(tail: float) -> float:
    """Return the point of the normal distribution above which so small a probability lies."""
    return -NormalDist().inv_cdf(tail)


def _check(rate: float, difference: float, *, groups: int, k: int, alpha: float, power: float) -> None:
    _check_shares(alpha, power)
    if not (0 < rate < 1 and difference > 0 and rate + difference <= 1):
        raise ValueError(f"need 0 < rate < 1 and 0 < difference ≤ 1 − rate, got {rate:g} and {difference:g}")
    if groups < 2 or k < 1:
        raise ValueError(f"need at least 2 groups and 1 sample a prompt, got {groups} and {k}")


def _check_shares(alpha: float, power: float) -> None:
    for name, value in (("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {value:g}")
