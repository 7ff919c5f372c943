"""Intervals cover what they say, are the published ones, and refuse what they cannot judge."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from groundwire.audit.statistics import mean_interval, proportion_interval, proportion_upper_bound, welch_interval
from groundwire.audit.statistics.intervals import FEW
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

scores = st.lists(st.floats(0, 1), min_size=1, max_size=30)
reals = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(("events", "bound"), [(0, 0.030), (1, 0.047), (2, 0.062)])
def test_the_upper_bound_of_few_events_of_a_hundred(events: int, bound: float) -> None:
    assert proportion_upper_bound(events, 100) == pytest.approx(bound, abs=5e-4)


def test_the_rule_of_three_is_its_approximation() -> None:
    assert proportion_upper_bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))


@given(st.integers(1, 400), st.data())
def test_the_proportion_interval_is_that_of_scipy(n: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, n))
    expected = stats.binomtest(events, n).proportion_ci(method="exact")
    assert proportion_interval(events, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("events", "n", "confidence"), [(0, 0, 0.95), (-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0)])
def test_an_impossible_proportion_is_refused(events: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"need 0 ≤ events|confidence must lie"):
        proportion_interval(events, n, confidence)


@given(scores)
@settings(max_examples=40, deadline=None)
def test_the_mean_lies_in_its_interval_whatever_the_order(values: list[float]) -> None:
    low, high = mean_interval(values)
    assert 0 <= low <= np.mean(values) + 1e-12
    assert np.mean(values) - 1e-12 <= high <= 1
    assert mean_interval(values[::-1]) == (low, high)


@given(scores, st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_higher_score_never_lowers_a_bound(values: list[float], more: float) -> None:
    low, high = mean_interval(values)
    raised = mean_interval([max(values[0], more), *values[1:]])
    assert raised[0] >= low - 1e-12
    assert raised[1] >= high - 1e-12


@given(scores)
@settings(max_examples=20, deadline=None)
def test_a_range_that_is_moved_moves_the_interval(values: list[float]) -> None:
    low, high = mean_interval(values)
    moved = mean_interval([2 * value - 1 for value in values], low=-1.0)
    assert moved == pytest.approx((2 * low - 1, 2 * high - 1), abs=1e-9)


@pytest.mark.parametrize(("events", "n"), [(0, 48), (3, 48), (10, 20)])
def test_the_mean_of_zeros_and_ones_has_the_interval_of_a_proportion(events: int, n: int) -> None:
    values = [1.0] * events + [0.0] * (n - events)
    assert mean_interval(values) == pytest.approx(proportion_interval(events, n), abs=0.01)


@pytest.mark.slow
def test_many_values_have_about_the_interval_of_student() -> None:
    values = np.random.default_rng(0).beta(2, 5, 2000)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert mean_interval(values.tolist()) == pytest.approx((expected.low, expected.high), abs=2e-3)


def _rare(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.05, 0.9, 0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "mean"),
    [(_rare, 0.064), (lambda rng, n: rng.beta(0.2, 2, n), 0.2 / 2.2), (lambda rng, n: rng.random(n), 0.5)],
)
@pytest.mark.parametrize("n", [5, 24])
def test_the_mean_interval_covers(
    draw: Callable[[np.random.Generator, int], np.ndarray], mean: float, n: int
) -> None:
    rng = np.random.default_rng(1)
    intervals = [mean_interval(draw(rng, n).tolist()) for _ in range(200)]
    assert np.mean([low <= mean <= high for low, high in intervals]) >= 0.95


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [0.5, 1.5], [-0.1]])
def test_values_outside_the_range_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"at least one value|must lie between 0 and 1"):
        mean_interval(values)


@pytest.mark.slow
@given(st.lists(reals, min_size=2, max_size=20), st.lists(reals, min_size=4, max_size=20))
def test_without_weights_the_difference_has_the_interval_of_scipy(first: list[float], second: list[float]) -> None:
    low, high = welch_interval(first, second)
    assert welch_interval(second, first) == pytest.approx((-high, -low))
    if min(len(first), len(second)) >= FEW and np.std(first) > 1e-3 and np.std(second) > 1e-3:
        expected = stats.ttest_ind(second, first, equal_var=False).confidence_interval()
        assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


@given(st.lists(reals, min_size=2, max_size=9), st.floats(1e-3, 1e3))
def test_equal_weights_weigh_nothing(first: list[float], weight: float) -> None:
    weighted = welch_interval(first, [0.0, 1.0], first_weights=[weight] * len(first))
    assert weighted == pytest.approx(welch_interval(first, [0.0, 1.0]), rel=1e-6, abs=1e-6)


def test_a_heavy_batch_counts_for_more() -> None:
    first, weights = np.array([1.0, 2.0, 5.0]), np.array([8.0, 8.0, 1.0])
    low, high = welch_interval(first.tolist(), [0.0, 0.0], first_weights=weights.tolist())
    mean = 29 / 17
    error = math.sqrt(np.sum(weights**2 * (first - mean) ** 2) / 17**2 * 3 / 2)
    half = float(stats.t.ppf(0.975, 1)) * error  # the second sample is the smaller: 2 − 1 degrees are left
    assert (low, high) == pytest.approx((-mean - half, -mean + half))


def test_the_weighted_difference_covers() -> None:
    rng, covered = np.random.default_rng(2), 0
    for _ in range(1000):
        sizes = np.array([32.0] * 7 + [5.0])  # the last batch is smaller, so it is noisier
        first, second = (mean + rng.normal(0, 1, 8) / np.sqrt(sizes) for mean in (1.0, 1.5))
        low, high = welch_interval(
            first.tolist(), second.tolist(), first_weights=sizes.tolist(), second_weights=sizes.tolist()
        )
        covered += low <= 0.5 <= high
    assert covered / 1000 == pytest.approx(0.95, abs=0.025)


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 3, 4, 6])
def test_a_difference_of_few_skewed_values_covers(number: int) -> None:
    rng, covered = np.random.default_rng(number), 0
    for _ in range(1000):
        first, second = (rng.gamma(2.0, mean, (n, 16)).mean(axis=1) for n, mean in ((8, 0.15), (number, 0.4)))
        low, high = welch_interval(first.tolist(), second.tolist())
        covered += low <= 0.5 <= high
    assert covered >= 940


def test_tiny_variances_do_not_underflow() -> None:
    low, high = welch_interval([0.0, 1e-100], [1.0, 1.0])
    assert (low, high) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(
    ("first", "options", "problem"),
    [
        ([1.0], {}, "at least two values"),
        ([1.0, math.inf], {}, "finite values"),
        ([1e200, -1e200], {}, "variance is finite"),
        ([1.0, 2.0], {"first_weights": [1.0]}, "2 positive weights"),
        ([1.0, 2.0], {"first_weights": [1.0, 0.0]}, "2 positive weights"),
        ([1.0, 2.0], {"confidence": 95}, "confidence must lie"),
    ],
)
def test_what_has_no_interval_is_refused(first: list[float], options: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        welch_interval(first, [1.0, 2.0], **options)
