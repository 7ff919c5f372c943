"""Prompts permuted over groups: the differences that chance alone makes.

What was seen is the first row of every null distribution: one arithmetic for both, so that what is equal stays equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

RESAMPLES = 4999
AT_ONCE = 250  # permutations held in memory
DEALING = 10  # prompts that are shuffled in the time that it takes to deal one value to one group
ROUNDING = 1e-12
ALIKE = 1e-9  # relative difference below which two statistics count as equal


def permuted_gap_p(samples: Sequence[Floats], *, paired: bool, rng: np.random.Generator) -> float:
    """Return the probability of so large a gap between the highest and the lowest mean, if groups were alike.

    Exact, but for the draws, where groups are exchangeable. Groups with the same mean and unequal spreads are
    not; equal numbers of prompts then keep the error near its level, unequal ones do not.

    Args:
        samples: For each group the values of its prompts, shape [n]; of the same templates where `paired`.
        paired: Whether labels are permuted within templates, or prompts over groups.
        rng: Source of the permutations.
    """
    means = _shuffled_within(np.stack(samples, axis=1), rng) if paired else _dealt(samples, rng)[0]
    return _p(np.ptp(means, axis=1))


def permuted_pair_p(first: Floats, second: Floats, *, paired: bool, rng: np.random.Generator) -> float:
    """Return the two-sided probability of so large a difference of two means, if the groups were alike.

    Paired: signs of the differences are flipped. Else the statistic is Welch's |t|: exact where the groups are
    exchangeable, and right for many prompts where only their means are the same (Janssen 1997, Statistics &
    Probability Letters 36); the plain difference is not when the groups differ in size and spread.
    """
    if paired:
        difference = (second - first)[second != first]
        signs = rng.integers(0, 2, size=(RESAMPLES, difference.size), dtype=np.int8) * 2.0 - 1.0
        return _p(np.abs(np.concatenate([np.ones((1, difference.size)), signs]) @ difference / first.size))
    means, variances = _dealt([first, second], rng)
    return _p(absolute_t(means[:, 1] - means[:, 0], variances.sum(axis=1)))


def absolute_t(difference: Floats, variance: Floats) -> Floats:
    """Return |difference| in standard errors: infinite where nothing varies, 0 where there is no difference."""
    size = np.abs(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > ROUNDING, size / np.sqrt(variance), 0.0)


def variance_of_mean(squares: Floats, mean: Floats, n: npt.ArrayLike) -> Floats:
    """Return the estimated variance of means from the means of squares; 0 for what is only rounding."""
    spread = squares - mean**2
    return np.asarray(np.where(spread > ROUNDING, spread, 0.0) / (np.asarray(n) - 1))


def _p(statistics: Floats) -> float:
    """Return the Monte Carlo p-value of the first among all, never 0 (Phipson and Smyth 2010)."""
    return float(np.mean(statistics >= statistics[0] * (1 - ALIKE) - ROUNDING))


def _shuffled_within(table: Floats, rng: np.random.Generator) -> Floats:
    """Return the groups' means, but for a constant, with labels permuted in each row; [1 + RESAMPLES, groups]."""
    rows = table[np.ptp(table, axis=1) > 0]  # a permutation leaves the others as they are
    sums = _portions(lambda size: rng.permuted(np.broadcast_to(rows, (size, *rows.shape)), axis=2).sum(axis=1))
    return np.concatenate([rows.sum(axis=0)[None], sums]) / len(table)


def _dealt(samples: Sequence[Floats], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the means of groups over which all values are dealt anew, and the means' variances.

    Each has shape [1 + RESAMPLES, groups].
    """
    pool, sizes = np.concatenate(samples), np.array([sample.size for sample in samples])
    pool = pool - pool.mean()  # for the precision of squares; no difference notices
    levels, place = np.unique(pool, return_inverse=True)
    if levels.size * sizes.size * DEALING < pool.size:  # the same by counts, and faster
        owner = np.repeat(np.arange(sizes.size), sizes)
        seen = np.zeros((sizes.size, levels.size), dtype=np.int64)
        np.add.at(seen, (owner, place), 1)
        hands = np.concatenate([seen[None], _hands(seen.sum(axis=0), sizes, rng)])
        sums, squares = hands @ levels, hands @ levels**2
    else:
        sums, squares = _shuffled_over(pool, np.cumsum([0, *sizes[:-1]]), rng)
    means = sums / sizes
    return means, variance_of_mean(squares / sizes, means, sizes)


def _hands(counts: Counts, sizes: Counts, rng: np.random.Generator) -> Counts:
    """Return how often each group gets each value when all are dealt out; shape [RESAMPLES, groups, values].

    The multivariate hypergeometric distribution, one value after the other: of what is left, as many as the
    group still wants.
    """
    left = np.tile(counts, (RESAMPLES, 1))
    hands = np.zeros((RESAMPLES, sizes.size, counts.size), dtype=np.int64)
    for group, size in enumerate(sizes):
        wanted, others = np.full(RESAMPLES, size), left.sum(axis=1)
        for value in range(counts.size):
            others = others - left[:, value]
            hands[:, group, value] = rng.hypergeometric(left[:, value], others, wanted)
            wanted = wanted - hands[:, group, value]
        left = left - hands[:, group]
    return hands


def _shuffled_over(pool: Floats, starts: Counts, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return sums and sums of squares of the groups of a shuffled pool; shape [1 + RESAMPLES, groups] each."""

    def draw(size: int) -> Floats:
        shuffled = rng.permuted(np.broadcast_to(pool, (size, pool.size)), axis=1)
        return _sums(shuffled, starts)

    both = np.concatenate([_sums(pool[None], starts), _portions(draw)])
    return both[:, 0], both[:, 1]


def _sums(rows: Floats, starts: Counts) -> Floats:
    return np.stack([np.add.reduceat(found, starts, axis=1) for found in (rows, rows**2)], axis=1)


def _portions(draw: Callable[[int], Floats]) -> Floats:
    whole, rest = divmod(RESAMPLES, AT_ONCE)
    return np.concatenate([draw(size) for size in [AT_ONCE] * whole + [rest] * bool(rest)])
