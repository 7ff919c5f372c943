"""Prompts drawn anew: how far, in standard errors, a difference of means lies off the true one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import resampling
from .resampling import Floats, variance_of_mean


class Bootstrap:
    """Draws of the same prompts with replacement, for the symmetric bootstrap-t of any two groups.

    Hall 1988, Journal of the Royal Statistical Society B 50; Efron and Tibshirani 1993, An Introduction to the
    Bootstrap, 12.5. Where `paired`, a draw takes the same templates in every group. Prompts with the same values
    are drawn together, by their number.

    Args:
        samples: For each group the values of its prompts, shape [n].
        paired: Whether prompts of one place belong to one template.
        rng: Source of the draws.
    """

    def __init__(self, samples: Sequence[Floats], *, paired: bool, rng: np.random.Generator) -> None:
        self._together = _drawn(np.stack(samples, axis=1), rng) if paired else None
        drawn = [] if paired else [_drawn(sample[:, None], rng) for sample in samples]
        self._apart = [_moments(counts, rows[:, 0]) for counts, rows in drawn]

    def t(self, first: int, second: int) -> tuple[Floats, float]:
        """Return |t| of a pair in each draw, infinite where a draw has no spread, and the standard error seen."""
        if self._together is not None:
            counts, rows = self._together
            off, variances = _moments(counts, rows[:, second] - rows[:, first])
        else:
            (off_1, variances_1), (off_2, variances_2) = self._apart[first], self._apart[second]
            off, variances = off_2 - off_1, variances_1 + variances_2
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(variances > 0, np.abs(off) / np.sqrt(variances), np.inf)
        return t[1:], float(np.sqrt(variances[0]))


def _drawn(table: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return how often each different row was seen and then drawn, shape [1 + RESAMPLES, rows], and the rows."""
    rows, seen = np.unique(table, axis=0, return_counts=True)
    drawn = rng.multinomial(len(table), seen / len(table), size=resampling.RESAMPLES)
    return np.concatenate([seen[None], drawn]).astype(np.float64), rows


def _moments(counts: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return how far the mean of each draw lies off that seen, and its variance; both of shape [draws]."""
    n = counts[0].sum()
    off = values - counts[0] @ values / n
    means = counts @ off / n
    return means, variance_of_mean(counts @ off**2 / n, means, n)
