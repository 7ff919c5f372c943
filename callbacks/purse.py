"""What measuring may cost: a share of the training's time, kept by spacing out what can be spaced out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BUDGET = 0.01  # share of the time that measuring may take
GRACE_S = 0.1  # what each account may take at the start all the same
UPDATES, SAMPLES, PROBES = "updates", "samples", "probes"
SHARES = {UPDATES: 0.15, SAMPLES: 0.25, PROBES: 0.6}  # most rules read updates: no other sample delays them
LEAST = 0.25  # of the budget, for all accounts, where what every step costs has used it up


class Purse:
    """Seconds that the accounts of `SHARES` may take.

    What is done at every step and the writing of the record come first and are never left out: the accounts
    share what that leaves of the budget, at least a quarter of it.

    Attributes:
        started: When the run began, by the monotonic clock.
        spent: Seconds that went into each account so far.
    """

    def __init__(self, budget: float, cost: Callable[[], float]) -> None:
        """Begin to count.

        Args:
            budget: Share of the time since now.
            cost: Returns the seconds of all that measuring has done so far, the accounts among it.
        """
        self.started = time.monotonic()
        self.spent = dict.fromkeys(SHARES, 0.0)
        self._budget, self._cost = budget, cost

    def left(self, kind: str) -> float:
        """Return the seconds that an account has left."""
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
