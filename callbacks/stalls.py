"""Single batches that took far longer than those around them, and where: before the step, or in it."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

LEAST_S = 0.25  # below, a pause may be the operating system's
TIMES = 10.0  # the usual time of a batch
RECENT = 200  # batches that tell the usual time
RENEW = 20  # batches after which it is taken anew, and before which none is judged
NAMED = 10  # pauses that are told one by one, the longest


class Stalls:
    """Pauses, from the end of a batch to the end of the next.

    What measuring costs is taken off. A span that an epoch, a validation or a checkpoint lies in is not looked at.

    Args:
        clock: Seconds.

    Attributes:
        count: How many there were.
        seconds: What they took beyond the usual time.
        loading_s: How much of that passed before the batch was there.
        longest_s: The longest, beyond the usual time.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.count, self.seconds, self.loading_s, self.longest_s = 0, 0.0, 0.0, 0.0
        self._clock = clock
        self._since: tuple[float, float] | None = None  # end of the batch before, and cost of measuring until then
        self._there: float | None = None  # seconds from then until the next batch was there
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._passed, self._usual = 0, 0.0
        self._named: list[tuple[float, int]] = []

    def began(self, own: float, *, first: bool) -> None:
        """Take the time at which a batch is there.

        Args:
            own: Seconds that measuring has cost so far.
            first: Whether the batch is the first of its epoch.
        """
        self._there = None if self._since is None else self._after(self._since, own)
        if first:
            self.interrupted()

    def ended(self, own: float, step: int) -> None:
        """Take the time at which a batch is done."""
        if self._since is not None and self._there is not None:
            self._judge(self._there, self._after(self._since, own), step)
        self._since, self._there = (self._clock(), own), None

    def interrupted(self) -> None:
        """Forget the span: something else than training fills it."""
        self._since = self._there = None

    def document(self) -> dict[str, Any]:
        """Return what has been seen, for the record."""
        longest = [{"step": step, "seconds": seconds} for seconds, step in sorted(self._named, reverse=True)]
        return {
            "count": self.count,
            "seconds": self.seconds,
            "loading_s": self.loading_s,
            "longest_s": self.longest_s,
            "usual_s": self._usual,
            "longest": longest,
        }

    def _after(self, since: tuple[float, float], own: float) -> float:
        return max(0.0, self._clock() - since[0] - (own - since[1]))

    def _judge(self, loading_s: float, took_s: float, step: int) -> None:
        if self._passed >= RENEW and took_s > max(LEAST_S, TIMES * self._usual):
            over = took_s - self._usual
            self.count, self.seconds = self.count + 1, self.seconds + over
            self.loading_s += min(loading_s, over)
            self.longest_s = max(self.longest_s, over)
            self._named = sorted([*self._named, (over, step)], reverse=True)[:NAMED]
        self._recent.append(took_s)
        self._passed += 1
        if self._passed % RENEW == 0:
            self._usual = statistics.median(self._recent)
