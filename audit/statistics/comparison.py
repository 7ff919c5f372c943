"""Groups compared by what a model says of them: tests at the level of prompts, corrected for many looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .clustered import SAME
from .differences import Groups, Interval, Values, drawn_anew, joint_intervals, own_intervals
from .intervals import allowed
from .resampling import permuted_gap_p, permuted_pair_p


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two groups compared.

    Attributes:
        first: A group, the one whose name sorts first.
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
    same keys (templates), labels are permuted within templates and templates are drawn anew together; else
    prompts are permuted over groups and drawn anew in each. `p` is the permutation test of the largest gap
    (omnibus); where groups differ in their numbers of prompts, it is not below the corrected p of the pair that
    makes the gap, which unequal spreads do not fool. Intervals of pairs hold at `confidence` each; `low` and
    `high` of the gap come from intervals that hold for all pairs at once (`joint_intervals`).

    The percentile bootstrap of the gap itself is not used: it excludes 0 in every run with four groups or more.

    Args:
        values: For each group, for each of its prompts, the mean over its samples.
        confidence: Between 0 and 1.
        low: Least possible value.
        high: Greatest possible value.
        looks: Comparisons that are read together with this one, it included: the gap's bounds hold for all.
        seed: Of the resampling. Neither the order of groups nor that of prompts changes the result.

    Raises:
        ValueError: There are fewer than two groups, a group has fewer than two prompts, a value is not between
            `low` and `high`, or `confidence` or `looks` is out of range.
    """
    if looks < 1:
        raise ValueError(f"a comparison is read with at least itself, got {looks} looks")
    groups, (rng, again) = Groups.of(values, low, high), np.random.default_rng(seed).spawn(2)
    draws = drawn_anew(groups, again)
    pairs = _pairs(groups, own_intervals(groups, draws, allowed(confidence)), rng)
    gap = max(abs(pair.difference) for pair in pairs)
    least, most = gap_bounds(joint_intervals(groups, draws, 1 - (1 - confidence) / looks))
    means = {name: float(sample.mean()) for name, sample in zip(groups.names, groups.samples, strict=True)}
    return Comparison(
        gap=gap, low=min(least, gap), high=max(most, gap), p=_omnibus_p(groups, pairs[0], rng),
        means={name: means[name] for name in values}, pairs=pairs, paired=groups.paired,
        n=min(sample.size for sample in groups.samples),
    )  # fmt: skip


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that may be read together (Holm 1979, Scandinavian Journal of Statistics 6).

    Raises:
        ValueError: One is not between 0 and 1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("p-values must lie between 0 and 1")
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def _pairs(groups: Groups, own: Sequence[Interval], rng: np.random.Generator) -> tuple[Pair, ...]:
    """Return all pairs, the largest difference first."""
    samples, paired = groups.samples, groups.paired
    p_values = [permuted_pair_p(samples[a], samples[b], paired=paired, rng=rng) for a, b in groups.pairs]
    found = [
        Pair(first=groups.names[a], second=groups.names[b], difference=(seen := groups.difference(a, b)),
             low=min(low, seen), high=max(high, seen), p=p, p_corrected=corrected)
        for (a, b), (low, high), p, corrected in zip(groups.pairs, own, p_values, holm(p_values), strict=True)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda pair: -round(abs(pair.difference), SAME)))


def _omnibus_p(groups: Groups, widest: Pair, rng: np.random.Generator) -> float:
    p = permuted_gap_p(groups.samples, paired=groups.paired, rng=rng)
    return p if len({sample.size for sample in groups.samples}) == 1 else max(p, widest.p_corrected)


def gap_bounds(joint: Sequence[Interval]) -> Interval:
    """Return bounds of the largest true difference: intervals of all pairs that hold at once say it."""
    return max(max(low, -high, 0.0) for low, high in joint), max(max(high, -low) for low, high in joint)
