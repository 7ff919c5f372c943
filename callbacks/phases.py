"""Which phase a run is in, and since when: what its time and its energy are attributed to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TRAINING, VALIDATION, GENERATION, CHECKPOINT = "training", "validation", "generation", "checkpoint"
PHASES = (TRAINING, VALIDATION, GENERATION, CHECKPOINT)


class Phases:
    """A run's phases, one at a time, by the monotonic clock.

    A checkpoint has no hook at its end: its phase ends with the next batch, validation or other phase.

    Attributes:
        listeners: Called after every switch.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = [(clock(), TRAINING)]
        self._past = dict.fromkeys(PHASES, 0.0)
        self.listeners: list[Callable[[], None]] = []

    @property
    def current(self) -> str:
        """The phase of now."""
        return self._begun[-1][1]

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds in each phase so far; together those since the run began."""
        lately = self.between(self._begun[0][0], self._clock())
        return {name: self._past[name] + lately[name] for name in PHASES}

    def switch(self, name: str) -> None:
        """Begin a phase.

        Raises:
            ValueError: There is no such phase.
        """
        if name not in PHASES:
            raise ValueError(f"a phase is one of {', '.join(PHASES)}, got {name!r}")
        if name == self.current:
            return
        self._begun.append((self._clock(), name))
        for listener in self.listeners:
            listener()

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Be in a phase inside, and after it in the one of before."""
        before = self.current
        self.switch(name)
        try:
            yield
        finally:
            self.switch(before)

    def between(self, start: float, end: float) -> dict[str, float]:
        """Return the seconds of each phase between two times that have not been forgotten."""
        found = dict.fromkeys(PHASES, 0.0)
        ends = [*(begin for begin, _ in self._begun[1:]), max(end, self._begun[-1][0])]
        for (begin, name), until in zip(self._begun, ends, strict=True):
            found[name] += max(0.0, min(until, end) - max(begin, start))
        return found

    def forget(self, until: float) -> None:
        """Keep no more than sums of what was before a time."""
        while len(self._begun) > 1 and self._begun[1][0] <= until:
            begin, name = self._begun.pop(0)
            self._past[name] += self._begun[0][0] - begin
