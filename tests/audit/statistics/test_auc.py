"""The area under the curve is a probability, and its interval that of DeLong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from groundwire.audit.statistics import auc_interval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

scores = st.lists(st.integers(0, 9).map(lambda score: score / 9), min_size=1, max_size=12)

calm = settings(deadline=None)


def by_counting(positives: list[float], negatives: list[float]) -> float:
    return float(np.mean([(a > b) + (a == b) / 2 for a in positives for b in negatives]))


@calm
@given(scores, scores)
def test_it_is_the_share_of_pairs_in_the_right_order(positives: list[float], negatives: list[float]) -> None:
    auc, low, high = auc_interval(positives, negatives)
    assert auc == pytest.approx(by_counting(positives, negatives))
    assert auc == pytest.approx(stats.mannwhitneyu(positives, negatives).statistic / len(positives) / len(negatives))
    assert 0 <= low <= auc <= high <= 1
    assert low < high


@calm
@given(scores, scores)
def test_the_other_way_round_it_is_mirrored(positives: list[float], negatives: list[float]) -> None:
    auc, low, high = auc_interval(positives, negatives)
    other = auc_interval(negatives, positives)
    assert other[0] == pytest.approx(1 - auc)
    if min(len(positives), len(negatives)) > 1 and 0 < auc < 1:
        assert (1 - other[2], 1 - other[1]) == pytest.approx(
            (low, high), abs=0.51 / min(len(positives), len(negatives))
        )


@calm
@given(scores, scores)
def test_only_the_order_of_scores_counts(positives: list[float], negatives: list[float]) -> None:
    squared = auc_interval([score**2 for score in positives], [score**2 for score in negatives])
    assert squared == pytest.approx(auc_interval(positives, negatives))


def test_the_interval_is_that_of_delong_by_his_own_formula() -> None:
    rng = np.random.default_rng(0)
    positives, negatives = rng.normal(1, 1, 30).tolist(), rng.normal(0, 1, 20).tolist()
    over = np.array([[(a > b) + (a == b) / 2 for b in negatives] for a in positives])
    error = math.sqrt(np.var(over.mean(axis=1), ddof=1) / 30 + np.var(over.mean(axis=0), ddof=1) / 20)
    auc = over.mean()
    assert auc_interval(positives, negatives) == pytest.approx((auc, auc - 1.959964 * error, auc + 1.959964 * error))


@pytest.mark.parametrize(
    ("positives", "negatives"),
    [([0.9] * 5, [0.1] * 40), ([0.5] * 7, [0.5] * 7), ([0.1, 0.2], [0.3, 0.4]), ([0.5], [0.1, 0.2, 0.9])],
)
def test_where_the_formula_has_no_width_the_smaller_class_gives_one(
    positives: list[float], negatives: list[float]
) -> None:
    auc, low, high = auc_interval(positives, negatives)
    assert low <= auc <= high
    assert high - low > 0.4


@pytest.mark.parametrize(
    ("positives", "negatives", "problem"),
    [
        ([], [0.1], "positives and negatives"), ([0.1], [], "positives and negatives"),
        ([0.1, math.nan], [0.2], "finite scores"), ([0.1], [math.inf], "finite scores"),
    ],
)  # fmt: skip
def test_what_has_no_order_is_refused(positives: list[float], negatives: list[float], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"^an AUC needs {problem}$"):
        auc_interval(positives, negatives)


def test_a_confidence_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence must lie"):
        auc_interval([0.1, 0.9], [0.2, 0.3], confidence=1.5)


def test_the_interval_covers() -> None:
    rng, covered = np.random.default_rng(1), 0
    truth = stats.norm.cdf(1 / math.sqrt(2))
    for _ in range(1000):
        _, low, high = auc_interval(rng.normal(1, 1, 60).tolist(), rng.normal(0, 1, 90).tolist())
        covered += low <= truth <= high
    assert covered / 1000 == pytest.approx(0.95, abs=0.02)
