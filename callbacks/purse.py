"""What measuring may cost: a share of the training's time, kept by spacing out what can be spaced out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BUDGET = 0.01  # share of the time that measuring may take
GRACE_S = 0.1  # what samples, and probes, may take at the start all the same
SAMPLES, PROBES = "samples", "probes"
SHARES = {SAMPLES: 0.4, PROBES: 0.6}
LEAST = 0.25  # of the budget, for samples and probes, where what every step costs has used it up


class Purse:
    """Seconds that samples and probes may take.

    What is done at every step and the writing of the record come first and are never left out: samples and
    probes share what they leave of the budget, at least a quarter of it.

    Attributes:
        started: When the run began, by the monotonic clock.
        spent: Seconds that went into samples and probes so far.
    """

    def __init__(self, budget: float, cost: Callable[[], float]) -> None:
        """Begin to count.

        Args:
            budget: Share of the time since now.
            cost: Returns the seconds of all that measuring has done so far, samples and probes among it.
        """
        self.started = time.monotonic()
        self.spent = dict.fromkeys(SHARES, 0.0)
        self._budget, self._cost = budget, cost

    def left(self, kind: str) -> float:
        """Return the seconds left for samples or for probes."""
        whole = self._budget * (time.monotonic() - self.started)
        fixed = self._cost() - sum(self.spent.values())
        return SHARES[kind] * max(whole - fixed, LEAST * whole) + GRACE_S - self.spent[kind]

    @contextmanager
    def spending(self, kind: str) -> Iterator[None]:
        """Count what is done inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent[kind] += time.perf_counter() - began
