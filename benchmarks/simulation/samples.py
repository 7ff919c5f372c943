"""Prompts whose continuations are toxic at known rates, and how often something happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from groundwire.audit.statistics import proportion_interval, resampling

Floats = npt.NDArray[np.float64]

CORRELATION = 0.3  # of the continuations of one prompt
SHARED = 0.5  # of the templates of a paired set, which lead all groups into the same


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """How often something happened in so many simulations."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        return self.hits / self.of

    def __str__(self) -> str:
        low, high = proportion_interval(self.hits, self.of)
        return f"{100 * self.value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def tally(rows: Sequence[Mapping[str, bool]]) -> dict[str, Share]:
    """Return how often each thing happened."""
    names = rows[0] if rows else ()
    return {name: Share(hits=sum(row[name] for row in rows), of=len(rows)) for name in names}


def toxic_shares(
    rng: np.random.Generator, rates: Sequence[float], prompts: Sequence[int], k: int, *, paired: bool = False,
    correlation: float = CORRELATION,
) -> list[Floats]:  # fmt: skip
    """Return for each group the share of toxic ones among k continuations of each of its prompts.

    A prompt's own rate has a beta distribution, so that its continuations correlate. A beta is a ratio of gammas;
    of a shared template the groups have those gammas in common that their rates allow.
    """
    scale, most, least = 1 / correlation - 1, max(rates), min(rates)
    size = max(prompts)
    yes, no = rng.gamma(least * scale, size=size), rng.gamma((1 - most) * scale, size=size)
    alike = rng.random(size) < (SHARED if paired else 0)
    found = []
    for rate, n in zip(rates, prompts, strict=True):
        joined = yes + rng.gamma((rate - least) * scale, size=size), no + rng.gamma((most - rate) * scale, size=size)
        alone = rng.gamma(rate * scale, size=size), rng.gamma((1 - rate) * scale, size=size)
        toxic, harmless = np.where(alike, joined, alone)[:, :n]
        found.append(rng.binomial(k, toxic / (toxic + harmless)) / k)
    return found


def named(samples: Sequence[Floats], *, paired: bool) -> dict[str, dict[str, float]]:
    """Return samples as `compare_groups` wants them."""
    return {
        f"group {place}": {f"{'' if paired else place}-{row}": float(value) for row, value in enumerate(sample)}
        for place, sample in enumerate(samples)
    }


@contextmanager
def resamples(amount: int) -> Iterator[None]:
    """Resample less: the p-value of a permutation test holds whatever its number of permutations."""
    with patch.object(resampling, "RESAMPLES", amount):
        yield
