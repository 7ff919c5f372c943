"""How long training waited for its next batch: from the end of a batch to the start of the next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

FLOOR_S = 1e-3  # what passes between two batches even where the next one is there
OPEN = 4096  # gaps that may wait for the device to have passed them


class _Mark(NamedTuple):
    """When a batch ended, what measuring had cost until then, and the same moment on the device."""

    at: float
    own: float
    event: Any


class Waits:
    """Seconds spent waiting for data.

    What measuring costs between two batches is taken off, and a gap of less than a millisecond is no wait: it passes
    even where the next batch is there. The first batch of an epoch is counted apart, because it also starts the
    loader's workers.

    A device with its own queue may still be busy while the process waits. There, an event is put into the queue
    at both ends of a gap and read long after it has passed, and the shorter of both times counts.

    Args:
        event: Returns a fresh timing event of the device; None where the process computes itself.
        clock: Seconds.

    Attributes:
        waited_s: Seconds so far.
        startup_s: Seconds before the first batches of epochs.
        epochs: How many of those there were.
        gaps: How many others.
    """

    def __init__(
        self, event: Callable[[], Any] | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.waited_s = self.startup_s = 0.0
        self.epochs = self.gaps = 0
        self._event, self._clock = event, clock
        self._mark: _Mark | None = None
        self._open: deque[tuple[float, Any, Any]] = deque(maxlen=OPEN)

    def ended(self, own: float) -> None:
        """Begin to wait.

        Args:
            own: Seconds that measuring has cost so far.
        """
        self._mark = _Mark(self._clock(), own, self._recorded())

    def interrupted(self) -> None:
        """Forget the gap: something else than waiting for data fills it."""
        self._mark = None

    def began(self, own: float, *, first: bool) -> None:
        """End the gap: a batch is there.

        Args:
            own: Seconds that measuring has cost so far.
            first: Whether the batch is the first of its epoch.
        """
        mark, self._mark = self._mark, None
        if mark is None:
            return
        gap = max(0.0, self._clock() - mark.at - (own - mark.own))
        if first:
            self.startup_s += gap
            self.epochs += 1
            return
        self.gaps += 1
        if gap >= FLOOR_S and mark.event is None:
            self.waited_s += gap
        elif gap >= FLOOR_S:
            self._open.append((gap, mark.event, self._recorded()))

    def settle(self) -> None:
        """Read the events that the device has passed; none of them is waited for."""
        while self._open and self._open[0][2].query():
            gap, start, end = self._open.popleft()
            idle_s = min(gap, float(start.elapsed_time(end)) / 1000)
            self.waited_s += idle_s if idle_s >= FLOOR_S else 0.0

    def _recorded(self) -> Any:
        if self._event is None:
            return None
        event = self._event()
        event.record()
        return event


def events_of(device: torch.device) -> Callable[[], Any] | None:
    """Return what makes timing events of a device, None where it has no queue of its own that tells times."""
    if device.type != "cuda":
        return None
    return lambda: torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
