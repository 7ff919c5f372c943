"""Groups of prompts and the differences of their means: by how much at least and at most, pair by pair."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from .bootstrap import Bootstrap
from .clustered import SAME, differing
from .intervals import mean_interval
from .resampling import Floats

Values = Mapping[str, Mapping[str, float]]  # group → prompt or template → mean over its samples
Interval = tuple[float, float]
Draws = dict[tuple[int, int], tuple[Floats, float]]  # pair → |t| of each draw, and the standard error

FEWEST = 10  # prompts that must differ from the rest before drawing them anew says how far a mean may lie off


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups by name, and the values of their prompts by key, both sorted: their order in a file says nothing.

    Attributes:
        names: Shape [groups].
        samples: For each group its prompts' values, shape [n].
        paired: Whether all have the same keys (templates), so that prompts of one place belong together.
        low: Least possible value.
        high: Greatest possible value.
    """

    names: list[str]
    samples: list[Floats]
    paired: bool
    low: float
    high: float

    @classmethod
    def of(cls, values: Values, low: float, high: float) -> Groups:
        """Return the groups that values describe.

        Raises:
            ValueError: There are fewer than two groups, a group has fewer than two prompts, or a value is not
                between `low` and `high`.
        """
        if len(values) < 2 or min(map(len, values.values())) < 2:
            raise ValueError("a comparison needs at least two groups with at least two prompts each")
        names = sorted(values)
        samples = [np.array([values[name][key] for key in sorted(values[name])], dtype=np.float64) for name in names]
        if not all(((low <= sample) & (sample <= high)).all() for sample in samples):  # NaN is not, either
            raise ValueError(f"values must be numbers between {low:g} and {high:g}")
        paired = len({frozenset(found) for found in values.values()}) == 1
        return cls(names, samples, paired, low, high)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of groups, by their places."""
        return list(itertools.combinations(range(len(self.names)), 2))

    def difference(self, first: int, second: int) -> float:
        """Return by how much the mean of the second group is higher."""
        return float(self.samples[second].mean() - self.samples[first].mean())

    def sparse(self, first: int, second: int) -> bool:
        """Return whether too few prompts of a pair differ from the rest to be drawn anew."""
        a, b = self.samples[first], self.samples[second]
        return min(map(differing, [b - a] if self.paired else [a, b])) < FEWEST

    def bounded(self, first: int, second: int, confidence: float) -> Interval:
        """Return an interval of a difference that needs nothing but the range of the values."""
        a, b = self.samples[first], self.samples[second]
        if self.paired:
            reach = self.high - self.low
            apart = np.clip(np.round(b - a, SAME), -reach, reach)
            return mean_interval(apart.tolist(), confidence, low=-reach, high=reach)
        half = (1 + confidence) / 2  # each of two has to hold
        low_1, high_1 = mean_interval(a.tolist(), half, low=self.low, high=self.high)
        low_2, high_2 = mean_interval(b.tolist(), half, low=self.low, high=self.high)
        return low_2 - high_1, high_2 - low_1


def drawn_anew(groups: Groups, rng: np.random.Generator) -> Draws:
    """Return |t| of each draw and the standard error for the pairs of which enough prompts differ."""
    bootstrap = Bootstrap(groups.samples, paired=groups.paired, rng=rng)
    return {pair: bootstrap.t(*pair) for pair in groups.pairs if not groups.sparse(*pair)}


def own_intervals(groups: Groups, draws: Draws, confidence: float) -> list[Interval]:
    """Return for each pair the interval of its difference: symmetric bootstrap-t, or Gaffke's where few differ."""
    return [
        _around(groups, pair, _quantile(draws[pair][0], confidence) * draws[pair][1])
        if pair in draws
        else groups.bounded(*pair, confidence)
        for pair in groups.pairs
    ]


def joint_intervals(groups: Groups, draws: Draws, confidence: float) -> list[Interval]:
    """Return intervals of the differences that hold for all pairs at once.

    By the largest |t| of each draw (Romano and Wolf 2005, JASA 100). Pairs of which few prompts differ have
    Gaffke's interval, corrected for their number; where there are pairs of both kinds, each kind may err with half
    of the probability. Where even the largest |t| is infinite too often, all pairs have Gaffke's.
    """
    sparse = len(groups.pairs) - len(draws)
    error = (1 - confidence) / (2 if draws and sparse else 1)
    widest = _quantile(reduce(np.maximum, (t for t, _ in draws.values())), 1 - error) if draws else math.inf
    if math.isinf(widest):
        draws, sparse, error = {}, len(groups.pairs), 1 - confidence
    return [
        _around(groups, pair, widest * draws[pair][1]) if pair in draws else groups.bounded(*pair, 1 - error / sparse)
        for pair in groups.pairs
    ]


def _quantile(t: Floats, confidence: float) -> float:
    return float(np.quantile(t, confidence, method="higher"))  # one that was drawn: some may be infinite


def _around(groups: Groups, pair: tuple[int, int], half: float) -> Interval:
    reach, difference = groups.high - groups.low, groups.difference(*pair)
    return max(-reach, difference - half), min(reach, difference + half)
