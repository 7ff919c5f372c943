"""GL, P, PQ and UP are those of the paper."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from groundwire.audit.prechelt import (
    Course,
    Criterion,
    generalisation_loss,
    progress,
    progress_quotient,
    rising_strips,
)
from hypothesis import given
from hypothesis import strategies as st

LOSSES = st.lists(st.floats(min_value=0.01, max_value=100), min_size=1, max_size=40)


def test_the_generalisation_loss_is_relative_to_the_lowest_so_far() -> None:
    assert generalisation_loss([2.0, 1.0, 1.1, 0.5, 0.6]) == pytest.approx([0, 0, 10, 0, 20])


def test_progress_looks_back_over_one_strip() -> None:
    found = progress([4.0, 2.0, 3.0, 3.0], strip=3)
    assert np.isnan(found[:2]).all()
    # Σ / (k · min) − 1, by hand: 9 / 6 − 1 and 8 / 6 − 1
    assert found[2:] == pytest.approx([500.0, 1000 / 3])


def test_the_quotient_is_loss_over_progress() -> None:
    found = progress_quotient([1.0, 1.0, 1.2, 1.2], [4.0, 2.0, 3.0, 3.0], strip=3)
    assert found[2:] == pytest.approx([20 / 500, 20 / (1000 / 3)])


def test_where_training_stands_still_the_quotient_is_infinite_or_nothing() -> None:
    assert progress([0.1] * 7).tolist()[4:] == [0.0] * 3
    found = progress_quotient([1.0] * 6 + [1.1], [0.1] * 7)
    assert found[4:].tolist() == [0.0, 0.0, math.inf]


def test_strips_are_compared_end_to_end() -> None:
    rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert rising_strips(rising, strip=1).tolist() == [0, 1, 2, 3, 4, 5]
    assert rising_strips(rising, strip=2).tolist() == [0, 0, 1, 1, 2, 2]
    assert rising_strips([1.0, 2.0, 1.5, 2.0, 3.0], strip=1).tolist() == [0, 1, 0, 1, 2]


def test_rising_needs_no_ratio() -> None:
    assert rising_strips([-3.0, -2.0, 0.0], strip=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("worst", [0.0, -1.0])
def test_ratios_of_losses_that_are_not_positive_are_refused(worst: float) -> None:
    with pytest.raises(ValueError, match=r"validation loss is .*, not positive; UP"):
        generalisation_loss([1.0, worst])
    with pytest.raises(ValueError, match=r"training loss is .*, not positive"):
        progress([1.0, worst])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_losses_that_are_not_finite_are_refused(bad: float) -> None:
    for function in (generalisation_loss, rising_strips):
        with pytest.raises(ValueError, match="finite validation losses"):
            function([1.0, bad])


def test_strips_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 validations, got 1"):
        progress([1.0], strip=1)
    with pytest.raises(ValueError, match="at least one validation, got 0"):
        rising_strips([1.0], strip=0)
    with pytest.raises(ValueError, match="each of 2 validations, got 1"):
        progress_quotient([1.0, 2.0], [1.0])


@given(LOSSES, st.floats(min_value=0.1, max_value=10))
def test_no_criterion_depends_on_the_scale_of_the_loss(losses: list[float], factor: float) -> None:
    scaled = [loss * factor for loss in losses]
    assert generalisation_loss(scaled) == pytest.approx(generalisation_loss(losses), rel=1e-6, abs=1e-6)
    assert progress(scaled) == pytest.approx(progress(losses), rel=1e-6, abs=1e-6, nan_ok=True)


@given(LOSSES)
def test_bounds(losses: list[float]) -> None:
    lost, gained, rises = generalisation_loss(losses), progress(losses), rising_strips(losses, strip=2)
    assert (lost >= 0).all()
    assert lost[0] == 0
    assert (gained[~np.isnan(gained)] >= 0).all()
    assert ((rises >= 0) & (rises <= np.arange(len(losses)) // 2)).all()


@given(LOSSES, st.data())
def test_a_course_says_what_the_series_say_also_over_a_resume(losses: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(losses)))
    course = Course()
    for step, loss in enumerate(losses[:cut]):
        course.add(step, loss, loss if step else math.nan)
    resumed = Course()
    resumed.restore(json.loads(json.dumps(course.state(), allow_nan=False)))
    for step, loss in enumerate(losses[cut:], start=cut):
        resumed.add(step, loss, loss if step else math.nan)
    training = [math.nan, *losses[1:]]
    expected: dict[Criterion, float] = {
        "gl": generalisation_loss(losses)[-1],
        "pq": progress_quotient(losses, training)[-1],
        "up": rising_strips(losses)[-1],
    }
    for criterion, value in expected.items():
        assert resumed.value(criterion) == pytest.approx(value, nan_ok=True)


def test_a_course_leaves_out_what_is_not_finite_and_replaces_the_same_step() -> None:
    course = Course(strip=2)
    assert math.isnan(course.value("gl"))
    course.add(10, 1.0, 0.5)
    course.add(20, math.nan, 0.5)
    assert course.steps == [10]
    course.add(20, 3.0, 0.4)
    course.add(20, 2.0)
    assert (course.steps, course.validation, course.training) == ([10, 20], [1.0, 2.0], [0.5, 0.4])
    assert course.ends_strip
    assert course.value("gl") == pytest.approx(100)
