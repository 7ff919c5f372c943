"""How often the model contradicts the labels of training examples, and how sure it is where it does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SKIPPED = 1 / 3  # of the observations, from the first on: made while the model knew little
REPEATS = 20  # observations of an example that count, from the first on: later ones tell what is known by heart
SUREST = 0.2  # of the examples, by the model's own confidence
PAIRS = 5

Floats = NDArray[np.float64]


def contradictions(rows: Floats) -> dict[str, Any]:
    """Return what an event tells of examples that were met again and again.

    Each example's probabilities are averaged over its observations, as the area under the margin does (Pleiss et al.
    2020, Identifying Mislabeled Data using the Area Under the Margin Ranking, arXiv:2001.10528). It is contradicted
    where another class comes out likelier than its label.

    Args:
        rows: Observations in order, shape [n, 6]: digest of the example, label, likeliest other class, probability of
            either, step.
    """
    rows = _early(rows)
    rows = rows[int(len(rows) * SKIPPED) :]
    _, first, place = np.unique(rows[:, 0], return_index=True, return_inverse=True)
    count = np.bincount(place)
    label, own, other = rows[first, 1], *(np.bincount(place, rows[:, column]) / count for column in (3, 4))
    wrong, sure = other > own, np.maximum(own, other)
    surest = np.argsort(-sure, kind="stable")[: int(SUREST * len(sure))]
    return {
        "examples": len(count),
        "observations": len(rows),
        "relabelled": float(np.mean(rows[:, 1] != label[place])),
        "contradicted": float(wrong.mean()),
        "surest": len(surest),
        "surest_contradicted": int(wrong[surest].sum()),
        "auc": _auc(sure[~wrong], sure[wrong]),
        "first_step": int(rows[0, 5]),
        "last_step": int(rows[-1, 5]),
        "pairs": _pairs(rows[(wrong[place]) & (rows[:, 4] > rows[:, 3])]),
    }


def _early(rows: Floats) -> Floats:
    """Return the first observations of each example."""
    order = np.argsort(rows[:, 0], kind="stable")
    digest = rows[order, 0]
    starts = np.flatnonzero(np.r_[True, digest[1:] != digest[:-1]])
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return rows[np.sort(order[rank < REPEATS])]


def _auc(right: Floats, wrong: Floats) -> float | None:
    """Return the probability that the model is surer of an example that it agrees with than of one it does not."""
    if not (right.size and wrong.size):
        return None
    below = np.searchsorted(np.sort(wrong), right, side="left") + np.searchsorted(np.sort(wrong), right, side="right")
    return float(below.mean() / (2 * wrong.size))


def _pairs(rows: Floats) -> list[dict[str, int]]:
    """Return the labels that are contradicted most by one other class, with the number of examples."""
    found = {(int(label), int(other)): set[float]() for label, other in rows[:, 1:3]}
    for digest, label, other in rows[:, :3]:
        found[int(label), int(other)].add(float(digest))
    most = sorted(found.items(), key=lambda item: -len(item[1]))[:PAIRS]
    return [{"label": label, "taken_for": other, "examples": len(held)} for (label, other), held in most]
