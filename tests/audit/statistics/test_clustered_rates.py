"""Continuations of one prompt are not independent, and an interval of their rate knows it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from groundwire.audit.statistics import (
    clustered_rate,
    design_effect,
    intraclass_correlation,
    mean_interval,
    proportion_interval,
)
from groundwire.audit.statistics.means import clustered_mean
from hypothesis import given, settings
from hypothesis import strategies as st

clusters = st.lists(st.lists(st.integers(0, 1), max_size=6), min_size=1, max_size=40).filter(any)
quick = settings(max_examples=40, deadline=None)


@given(clusters)
@quick
def test_a_rate_lies_in_its_interval_whatever_the_order(found: list[list[int]]) -> None:
    rate = clustered_rate(found)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert rate.low < rate.high
    assert 1 - 1e-9 <= rate.effective_n <= rate.samples + 1e-9
    turned = clustered_rate([cluster[::-1] for cluster in found[::-1]])
    assert (turned.low, turned.high) == pytest.approx((rate.low, rate.high))


@given(clusters)
@quick
def test_yes_and_no_are_mirrored(found: list[list[int]]) -> None:
    rate, other = clustered_rate(found), clustered_rate([[1 - sample for sample in cluster] for cluster in found])
    assert other.value == pytest.approx(1 - rate.value)
    assert (1 - other.high, 1 - other.low) == pytest.approx((rate.low, rate.high), abs=0.02)  # of 10,000 draws


@given(st.integers(1, 60), st.integers(1, 25))
@quick
def test_no_event_never_gives_an_interval_without_width(prompts: int, k: int) -> None:
    rate = clustered_rate([[0] * k] * prompts)
    assert rate.low == rate.value == 0
    assert rate.high == pytest.approx(proportion_interval(0, prompts)[1], rel=0.05)  # as if k were 1
    assert rate.effective_n == pytest.approx(prompts)


@given(st.lists(st.integers(0, 1), min_size=2, max_size=60))
@quick
def test_one_continuation_a_prompt_is_an_independent_sample(samples: list[int]) -> None:
    rate = clustered_rate([[sample] for sample in samples])
    assert (rate.correlation, rate.effective_n) == (1, pytest.approx(len(samples)))
    assert (rate.low, rate.high) == pytest.approx(proportion_interval(sum(samples), len(samples)), abs=0.03)


def test_many_prompts_have_the_interval_of_wilson() -> None:
    rate = clustered_rate([[1]] * 30 + [[0]] * 70)
    assert (rate.low, rate.high) == pytest.approx((0.2189, 0.3958), abs=1e-4)  # Wilson's for 30 of 100


def test_continuations_that_all_agree_are_worth_one() -> None:
    rate = clustered_rate([[1] * 25] * 30 + [[0] * 25] * 70)
    assert (rate.correlation, rate.effective_n) == (1, pytest.approx(100))
    assert (rate.low, rate.high) == pytest.approx((0.2189, 0.3958), abs=1e-4)


def test_continuations_that_do_not_correlate_are_all_worth_one() -> None:
    rate = clustered_rate([[1, 0]] * 50 + [[0, 1]] * 50)
    assert (rate.correlation, rate.effective_n) == (0, 200)


def test_an_empty_prompt_does_not_count() -> None:
    rate = clustered_rate([[1] * 9, [0], []])
    assert (rate.value, rate.clusters, rate.samples) == (0.9, 2, 10)


def test_the_correlation_is_that_of_the_analysis_of_variance() -> None:
    found = [[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1]]
    means = np.mean(found, axis=1)
    between, within = 3 * np.var(means, ddof=1), np.mean(np.var(found, axis=1, ddof=1))
    assert intraclass_correlation(found) == pytest.approx((between - within) / (between + 2 * within))


def test_the_correlation_is_found_again() -> None:
    rng = np.random.default_rng(0)
    rates = rng.beta(0.1 * 7 / 3, 0.9 * 7 / 3, 4000)  # a correlation of 1 / (1 + 7/3)
    assert intraclass_correlation((rng.random((4000, 5)) < rates[:, None]).tolist()) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("found", [[[1]], [[1, 0]], [[1], [0]], [[0, 0], [0, 0]], []])
def test_where_nothing_is_known_of_the_correlation_it_is_the_worst(found: list[list[int]]) -> None:
    assert intraclass_correlation(found) == 1


def test_the_design_effect() -> None:
    assert design_effect(25, 0.3) == pytest.approx(8.2)
    assert design_effect(1, 0.9) == 1


@pytest.mark.parametrize(("size", "correlation"), [(0.5, 0.1), (5, -0.1), (5, 1.1), (5, math.nan), (math.nan, 0.1)])
def test_an_impossible_design_is_refused(size: float, correlation: float) -> None:
    with pytest.raises(ValueError, match=r"^need a cluster size of at least 1"):
        design_effect(size, correlation)


@pytest.mark.parametrize("found", [[], [[]], [[0.5]], [[math.nan]], [[0, 1], [2]]])
def test_what_is_no_yes_or_no_is_refused(found: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"^a rate needs samples that are 0 or 1$"):
        clustered_rate(found)


@pytest.mark.parametrize("prompts", [10, 100])  # the fallback, and Wilson's
def test_an_impossible_confidence_is_refused(prompts: int) -> None:
    with pytest.raises(ValueError, match="confidence must lie"):
        clustered_rate([[0], [1]] * prompts, confidence=1.0)


def test_a_correlation_wants_finite_values() -> None:
    with pytest.raises(ValueError, match=r"^a correlation needs finite values$"):
        intraclass_correlation([[0.1, math.inf], [0.2]])


def test_the_mean_over_prompts_has_the_interval_over_prompts() -> None:
    found = clustered_mean([[0.1, 0.3], [0.5], [-0.4, -0.2, 0.0]], low=-1.0)
    assert found.value == pytest.approx((0.2 + 0.5 - 0.2) / 3)
    assert (found.low, found.high) == mean_interval([0.2, 0.5, -0.2], low=-1.0)
    assert (found.clusters, found.samples) == (3, 6)
