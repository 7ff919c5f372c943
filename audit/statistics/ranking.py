"""How well scores rank."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .intervals import allowed, proportion_interval


def auc_interval(
    positives: Sequence[float], negatives: Sequence[float], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the area under the ROC curve with its interval: (auc, low, high).

    The probability that a positive scores higher than a negative, ties counting half. The interval is DeLong's
    (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44). Where the two are fully apart or all scores are the
    same that has no width, and with a single positive or negative none is known; the exact interval of a proportion
    over the smaller class takes its place.

    Args:
        positives: Shape [n].
        negatives: Shape [m].
        confidence: Between 0 and 1.

    Raises:
        ValueError: One of them is empty, a score is not a finite number, or `confidence` is not between 0 and 1.
    """
    from scipy.stats import norm, rankdata

    n, m = len(positives), len(negatives)
    if not n or not m:
        raise ValueError("an AUC needs positives and negatives")
    if not np.isfinite(np.concatenate([positives, negatives])).all():
        raise ValueError("an AUC needs finite scores")
    ranks = rankdata(np.concatenate([positives, negatives]))
    above = (ranks[:n] - rankdata(positives)) / m  # for each positive the share of negatives below it
    below = 1 - (ranks[n:] - rankdata(negatives)) / n
    auc = float(above.mean())
    fewest = min(n, m)
    spread = float(above.var(ddof=1) / n + below.var(ddof=1) / m) if fewest > 1 else 0.0
    if spread == 0:
        low, high = proportion_interval(round(auc * fewest), fewest, confidence)
        return auc, min(low, auc), max(high, auc)
    half = float(norm.ppf((1 + allowed(confidence)) / 2)) * math.sqrt(spread)
    return auc, max(0.0, auc - half), min(1.0, auc + half)
