"""What counts as waiting for data and what does not, by a clock of our own."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from groundwire.callbacks.waits import FLOOR_S, Waits, events_of
from hypothesis import given
from hypothesis import strategies as st


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Queue:
    """A device that works through what it was given, later than it was given."""

    clock: Clock
    free_at: float = 0.0
    passed: float = field(default=float("inf"))

    def work(self, seconds: float) -> None:
        self.free_at = max(self.free_at, self.clock.now) + seconds

    def event(self) -> Event:
        return Event(self)


@dataclass
class Event:
    """Stands for `torch.cuda.Event`."""

    queue: Queue
    at: float = -1.0

    def record(self) -> None:
        self.at = max(self.queue.free_at, self.queue.clock.now)

    def query(self) -> bool:
        return self.at <= self.queue.passed

    def elapsed_time(self, other: Event) -> float:
        return 1000 * (other.at - self.at)


def step(
    waits: Waits, clock: Clock, *, wait: float, work: float = 0.02, own: float = 0.0, first: bool = False
) -> None:
    clock.now += wait + own
    waits.began(own, first=first)
    clock.now += work
    waits.ended(0.0)


@given(st.lists(st.integers(0, 1000).map(lambda number: number / 999), max_size=30), st.floats(0, 1))
def test_waits_of_a_millisecond_and_more_are_summed(gaps: list[float], start: float) -> None:
    clock = Clock()
    waits = Waits(clock=clock)
    waits.ended(0.0)
    step(waits, clock, wait=start, first=True)
    for gap in gaps:
        step(waits, clock, wait=gap)
    assert waits.waited_s == pytest.approx(sum(gap for gap in gaps if gap >= FLOOR_S), abs=1e-9)
    assert waits.startup_s == pytest.approx(start)
    assert (waits.gaps, waits.epochs) == (len(gaps), 1)


def test_what_measuring_costs_is_no_wait() -> None:
    clock = Clock()
    waits = Waits(clock=clock)
    waits.ended(0.0)
    for _ in range(10):
        step(waits, clock, wait=0.0005, own=0.3)
    assert waits.waited_s == 0.0


def test_a_gap_that_something_else_fills_is_no_wait() -> None:
    clock = Clock()
    waits = Waits(clock=clock)
    waits.ended(0.0)
    waits.interrupted()  # a validation begins
    clock.now += 60
    waits.ended(0.0)  # and ends
    step(waits, clock, wait=0.011)
    assert waits.waited_s == pytest.approx(0.011)


def test_a_batch_without_an_end_before_it_counts_nothing() -> None:
    waits = Waits(clock=Clock())
    waits.began(0.0, first=False)
    assert (waits.waited_s, waits.gaps) == (0.0, 0)


@pytest.mark.parametrize(("work", "idle"), [(0.0, 0.03), (0.02, 0.01), (0.05, 0.0)])
def test_a_device_that_is_still_busy_does_not_wait(work: float, idle: float) -> None:
    """The process hands over `work` seconds in no time and waits 30 ms for each batch."""
    clock = Clock()
    queue = Queue(clock)
    waits = Waits(queue.event, clock)
    waits.ended(0.0)
    for number in range(50):
        clock.now += 0.03
        waits.began(0.0, first=number == 0)
        queue.work(work)
        waits.ended(0.0)
    assert waits.waited_s == 0.0  # nothing is read before it is asked for
    waits.settle()
    assert waits.waited_s == pytest.approx(49 * idle, abs=1e-6)


def test_events_that_the_device_has_not_passed_are_left() -> None:
    clock = Clock()
    queue = Queue(clock, passed=0.5)
    waits = Waits(queue.event, clock)
    waits.ended(0.0)
    for _ in range(10):
        clock.now += 0.101
        waits.began(0.0, first=False)
        waits.ended(0.0)
    waits.settle()
    assert waits.waited_s == pytest.approx(0.404)
    queue.passed = 10.0
    waits.settle()
    assert waits.waited_s == pytest.approx(1.01)


def test_only_a_device_with_a_queue_of_its_own_gets_events() -> None:
    assert events_of(torch.device("cpu")) is None
    assert events_of(torch.device("cuda", 0)) is not None
