"""codecarbon's offline tracker on a thread of its own, so that no step waits for it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .account import Account, MeterError, Reading, provenance
from .grid import grid_of, intensity
from .locating import locate

OURS = "groundwire-carbon"  # name of the thread
NEVER_S = 1e7  # codecarbon's own period: it would measure on a second thread, and count twice what both see
LEAST_S = 0.2  # of metering, before which codecarbon's figures say nothing


class Meter:
    """Meters a machine until it is stopped.

    Attributes:
        facts: What every reading has in common, once known: provenance, location, intensity.
        problem: What keeps it from measuring, or an empty string.

    Args:
        options: Of codecarbon; only what the user has set, because a None would override codecarbon's configuration.
        period_s: Seconds between two readings.
        look_up: Whether to ask the network where the machine stands.
    """

    def __init__(self, options: Mapping[str, Any], *, period_s: float, look_up: bool = False) -> None:
        self.facts: dict[str, Any] | None = None
        self.problem = ""
        self._period_s, self._look_up = period_s, look_up
        self._created = time.monotonic()
        self._readings: deque[Reading] = deque()
        self._account = Account(period_s)
        self._ask = threading.Event()
        self._end = False
        self._thread = threading.Thread(target=self._live, args=(options,), daemon=True, name=OURS)
        self._thread.start()

    def ask(self) -> None:
        """Ask for a reading; it can be taken a moment later."""
        self._ask.set()

    def take(self) -> list[Reading]:
        """Return the readings since the last time."""
        return [self._readings.popleft() for _ in range(len(self._readings))]

    def stop(self, patience_s: float) -> str:
        """Stop; return what went wrong, or an empty string."""
        self._end = True
        self._ask.set()
        self._thread.join(patience_s)
        return f"codecarbon did not stop within {patience_s:g} s" if self._thread.is_alive() else self.problem

    def _live(self, options: Mapping[str, Any]) -> None:
        try:
            self._run(dict(options))
        except MeterError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 - reported by `stop`
            self.problem = f"codecarbon: {type(error).__name__}: {error}"

    def _run(self, options: dict[str, Any]) -> None:
        from codecarbon import OfflineEmissionsTracker  # which sets up its logger

        with _muted():
            self._meter(OfflineEmissionsTracker, options)

    def _meter(self, kind: Any, options: dict[str, Any]) -> None:
        found = locate() if self._look_up else None
        totals = _totals_sink()
        tracker = kind(
            output_methods=[], output_handlers=[totals], allow_multiple_runs=True, tracking_mode="machine",
            log_level="critical", measure_power_secs=NEVER_S, pue=1.0, wue=0.0, output_dir=os.curdir,
            **(found or {}), **options,
        )  # fmt: skip
        schedulers: list[Any] = []
        try:
            tracker.start()
            schedulers = [getattr(tracker, name, None) for name in ("_scheduler", "_scheduler_monitor_power")]
            self._account.provenance = provenance(tracker)
            self._account.unmetered_s = time.monotonic() - _age(tracker, "_start_time") - self._created
            time.sleep(LEAST_S)
            while not self._end:
                self._ask.wait(self._period_s)
                self._ask.clear()
                if not self._end:
                    tracker.flush()
                    self._publish(tracker, totals, looked_up=bool(found))
        finally:
            tracker.stop()
            for scheduler in filter(None, schedulers):
                scheduler.stop()  # once more: a timer that fired while it was stopped has started another
        self._publish(tracker, totals, looked_up=bool(found))

    def _publish(self, tracker: Any, totals: Any, *, looked_up: bool) -> None:
        found, totals.total = totals.total, None
        if found is None:  # it swallows its own errors
            raise MeterError("codecarbon could not measure on this machine")
        reading = self._account.add(found, age_s=_age(tracker, "_last_measured_time"))
        if self.facts is None:
            grid = grid_of(tracker, found, looked_up=looked_up)
            self.facts = grid | {
                "provenance": self._account.provenance, "unmetered_s": self._account.unmetered_s,
            }  # fmt: skip
        self._readings.append(
            replace(reading, kg_per_kwh=intensity(found) if self.facts["intensity_source"] else None)
        )


def _age(tracker: Any, name: str) -> float:
    """Return the seconds since what a tracker has kept in an attribute; 0 where it does not."""
    then = getattr(tracker, name, None)
    return time.perf_counter() - then if isinstance(then, float) else 0.0


@contextmanager
def _muted() -> Iterator[None]:
    """Keep codecarbon quiet while it is ours: what it cannot do, `Meter.problem` tells."""
    log = logging.getLogger("codecarbon")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _totals_sink() -> Any:
    from codecarbon.output import BaseOutput

    class Totals(BaseOutput):  # type: ignore[misc] # codecarbon is not typed
        """Keeps the latest totals."""

        total: Any = None

        def out(self, total: Any, delta: Any) -> None:
            self.total = total

    return Totals()
