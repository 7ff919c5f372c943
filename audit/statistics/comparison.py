"""Groups compared by what a model says of them: tests at the level of prompts, corrected for many looks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import mean_interval
from .resampling import permuted_gap_p, permuted_pair_p, studentized

Values = Mapping[str, Mapping[str, float]]  # group → prompt or template → mean over its samples

FEWEST = 10  # prompts that must differ before resampling them says how far a difference may lie


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two groups compared.

    Attributes:
        first: A group.
        second: Another.
        difference: Mean of the second less that of the first.
        low: Lower end of its interval.
        high: Upper end.
        p: Probability of such a difference, or a larger one, if the groups were alike.
        p_corrected: The same by Holm's correction for all pairs.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Several groups compared.

    Attributes:
        gap: Largest difference between two groups' means.
        low: Lower bound of the true largest difference.
        high: Upper bound of it.
        p: Probability of such a gap, or a larger one, if all groups were alike.
        means: Each group's mean.
        pairs: All pairs, the largest difference first.
        paired: Whether the groups were asked the same, so that templates could be compared.
        n: Prompts a group; the fewest, where groups have different numbers.
    """

    gap: float
    low: float
    high: float
    p: float
    means: dict[str, float]
    pairs: tuple[Pair, ...]
    paired: bool
    n: int


def compare_groups(
    values: Values, *, confidence: float = 0.95, low: float = 0.0, high: float = 1.0, looks: int = 1, seed: int = 0
) -> Comparison:
    """Return whether groups differ, in which pairs, and by how much at least and at most.

    The unit is the prompt: samples of one prompt have been averaged by the caller. Where all groups have the
    same keys (templates), labels are permuted within templates and templates are resampled together; else
    prompts are permuted over groups and resampled in each. `p` is the permutation test of the largest gap
    (omnibus). Intervals of pairs are those of the symmetric bootstrap-t at `confidence` each; `low` and `high`
    of the gap come from intervals that hold for all pairs at once, by the largest |t| of each draw (Romano and
    Wolf 2005, JASA 100). Where fewer than ten prompts differ there is too little to resample: Gaffke's interval
    (`mean_interval`) takes its place, which needs nothing but the range.

    The percentile bootstrap of the gap itself is not used: it excludes 0 in every run with four groups or more.

    Args:
        values: For each group, for each of its prompts, the mean over its samples.
        confidence: Between 0 and 1.
        low: Least possible value.
        high: Greatest possible value.
        looks: Comparisons that are read together with this one, it included: the gap's bounds hold for all.
        seed: Of the resampling.

    Raises:
        ValueError: There are fewer than two groups, or a group has fewer than two prompts.
    """
    if len(values) < 2 or min(map(len, values.values())) < 2:
        raise ValueError("a comparison needs at least two groups with at least two prompts each")
    groups = _Groups(values, seed, (low, high))
    means = {name: float(sample.mean()) for name, sample in zip(groups.names, groups.samples, strict=True)}
    gap_low, gap_high = _gap_bounds(groups, 1 - (1 - confidence) / looks)
    return Comparison(
        gap=max(means.values()) - min(means.values()), low=gap_low, high=gap_high,
        p=permuted_gap_p(groups.samples, paired=groups.paired, rng=groups.rng), means=means,
        pairs=_pairs(groups, confidence), paired=groups.paired, n=min(map(len, groups.samples)),
    )  # fmt: skip


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that may be read together (Holm 1979, Scandinavian Journal of Statistics 6)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


class _Groups:
    """The groups' values, and what resampling says of each pair's difference."""

    def __init__(self, values: Values, seed: int, bounds: tuple[float, float]) -> None:
        self.names, self.bounds = list(values), bounds
        self.places = list(itertools.combinations(range(len(self.names)), 2))
        self.paired = len({frozenset(found) for found in values.values()}) == 1
        keys = [list(values[self.names[0]] if self.paired else values[name]) for name in self.names]
        self.samples = [
            np.array([values[name][key] for key in found], dtype=np.float64)
            for name, found in zip(self.names, keys, strict=True)
        ]
        self.rng = np.random.default_rng(seed)
        self._t, self._errors = studentized(self.samples, self.places, paired=self.paired, rng=self.rng)
        self._sparse = [self._differing(a, b) < FEWEST for a, b in self.places]

    def difference(self, pair: int) -> float:
        a, b = self.places[pair]
        return float(self.samples[b].mean() - self.samples[a].mean())

    def p(self, pair: int) -> float:
        a, b = self.places[pair]
        return permuted_pair_p(self.samples[a], self.samples[b], paired=self.paired, rng=self.rng)

    def interval(self, pair: int, confidence: float) -> tuple[float, float]:
        """Return the interval of one pair's difference."""
        if self._sparse[pair]:
            return self._bounded(pair, confidence)
        return self._around(pair, float(np.quantile(self._t[:, pair], confidence)))

    def intervals(self, confidence: float) -> list[tuple[float, float]]:
        """Return intervals that hold for all pairs at once, by the largest |t| of each draw."""
        dense = [pair for pair, sparse in enumerate(self._sparse) if not sparse]
        widest = float(np.quantile(self._t[:, dense].max(axis=1), confidence)) if dense else 0.0
        share = 1 - (1 - confidence) / len(self.places)
        return [
            self._bounded(pair, share) if sparse else self._around(pair, widest)
            for pair, sparse in enumerate(self._sparse)
        ]

    def _around(self, pair: int, t: float) -> tuple[float, float]:
        reach, half = self.bounds[1] - self.bounds[0], t * float(self._errors[pair])
        return max(-reach, self.difference(pair) - half), min(reach, self.difference(pair) + half)

    def _differing(self, a: int, b: int) -> int:
        first, second = self.samples[a], self.samples[b]
        if self.paired:
            return int(np.sum(first != second))
        return int(min(np.sum(sample != np.median(sample)) for sample in (first, second)))

    def _bounded(self, pair: int, confidence: float) -> tuple[float, float]:
        """Return an interval that needs nothing but the range of the values."""
        (least, most), (a, b) = self.bounds, self.places[pair]
        first, second = self.samples[a], self.samples[b]
        if self.paired:
            return mean_interval(list(second - first), confidence, low=least - most, high=most - least)
        half = (1 + confidence) / 2  # each of two has to hold
        low_1, high_1 = mean_interval(list(first), half, low=least, high=most)
        low_2, high_2 = mean_interval(list(second), half, low=least, high=most)
        return low_2 - high_1, high_2 - low_1


def _pairs(groups: _Groups, confidence: float) -> tuple[Pair, ...]:
    """Return all pairs, the largest difference first."""
    p_values = [groups.p(pair) for pair in range(len(groups.places))]
    found = []
    for pair, corrected in enumerate(holm(p_values)):
        low, high = groups.interval(pair, confidence)
        first, second = (groups.names[place] for place in groups.places[pair])
        found.append(
            Pair(first=first, second=second, difference=groups.difference(pair), low=low, high=high, p=p_values[pair],
                 p_corrected=corrected)
        )  # fmt: skip
    return tuple(sorted(found, key=lambda pair: -abs(pair.difference)))


def _gap_bounds(groups: _Groups, confidence: float) -> tuple[float, float]:
    """Return bounds of the largest true difference: intervals of all pairs that hold at once say it."""
    intervals = groups.intervals(confidence)
    return max(max(low, -high, 0.0) for low, high in intervals), max(max(high, -low) for low, high in intervals)
