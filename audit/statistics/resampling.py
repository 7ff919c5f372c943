"""Prompts permuted and drawn anew: what differences chance makes, and how far a seen one may lie off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = Sequence[tuple[int, int]]

RESAMPLES = 4999
AT_ONCE = 250  # permutations held in memory
FEW = 64  # different values up to which counts are drawn in the place of prompts
ROUNDING = 1e-12


def permuted_gap_p(samples: Sequence[Floats], *, paired: bool, rng: np.random.Generator) -> float:
    """Return the probability of so large a gap between the highest and the lowest mean, if groups were alike.

    Args:
        samples: For each group the values of its prompts, shape [n]; of the same templates where `paired`.
        paired: Whether labels are permuted within templates, or prompts over groups.
        rng: Source of the permutations.
    """
    means = _within(samples, rng) if paired else _over(samples, rng)
    return _p(np.ptp(means, axis=1), float(np.ptp([sample.mean() for sample in samples])))


def permuted_pair_p(first: Floats, second: Floats, *, paired: bool, rng: np.random.Generator) -> float:
    """Return the two-sided probability of so large a difference of two means, if the groups were alike."""
    if paired:
        difference = second - first
        signs = rng.integers(0, 2, size=(RESAMPLES, difference.size), dtype=np.int8) * 2.0 - 1.0
        return _p(np.abs(signs @ difference) / difference.size, abs(float(difference.mean())))
    levels, counts = np.unique(np.concatenate([first, second]), return_counts=True)
    if levels.size > FEW:
        return permuted_gap_p([first, second], paired=False, rng=rng)
    drawn = rng.multivariate_hypergeometric(counts, first.size, size=RESAMPLES, method="marginals")
    null = drawn @ levels / first.size - (counts - drawn) @ levels / second.size
    return _p(np.abs(null), abs(float(second.mean() - first.mean())))


def studentized(
    samples: Sequence[Floats], places: Places, *, paired: bool, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return how far resampled differences of pairs lie off, in standard errors, and the standard errors.

    The bootstrap-t (Efron and Tibshirani 1993, An Introduction to the Bootstrap, 12.5) over prompts. Where
    `paired`, a draw takes the same templates in every group.

    Args:
        samples: For each group the values of its prompts, shape [n].
        places: Pairs of groups, by their indices.
        paired: Whether prompts of one place belong to one template.
        rng: Source of the draws.

    Returns:
        |t| of shape [RESAMPLES, pairs], infinite where a draw has no spread, and errors of shape [pairs].
    """
    if paired:
        differences = np.stack([samples[b] - samples[a] for a, b in places], axis=1)
        means, variances = _drawn(differences, rng)
        errors = differences.std(axis=0, ddof=1) / np.sqrt(len(differences))
        return _t(means - differences.mean(axis=0), variances), errors
    drawn = [_drawn(sample[:, None], rng) for sample in samples]
    off = [means[:, 0] - sample.mean() for (means, _), sample in zip(drawn, samples, strict=True)]
    spread = [variances[:, 0] for _, variances in drawn]
    t = [_t(off[b] - off[a], spread[a] + spread[b]) for a, b in places]
    own = [sample.var(ddof=1) / sample.size for sample in samples]
    return np.stack(t, axis=1), np.sqrt([own[a] + own[b] for a, b in places])


def _p(null: Floats, seen: float) -> float:
    """Return the Monte Carlo p-value, which is never 0 (Phipson and Smyth 2010)."""
    return float((1 + np.sum(null >= seen * (1 - ROUNDING) - ROUNDING)) / (1 + len(null)))


def _within(samples: Sequence[Floats], rng: np.random.Generator) -> Floats:
    table = np.stack(samples, axis=1)
    return _portions(lambda size: rng.permuted(np.broadcast_to(table, (size, *table.shape)), axis=2).mean(axis=1))


def _over(samples: Sequence[Floats], rng: np.random.Generator) -> Floats:
    pool = np.concatenate(samples)
    starts = np.cumsum([0, *(sample.size for sample in samples[:-1])])
    sizes = np.array([sample.size for sample in samples])

    def draw(size: int) -> Floats:
        shuffled = rng.permuted(np.broadcast_to(pool, (size, pool.size)), axis=1)
        return np.asarray(np.add.reduceat(shuffled, starts, axis=1) / sizes)

    return _portions(draw)


def _portions(draw: Callable[[int], Floats]) -> Floats:
    whole, rest = divmod(RESAMPLES, AT_ONCE)
    return np.concatenate([draw(size) for size in [AT_ONCE] * whole + [rest] * bool(rest)])


def _drawn(values: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return means and their variances over rows drawn with replacement; [n, m] to twice [RESAMPLES, m]."""
    n = len(values)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
    means = counts @ values / n
    return means, np.maximum(counts @ values**2 / n - means**2, 0.0) / (n - 1)


def _t(off: Floats, variances: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variances > ROUNDING**2, np.abs(off) / np.sqrt(variances), np.inf)
