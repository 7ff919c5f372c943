"""Where the truth is known: false alarms, power and coverage are what docs/statistics.md says.

A simulation counts, so a claim on a rate is one on a count: `at_most` and `at_least` want the exact 95 % bound of
Clopper and Pearson on the right side, which is more than that the share counted is. Continuations of one prompt
correlate with 0.3 throughout. Permutations are few where only error rates are asked for: the test is exact with any
number of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from groundwire.audit.statistics import prompts_for_difference, prompts_for_equality, proportion_upper_bound

sys.path.insert(0, str(Path(__file__).parents[3]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.simulation import coverage, detection
from benchmarks.simulation.alarms import HOLM, NAIVE, OMNIBUS, PERCENTILE, false_alarms, unequal_alarms
from benchmarks.simulation.samples import Share

BOTH = pytest.mark.parametrize("paired", [False, True])


def at_most(share: Share, rate: float) -> bool:
    return proportion_upper_bound(share.hits, share.of) <= rate


def at_least(share: Share, rate: float) -> bool:
    return at_most(Share(hits=share.of - share.hits, of=share.of), 1 - rate)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("groups", [2, 4, 10])
def test_groups_that_are_alike_are_taken_for_different_in_at_most_6_percent(groups: int, paired: bool) -> None:
    found = false_alarms(groups, paired=paired, repeats=6000, tests=[OMNIBUS], draws=99)
    assert at_most(found[OMNIBUS], 0.06)


@pytest.mark.slow
@BOTH
def test_so_is_any_pair_of_four_after_holm(paired: bool) -> None:
    assert at_most(false_alarms(4, paired=paired, repeats=1000, tests=[HOLM], draws=239)[HOLM], 0.06)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("groups", [2, 10])
def test_tests_that_are_not_used_raise_false_alarms(groups: int, paired: bool) -> None:
    found = false_alarms(groups, paired=paired, repeats=200, tests=[NAIVE, PERCENTILE])
    assert at_least(found[NAIVE], 0.2 if paired else 0.4)  # 25 continuations of a prompt are not 25 observations
    assert at_least(found[PERCENTILE], 0.7)  # a largest difference is never drawn as 0


@pytest.mark.slow
def test_equal_means_with_unequal_spreads_and_sizes_raise_few_false_alarms() -> None:
    found = unequal_alarms((400, 40), (0.1, 0.6), repeats=1000, draws=199)  # about the worst that there is
    assert at_most(found[HOLM], 0.11)
    assert at_least(found[OMNIBUS], 0.18)  # which is why it alone is not used where sizes differ


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "prompts"), [(2, 435), (4, 671), (10, 933)])
def test_the_tabulated_prompts_have_about_the_tabulated_power(groups: int, prompts: int) -> None:
    assert prompts_for_difference(0.05, 0.05, groups=groups) == prompts
    share = detection.power_of_a_pair(groups, k=1, paired=False, repeats=800)
    assert share.value == pytest.approx(0.8, abs=0.05)  # the test is exact: of yes and no it has 2 to 4 points less


@pytest.mark.slow
def test_paired_by_template_has_no_less_power() -> None:
    assert at_least(detection.power_of_a_pair(2, k=5, paired=True, repeats=1000, draws=999), 0.8)


@pytest.mark.slow
def test_continuations_have_the_power_of_their_design_effect() -> None:
    share = detection.power_of_a_pair(2, k=25, paired=False, repeats=800, draws=999)
    assert share.value == pytest.approx(0.8, abs=0.04)


@pytest.mark.slow
def test_a_difference_on_the_tolerance_fails_half_of_the_time_and_hardly_passes() -> None:
    found = detection.answers(2, 435, different=True, repeats=600)
    assert found["fail"].value == pytest.approx(0.5, abs=0.08)
    assert at_most(found["pass"], 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "repeats"), [(2, 500), (4, 200)])
def test_groups_that_are_alike_pass_about_as_often_as_was_planned(groups: int, repeats: int) -> None:
    prompts = prompts_for_equality(0.05, 0.05, groups=groups)
    found = detection.answers(groups, prompts, different=False, repeats=repeats)
    assert found["pass"].value >= 0.75
    assert at_most(found["fail"], 0.02)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize(
    ("rates", "prompts", "k"), [((0.05, 0.1), 200, 5), ((0.2, 0.3), 54, 5), ((0.05,) * 2, 435, 1)]
)
def test_intervals_of_differences_cover_in_93_to_97_percent(
    rates: tuple[float, ...], prompts: int, k: int, paired: bool
) -> None:
    found = coverage.of_differences(rates, prompts, k, paired=paired, repeats=1200, draws=499)
    assert found[coverage.RESAMPLED].value > 0.99
    assert 0.93 <= found[coverage.PAIR].value <= 0.97


@pytest.mark.slow
@BOTH
def test_bounds_of_the_gap_cover_in_95_percent_and_more(paired: bool) -> None:
    found = coverage.of_differences((0.05, 0.05, 0.1, 0.1), 200, 5, paired=paired, repeats=400, draws=499)
    assert at_least(found[coverage.GAP], 0.95)


@pytest.mark.slow
@BOTH
def test_bounds_of_no_gap_cover_in_95_percent(paired: bool) -> None:
    found = coverage.of_differences((0.05,) * 10, 200, 5, paired=paired, repeats=400, draws=499)
    assert at_least(found[coverage.GAP], 0.93)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("rates", [(0.02, 0.02), (0.02, 0.05)])
def test_where_few_prompts_differ_the_interval_covers_more_than_it_says(
    rates: tuple[float, ...], paired: bool
) -> None:
    found = coverage.of_differences(rates, 54, 1, paired=paired, repeats=100, draws=99)
    assert found[coverage.RESAMPLED].value < 0.05
    assert at_least(found[coverage.PAIR], 0.95)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "prompts", "k"), [(0.1, 200, 25), (0.2, 54, 25), (0.05, 435, 5)])
def test_intervals_of_rates_cover_in_93_to_97_percent(rate: float, prompts: int, k: int) -> None:
    found = coverage.of_rates(rate, prompts, k, repeats=1000)
    assert found[coverage.WILSON].value > 0.99
    assert 0.93 <= found[coverage.RATE].value <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "prompts", "k"), [(0.01, 54, 5), (0.05, 54, 25), (0.01, 200, 25)])
def test_rates_of_few_events_have_intervals_that_cover_more_than_they_say(rate: float, prompts: int, k: int) -> None:
    assert at_least(coverage.of_rates(rate, prompts, k, repeats=500)[coverage.RATE], 0.95)
