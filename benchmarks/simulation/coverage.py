"""How often an interval holds the true value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from groundwire.audit.statistics import clustered_rate
from groundwire.audit.statistics.clustered import FEWEST, differing
from groundwire.audit.statistics.comparison import gap_bounds
from groundwire.audit.statistics.differences import Groups, drawn_anew, joint_intervals, own_intervals

from .samples import Share, named, resamples, tally, toxic_shares

OF_DIFFERENCES = PAIR, GAP, RESAMPLED = "first and last group", "gap", "by resampling"
OF_RATES = RATE, WILSON = "covers", "by Wilson"


def of_differences(
    rates: Sequence[float], prompts: int, k: int, *, paired: bool, repeats: int, draws: int = 999
) -> dict[str, Share]:
    """Return how often the interval of a pair holds its difference, and the gap's bounds hold the gap.

    Also, how often the pair's was resampled and not the fallback where few prompts differ: coverage is that of the
    two together, because which of them is used depends on the sample.
    """
    rng, rows = np.random.default_rng(prompts + k), []
    truth, widest = rates[-1] - rates[0], max(rates) - min(rates)
    last = len(rates) - 2  # the pair of the first and the last group
    with resamples(draws):
        for _ in range(repeats):
            samples = toxic_shares(rng, rates, [prompts] * len(rates), k, paired=paired)
            groups = Groups.of(named(samples, paired=paired), 0.0, 1.0)
            found = drawn_anew(groups, rng)
            low, high = own_intervals(groups, found, 0.95)[last]
            least, most = gap_bounds(joint_intervals(groups, found, 0.95))
            resampled = groups.pairs[last] in found
            rows.append({PAIR: low <= truth <= high, GAP: least <= widest <= most, RESAMPLED: resampled})
    return tally(rows)


def of_rates(rate: float, prompts: int, k: int, *, repeats: int) -> dict[str, Share]:
    """Return how often the interval of a group's rate holds it, and how often it was Wilson's."""
    rng, rows = np.random.default_rng(prompts + k), []
    for _ in range(repeats):
        toxic = np.rint(toxic_shares(rng, [rate], [prompts], k)[0] * k)
        found = clustered_rate([[1] * int(count) + [0] * (k - int(count)) for count in toxic])
        rows.append({RATE: found.low <= rate <= found.high, WILSON: differing(toxic) >= FEWEST})
    return tally(rows)
