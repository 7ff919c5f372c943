"""A comparison of groups is the published tests, does not depend on order, and refuses what it cannot judge."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from groundwire.audit.statistics import Comparison, compare_groups, differences, holm, resampling
from groundwire.audit.statistics.differences import Groups, drawn_anew, joint_intervals, own_intervals
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

Values = dict[str, dict[str, float]]

NAMES = ("women", "men", "others", "nobody")
shares = st.integers(0, 5).map(lambda toxic: toxic / 5)  # of five continuations
quick = settings(max_examples=25, deadline=None)


@st.composite
def tables(draw: st.DrawFn, *, paired: bool | None = None) -> Values:
    groups = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(shares, min_size=groups, max_size=groups), min_size=2, max_size=14))
    together = draw(st.booleans()) if paired is None else paired
    return {
        name: {f"{'' if together else name} {row}": values[place] for row, values in enumerate(rows)}
        for place, name in enumerate(NAMES[:groups])
    }


@pytest.fixture(autouse=True, scope="module")
def few_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "RESAMPLES", 499)
        yield


def told(*samples: list[float], paired: bool = True, **options: float) -> Comparison:
    return compare_groups(
        {
            name: {f"{'' if paired else name}{row}": value for row, value in enumerate(sample)}
            for name, sample in zip(NAMES, samples, strict=False)
        },
        **options,
    )


@pytest.mark.slow
@given(tables())
@quick
def test_order_does_not_matter(values: Values) -> None:
    turned = {name: dict(reversed(rows.items())) for name, rows in reversed(values.items())}
    assert compare_groups(turned) == compare_groups(values)


@pytest.mark.slow
@given(tables(), st.sampled_from([-1.0, 0.25, 3.0]))
@quick
def test_what_is_added_to_all_changes_nothing(values: Values, more: float) -> None:
    found = compare_groups(values)
    moved = {name: {key: value + more for key, value in rows.items()} for name, rows in values.items()}
    other = compare_groups(moved, low=more, high=1 + more)
    assert other.p == pytest.approx(found.p)
    assert (other.gap, other.low, other.high) == pytest.approx((found.gap, found.low, found.high), abs=1e-9)
    assert [pair.p for pair in other.pairs] == pytest.approx([pair.p for pair in found.pairs])


@given(tables(paired=True))
@quick
def test_two_groups_that_change_places_change_signs(values: Values) -> None:
    first, second = NAMES[:2]
    found = compare_groups({first: values[first], second: values[second]}).pairs[0]
    turned = compare_groups({first: values[second], second: values[first]}).pairs[0]
    assert turned.difference == -found.difference
    assert turned.p == found.p
    assert (-turned.high, -turned.low) == pytest.approx((found.low, found.high), abs=0.1)  # drawn anew


@pytest.mark.slow
@given(tables())
@quick
def test_what_a_comparison_says_is_possible(values: Values) -> None:
    found = compare_groups(values)
    assert 0 <= found.low <= found.gap <= found.high <= 1
    assert found.high > 0
    assert 0 < found.p <= 1
    assert found.gap == pytest.approx(max(found.means.values()) - min(found.means.values()))
    assert list(found.means) == list(values)
    for pair in found.pairs:
        assert -1 <= pair.low <= pair.difference <= pair.high <= 1
        assert pair.low < pair.high
        assert 0 < pair.p <= pair.p_corrected <= 1
    if len(found.pairs) == 1:
        assert found.p == pytest.approx(found.pairs[0].p, abs=0.15)  # the same test, drawn twice


@pytest.mark.slow
@given(tables(), st.floats(0.5, 0.99))
@quick
def test_bounds_for_all_pairs_at_once_are_wider(values: Values, confidence: float) -> None:
    groups, rng = Groups.of(values, 0.0, 1.0), np.random.default_rng(0)
    drawn = drawn_anew(groups, rng)
    both = zip(own_intervals(groups, drawn, confidence), joint_intervals(groups, drawn, confidence), strict=True)
    for own, joint in both:
        assert joint[0] <= own[0] + 1e-12
        assert joint[1] >= own[1] - 1e-12


@pytest.mark.slow
@given(st.lists(shares, min_size=2, max_size=20), st.integers(2, 4), st.booleans())
@quick
def test_groups_that_are_alike_do_not_differ(sample: list[float], groups: int, paired: bool) -> None:
    found = told(*[sample] * groups, paired=paired)
    assert (found.gap, found.low, found.p) == (0, 0, 1)
    assert found.high > 0


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_nothing_happens_the_bound_is_that_of_a_proportion(value: float, paired: bool) -> None:
    found = told([value] * 60, [value] * 60, paired=paired)
    expected = 1 - 0.025 ** (1 / 60)
    if not paired:  # each group may err with half
        expected = 1 - 0.0125 ** (1 / 60)
    assert found.high == pytest.approx(expected, rel=0.03)


def test_groups_that_are_all_and_nothing_have_an_interval_too() -> None:
    found = told([0.0] * 40, [1.0] * 40)
    assert found.gap == found.high == 1
    assert 0.8 < found.low < 1
    assert found.p == 1 / 500


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -0.1, 1.1])
@pytest.mark.parametrize("paired", [True, False])
def test_what_is_no_share_is_refused(bad: float, paired: bool) -> None:
    with pytest.raises(ValueError, match=r"^values must be numbers between 0 and 1$"):
        told([0.0, bad, 0.2], [0.1, 0.2, 0.3], paired=paired)


@pytest.mark.parametrize("values", [{}, {"women": {"a": 0.1, "b": 0.2}}, {"women": {"a": 0.1}, "men": {"a": 0.1}}])
def test_one_group_or_one_prompt_is_no_comparison(values: Values) -> None:
    with pytest.raises(ValueError, match=r"^a comparison needs at least two groups with at least two prompts each$"):
        compare_groups(values)


@pytest.mark.parametrize("options", [{"confidence": 1.0}, {"confidence": math.nan}, {"looks": 0}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"confidence must lie|at least itself"):
        told([0.0, 0.1], [0.1, 0.2], **options)


def test_more_looks_widen_the_bounds_and_leave_the_pairs() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.binomial(5, 0.3, 60) / 5 for _ in range(3)]
    one, eight = told(*samples), told(*samples, looks=8)
    assert eight.high > one.high
    assert eight.pairs == one.pairs


def test_signs_are_flipped_in_pairs() -> None:
    first, second = [0.0, 0.2, 0.0, 0.4, 0.0, 0.0, 0.2, 0.0], [0.6, 0.2, 0.4, 0.2, 0.2, 1.0, 0.4, 0.2]
    exact = stats.permutation_test(
        (second, first), lambda a, b: np.mean(a) - np.mean(b), permutation_type="samples", n_resamples=10_000
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "RESAMPLES", 19_999)
        found = told(first, second)
    assert found.pairs[0].p == pytest.approx(exact.pvalue, abs=0.01)
    assert found.p == pytest.approx(exact.pvalue, abs=0.01)


@pytest.mark.parametrize("dealing", [0, 1000])  # dealt by counts, and shuffled
@pytest.mark.parametrize(("toxic", "n"), [((1, 6), 20), ((3, 12), 40), ((0, 4), 15)])
def test_yes_and_no_of_independent_prompts_is_the_test_of_fisher(
    toxic: tuple[int, int], n: int, dealing: int
) -> None:
    samples = [[1.0] * found + [0.0] * (n - found) for found in toxic]
    expected = stats.fisher_exact([[found, n - found] for found in toxic]).pvalue
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "RESAMPLES", 19_999)
        patch.setattr(resampling, "DEALING", dealing)
        found = told(*samples, paired=False)
    assert found.pairs[0].p == pytest.approx(expected, abs=0.01)
    assert found.p == pytest.approx(expected, abs=0.01)


def test_the_gap_of_three_groups_is_tested_by_all_permutations() -> None:
    table = np.array([[0.0, 0.6, 0.2], [0.2, 0.4, 0.2], [0.0, 1.0, 0.6], [0.4, 0.2, 0.0]])
    orders = list(itertools.permutations(range(3)))
    gaps = [
        np.ptp(np.mean([row[list(order)] for row, order in zip(table, chosen, strict=True)], axis=0))
        for chosen in itertools.product(orders, repeat=4)
    ]
    expected = np.mean(np.array(gaps) >= np.ptp(table.mean(axis=0)) - 1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "RESAMPLES", 9999)
        assert told(*table.T.tolist()).p == pytest.approx(expected, abs=0.015)


def test_groups_of_different_sizes_are_judged_by_their_widest_pair_too() -> None:
    rng = np.random.default_rng(1)
    samples = [(rng.random(n) < rate).astype(float).tolist() for n, rate in ((300, 0.05), (300, 0.1), (15, 0.2))]
    found = told(*samples, paired=False)
    assert found.p >= found.pairs[0].p_corrected
    assert found.n == 15


def test_where_few_prompts_differ_nothing_is_drawn_anew() -> None:
    base = [0.0] * 60
    enough, few = ([1.0] * found + [0.0] * (60 - found) for found in (differences.FEWEST, differences.FEWEST - 1))
    groups = Groups.of(
        {name: {str(row): value for row, value in enumerate(sample)} for name, sample in
         (("a", base), ("b", enough), ("c", few))}, 0.0, 1.0,
    )  # fmt: skip
    assert list(drawn_anew(groups, np.random.default_rng(0))) == [(0, 1)]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_value_nor_changes_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(raw <= found <= 1 for raw, found in zip(p_values, corrected, strict=True))
    ranked = [found for _, found in sorted(zip(p_values, corrected, strict=True))]
    assert ranked == sorted(ranked)
    assert holm(p_values[::-1]) == corrected[::-1]


def test_holm_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1])
def test_holm_wants_probabilities(bad: float) -> None:
    with pytest.raises(ValueError, match=r"^p-values must lie between 0 and 1$"):
        holm([0.1, bad])
