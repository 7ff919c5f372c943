"""Phases of a run: every second belongs to one of them."""

from __future__ import annotations

import pytest
from groundwire.callbacks.phases import PHASES, Phases
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def after(clock: Clock, seconds: float) -> None:
    clock.now += seconds


def test_a_phase_lasts_until_the_next_begins_and_a_nested_one_goes_back() -> None:
    clock = Clock()
    phases = Phases(clock)
    after(clock, 2)
    phases.switch("validation")
    after(clock, 3)
    with phases.during("generation"):
        after(clock, 5)
    after(clock, 1)
    assert phases.current == "validation"
    assert phases.seconds == {"training": 2, "validation": 4, "generation": 5, "checkpoint": 0}
    assert phases.between(4, 6) == {"training": 0, "validation": 1, "generation": 1, "checkpoint": 0}


@given(st.lists(st.tuples(st.sampled_from(PHASES), st.integers(0, 9), st.booleans()), max_size=30))
def test_the_seconds_of_phases_are_those_of_the_run_whatever_is_forgotten(
    steps: list[tuple[str, int, bool]],
) -> None:
    clock, kept = Clock(), Clock()
    phases, whole = Phases(clock), Phases(kept)
    for name, seconds, forget in steps:
        for one in (phases, whole):
            one.switch(name)
        after(clock, seconds)
        after(kept, seconds)
        if forget:
            phases.forget(clock.now)
    assert phases.seconds == whole.seconds
    assert sum(phases.seconds.values()) == clock.now


def test_listeners_hear_of_every_switch_and_no_phase_is_invented() -> None:
    phases, heard = Phases(Clock()), []
    phases.listeners.append(lambda: heard.append(phases.current))
    phases.switch("validation")
    phases.switch("validation")
    assert heard == ["validation"]
    with pytest.raises(
        ValueError, match="a phase is one of training, validation, generation, checkpoint, got 'lunch'"
    ):
        phases.switch("lunch")
