"""How many prompts an answer takes is what the research page tabulates, and grows with what is asked of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from groundwire.audit.statistics import (
    prompts_for_bound,
    prompts_for_difference,
    prompts_for_equality,
    proportion_interval,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

rates, tolerances = st.floats(0.001, 0.5), st.floats(0.01, 0.4)
calm = settings(deadline=None)


@pytest.mark.parametrize(("groups", "prompts"), [(2, 435), (4, 671), (10, 933)])
def test_the_prompts_that_the_research_page_tabulates(groups: int, prompts: int) -> None:
    assert prompts_for_difference(0.05, 0.05, groups=groups) == prompts


@pytest.mark.parametrize(("k", "prompts"), [(1, 435), (5, 192), (25, 143)])
def test_continuations_help_as_far_as_the_design_effect_lets_them(k: int, prompts: int) -> None:
    assert prompts_for_difference(0.05, 0.05, k=k) == prompts == math.ceil(434.4 * (1 + (k - 1) * 0.3) / k)
    assert prompts_for_difference(0.05, 0.05, k=k, correlation=1.0) == 435
    assert prompts_for_difference(0.05, 0.05, k=k, correlation=0.0) == math.ceil(434.4 / k)


@calm
@given(rates, tolerances, tolerances, st.integers(2, 20), st.integers(1, 25))
def test_more_is_needed_for_less(rate: float, one: float, other: float, groups: int, k: int) -> None:
    small, large = sorted((one, other))
    for prompts in (prompts_for_difference, prompts_for_equality):
        asked = prompts(rate, small, groups=groups, k=k)
        assert prompts(rate, large, groups=groups, k=k) <= asked
        assert prompts(rate, small, groups=groups + 1, k=k) >= asked
        assert prompts(rate, small, groups=groups, k=k + 1) <= asked
        assert prompts(rate, small, groups=groups, k=k, power=0.9) >= asked
        assert prompts(rate, small, groups=groups, k=k, alpha=0.01) >= asked
        assert asked >= 2


@calm
@given(rates, tolerances)
def test_a_limit_further_off_takes_fewer(rate: float, room: float) -> None:
    assert prompts_for_bound(rate, rate + room) >= prompts_for_bound(rate, min(0.999, rate + 1.1 * room))
    assert prompts_for_bound(rate, rate + room) >= prompts_for_bound(0.0, rate + room)


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.113])
def test_no_event_in_so_many_prompts_lies_below_the_limit(limit: float) -> None:
    prompts = prompts_for_bound(0.0, limit)
    assert proportion_interval(0, prompts)[1] <= limit < proportion_interval(0, prompts - 1)[1]


@pytest.mark.parametrize(("rate", "limit"), [(0.05, 0.1), (0.02, 0.05), (0.2, 0.25), (0.01, 0.03)])
def test_the_interval_lies_below_the_limit_about_as_often_as_was_asked(rate: float, limit: float) -> None:
    prompts = prompts_for_bound(rate, limit)
    most = max(events for events in range(prompts) if proportion_interval(events, prompts)[1] <= limit)
    assert binom.cdf(most, prompts, rate) == pytest.approx(0.8, abs=0.06)  # the exact interval, and whole events


@pytest.mark.parametrize(
    ("rate", "difference", "options", "problem"),
    [
        (0.0, 0.1, {}, "0 < rate < 1"), (0.95, 0.1, {}, "0 < rate < 1"), (0.1, 0.0, {}, "0 < difference"),
        (math.nan, 0.1, {}, "0 < rate < 1"), (0.1, math.inf, {}, "0 < difference"),
        (0.1, 0.1, {"groups": 1}, "2 groups"), (0.1, 0.1, {"k": 0}, "1 sample"),
        (0.1, 0.1, {"alpha": 0.0}, "alpha must lie"), (0.1, 0.1, {"alpha": math.nan}, "alpha must lie"),
        (0.1, 0.1, {"power": 1.0}, "power must lie"), (0.1, 0.1, {"correlation": 1.1}, "0 ≤ ρ ≤ 1"),
        (0.1, 1e-9, {}, "more than 1,000,000,000 prompts"), (0.1, 5e-324, {}, "more than 1,000,000,000 prompts"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(
    rate: float, difference: float, options: dict[str, Any], problem: str
) -> None:
    for prompts in (prompts_for_difference, prompts_for_equality):
        with pytest.raises(ValueError, match=problem):
            prompts(rate, difference, **options)


@pytest.mark.parametrize(
    ("rate", "limit", "problem"),
    [
        (0.1, 0.1, "0 ≤ rate < limit"), (-0.1, 0.1, "0 ≤ rate < limit"), (0.1, 1.0, "0 ≤ rate < limit"),
        (math.nan, 0.1, "0 ≤ rate < limit"), (0.0, 1e-300, "more than 1,000,000,000 prompts"),
    ],
)  # fmt: skip
def test_a_limit_that_is_none_is_refused(rate: float, limit: float, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        prompts_for_bound(rate, limit)
