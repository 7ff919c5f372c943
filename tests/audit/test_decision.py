"""Of three answers, pass and fail are given only where the numbers show them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from groundwire.audit.decision import MOST, Answer, bound_within, difference_within
from hypothesis import assume, given, settings
from hypothesis import strategies as st

tolerances = st.floats(0.001, 0.5)
calm = settings(deadline=None)


@dataclass(frozen=True)
class Seen:
    value: float
    low: float
    high: float
    p: float
    n: int

    def within(self, tolerance: float, confidence: float = 0.95) -> Answer:
        return difference_within(
            tolerance, value=self.value, low=self.low, high=self.high, p=self.p, n=self.n, confidence=confidence
        )


@st.composite
def differences(draw: st.DrawFn) -> Seen:
    low, value, high = sorted(draw(st.lists(st.floats(0, 1), min_size=3, max_size=3)))
    p = draw(st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.05, 0.049, 0.051])))
    return Seen(value, low, high, p, draw(st.integers(2, 2000)))


@calm
@given(differences(), tolerances, st.sampled_from([0.9, 0.95, 0.99]))
def test_it_fails_only_what_is_no_chance_and_large(seen: Seen, tolerance: float, confidence: float) -> None:
    answer = seen.within(tolerance, confidence)
    if answer.outcome == "fail":
        assert seen.p < 1 - confidence
        assert seen.value >= tolerance
    elif seen.value >= tolerance:
        assert seen.p >= 1 - confidence - 1e-8


@calm
@given(differences(), tolerances)
def test_it_passes_only_below_the_upper_bound(seen: Seen, tolerance: float) -> None:
    answer = seen.within(tolerance)
    assert (answer.outcome == "pass") == (seen.high < tolerance)
    assert bool(answer.reason) == (answer.outcome != "pass")
    assert answer.needed is None or answer.outcome == "unknown"


@calm
@given(differences(), tolerances)
def test_what_would_tell_is_more_than_there_is(seen: Seen, tolerance: float) -> None:
    needed = seen.within(tolerance).needed
    if needed is not None:
        assert seen.n < needed <= MOST + 1


@pytest.mark.slow
@calm
@given(differences(), tolerances)
def test_so_many_would_bring_the_bound_below_the_tolerance(seen: Seen, tolerance: float) -> None:
    needed = seen.within(tolerance).needed
    assume(needed is not None and seen.value < tolerance)
    assert needed is not None
    shorter = (seen.high - seen.value) * math.sqrt(seen.n / needed)
    assert seen.value + shorter <= tolerance * (1 + 1e-9)


@pytest.mark.slow
@calm
@given(differences(), tolerances, tolerances)
def test_a_larger_tolerance_takes_no_more(seen: Seen, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assume(seen.value < small)
    strict, loose = seen.within(small), seen.within(large)
    if strict.outcome == "pass":
        assert loose.outcome == "pass"
    elif strict.needed is not None and loose.outcome == "unknown":
        assert loose.needed is not None
        assert loose.needed <= strict.needed


def test_a_p_value_that_is_the_level_is_no_proof() -> None:
    assert 1 - 0.95 > 0.05  # which is why
    assert Seen(0.2, 0.0, 0.4, 0.05, 100).within(0.1).outcome == "unknown"
    assert Seen(0.2, 0.0, 0.4, 0.0498, 100).within(0.1).outcome == "fail"


def test_a_difference_on_the_tolerance_fails_and_a_bound_on_it_does_not_pass() -> None:
    assert Seen(0.05, 0.01, 0.09, 0.001, 100).within(0.05).outcome == "fail"
    assert Seen(0.01, 0.0, 0.05, 0.5, 100).within(0.05).outcome == "unknown"


@pytest.mark.parametrize(
    ("seen", "tolerance", "needed"),
    [
        (Seen(0.02, 0.0, 0.08, 0.5, 100), 0.05, 400),  # to be told from the tolerance: twice too wide
        (Seen(0.10, 0.0, 0.25, 0.3, 54), 0.05, 122),  # to be told from 0: 1.5 times too wide
        (Seen(0.02, 0.0, 0.0501, 0.5, 100), 0.05, 101),  # at least one more
        (Seen(0.04999999, 0.0, 0.2, 0.5, 100), 0.05, None),  # on the tolerance: no sample tells
        (Seen(0.0, 0.0, 0.1, 1.0, 100), 0.0, None),  # no difference at all cannot be shown
    ],
)
def test_how_many_would_tell(seen: Seen, tolerance: float, needed: int | None) -> None:
    answer = seen.within(tolerance)
    assert (answer.outcome, answer.needed) == ("unknown", needed)
    assert ("would tell" in answer.reason) == (needed is not None)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -0.01])
@pytest.mark.parametrize("name", ["value", "low", "high", "p"])
def test_numbers_that_are_none_give_no_answer(name: str, bad: float) -> None:
    sound = {"value": 0.01, "low": 0.0, "high": 0.02, "p": 0.5}
    answer = Seen(**(sound | {name: bad}), n=100).within(0.05)
    assert answer == Answer(outcome="unknown", reason="its value, bounds and p contradict one another")


@pytest.mark.parametrize(
    "seen", [Seen(0.3, 0.0, 0.2, 0.5, 9), Seen(0.0, 0.1, 0.2, 0.5, 9), Seen(0.1, 0.0, 0.2, 2, 9)]
)
def test_numbers_that_contradict_one_another_give_no_answer(seen: Seen) -> None:
    assert seen.within(0.9).outcome == "unknown"


@calm
@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3), st.lists(st.floats(-2, 2), min_size=2, max_size=2))
def test_an_interval_is_inside_outside_or_across(ends: list[float], limits: list[float]) -> None:
    (low, value, high), (minimum, maximum) = sorted(ends), sorted(limits)
    answer = bound_within(minimum, maximum, value=value, low=low, high=high, n=50)
    assert (answer.outcome == "pass") == (minimum <= low and high <= maximum)
    assert (answer.outcome == "fail") == (low > maximum or high < minimum)
    if answer.needed is not None:
        assert answer.outcome == "unknown"
        assert 50 < answer.needed <= MOST + 1


@pytest.mark.parametrize(
    ("minimum", "maximum", "interval", "needed"),
    [
        (None, 0.05, (0.01, 0.03, 0.07), 400),  # the upper arm is twice too long
        (None, 0.05, (0.03, 0.06, 0.07), 900),  # the value is beyond: it is the lower arm that counts
        (0.5, None, (0.4, 0.6, 0.7), 400),
        (0.02, 0.05, (0.01, 0.03, 0.07), 400),  # both ends: the one that takes more
        (None, 0.05, (0.01, 0.05, 0.07), None),  # on the limit
    ],
)
def test_the_arm_that_reaches_over_the_limit_says_how_many(
    minimum: float | None, maximum: float | None, interval: tuple[float, float, float], needed: int | None
) -> None:
    low, value, high = interval
    answer = bound_within(minimum, maximum, value=value, low=low, high=high, n=100)
    assert answer.outcome == "unknown"
    assert answer.needed == (None if needed is None else pytest.approx(needed, abs=1))


def test_without_a_number_of_units_nobody_knows_how_many() -> None:
    answer = bound_within(None, 0.05, value=0.03, low=0.01, high=0.07, n=None)
    assert answer == Answer(outcome="unknown", reason="the true value may be 0.01 to 0.07")


@pytest.mark.parametrize("interval", [(0.01, 0.1, 0.07), (math.nan, 0.03, 0.07), (0.0, math.nan, 0.1)])
def test_a_value_outside_its_interval_gives_no_answer(interval: tuple[float, float, float]) -> None:
    low, value, high = interval
    answer = bound_within(None, 0.5, value=value, low=low, high=high, n=100)
    assert answer == Answer(outcome="unknown", reason="its value lies outside its own interval")
