"""codecarbon's offline tracker on a thread of its own, so that no step waits for it."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..audit.ledger import KINDS
from .locating import locate

OURS = "groundwire-carbon"  # name of the thread
NEVER_S = 1e7  # codecarbon's own period: it would measure on a second thread, and count twice what both see
COUNTERS = ("rapl", "powermetrics", "gadget", "emi", "gpu", "raspberry", "slurm")
LATE_S = 60.0  # beyond three periods: later than that, the process may have slept
LEAST_S = 0.2  # of metering, before which codecarbon's figures say nothing


_log = logging.getLogger("codecarbon")


class MeterError(Exception):
    """Says why energy cannot be measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Energy since the meter began.

    Attributes:
        at: When it was read, by the monotonic clock.
        kwh: Energy of each component, before PUE (kWh).
        duration_s: Seconds since the meter was made: those in which it started are taken to have cost as much as
            those right after.
        asleep_s: Of these, seconds that the process slept; models of power know nothing of them.
        kg_per_kwh: Intensity of the grid so far; None where codecarbon silently used a world mean.
    """

    at: float
    kwh: Mapping[str, float]
    duration_s: float
    asleep_s: float = 0.0
    kg_per_kwh: float | None = None

    @property
    def total_kwh(self) -> float:
        """Energy of all components (kWh)."""
        return sum(self.kwh.values())


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
        _log.addFilter(_of_others)
        try:
            self._run(dict(options))
        except MeterError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 - reported by `stop`
            self.problem = f"codecarbon: {type(error).__name__}: {error}"

    def _run(self, options: dict[str, Any]) -> None:
        from codecarbon import OfflineEmissionsTracker

        found = locate() if self._look_up else None
        totals = _totals_sink()
        tracker = OfflineEmissionsTracker(
            output_methods=[], output_handlers=[totals], allow_multiple_runs=True, tracking_mode="machine",
            log_level=_log.level or "critical", measure_power_secs=NEVER_S, pue=1.0, wue=0.0, output_dir=os.curdir,
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
            replace(reading, kg_per_kwh=_intensity(found) if self.facts["intensity_source"] else None)
        )


class Account:
    """Adds up what codecarbon counts, without the energy that models invent for a time in which the process slept.

    Attributes:
        provenance: How the energy of each component is obtained.
        unmetered_s: Seconds before codecarbon had started.

    Args:
        period_s: Seconds between two readings.
    """

    def __init__(self, period_s: float) -> None:
        self.provenance: dict[str, str] = {}
        self.unmetered_s = 0.0
        self._late_s = 3 * period_s + LATE_S
        self._read = dict.fromkeys(KINDS, 0.0)
        self._kwh = dict.fromkeys(KINDS, 0.0)
        self._began = self._at = time.monotonic()
        self._busy, self._asleep_s = time.process_time(), 0.0

    def add(self, found: Any, *, age_s: float = 0.0) -> Reading:
        """Take codecarbon's totals.

        Args:
            found: The totals.
            age_s: Seconds since it measured them: the first time, it looks up the grid afterwards.

        Raises:
            MeterError: A total is no number, or smaller than before.
        """
        now, busy = time.monotonic() - age_s, time.process_time()
        gap = now - self._at
        # Our thread wakes every period, unless the process does not run at all.
        slept = gap > self._late_s and busy - self._busy < gap / 10
        awake = self._late_s / gap if slept else 1.0
        self._asleep_s += (1 - awake) * gap
        missed = self._missed(gap)
        for kind in KINDS:
            total = float(getattr(found, f"{kind}_energy"))
            more = total - self._read[kind]
            if not (math.isfinite(total) and more >= 0):
                raise MeterError(
                    f"codecarbon read {total} kWh for {kind} after {self._read[kind]:g}: no counter does"
                )
            self._kwh[kind] += missed * (more if self.provenance.get(kind) == "counter" else awake * more)
            self._read[kind] = total
        self._at, self._busy = now, busy
        return Reading(at=now, kwh=dict(self._kwh), duration_s=now - self._began, asleep_s=self._asleep_s)

    def _missed(self, gap: float) -> float:
        """Return by how much the first reading grows for the seconds before codecarbon had started."""
        first, metered = self._at == self._began, gap - self.unmetered_s
        return gap / metered if first and metered > 0 else 1.0


def provenance(tracker: Any) -> dict[str, str]:
    """Return how the energy of each component is obtained; only the tracker's list of hardware knows."""
    found: dict[str, str] = {}
    forced = {kind for kind in KINDS if getattr(tracker, f"_force_{kind}_power", None) is not None}
    for hardware in getattr(tracker, "_hardware", []):
        name = f"{type(hardware).__name__} {getattr(hardware, 'chip_part', '')}".lower()
        mode = f"{name} {hardware.description()} {getattr(hardware, '_mode', '')}".lower()
        kind = next((kind for kind in reversed(KINDS) if kind in name), "cpu")
        if kind != "ram" and any(mark in mode for mark in COUNTERS):
            found[kind] = "counter"
        elif kind == "cpu" and "load" in mode:
            found[kind] = "load-model"
        else:
            found[kind] = "declared" if kind in forced else "constant"
    return found


def grid_of(tracker: Any, found: Any, *, looked_up: bool) -> dict[str, Any]:
    """Return where the grid's intensity comes from; an empty source where codecarbon silently used a world mean."""
    place, version = _place(found), str(found.codecarbon_version)
    source = f"codecarbon {version}, mean of a year" if place else ""
    if place and getattr(tracker, "_electricitymaps_api_token", None):
        source = f"Electricity Maps by codecarbon {version}"
    if getattr(tracker, "force_carbon_intensity_g_co2e_kwh", None) is not None:
        source = "declared in codecarbon's configuration"
    known_by = "looked up by IP address" if looked_up else "declared"
    return {
        "location": place,
        "location_source": known_by if place else "unknown",
        "intensity_source": source,
        "version": version,
    }


def _intensity(found: Any) -> float | None:
    energy = float(found.energy_consumed)
    return float(found.emissions) / energy if energy > 0 else None


def _place(found: Any) -> str:
    """Return the place whose grid codecarbon has figures of, not a part of it that it merely repeats."""
    if found.on_cloud == "Y" and found.cloud_region in _cloud_regions(found.cloud_provider):
        return f"{found.cloud_provider}:{found.cloud_region}"
    if not found.country_iso_code or found.country_iso_code not in countries():
        return ""
    return f"{found.country_iso_code}:{found.region}" if found.region else str(found.country_iso_code)


def _cloud_regions(provider: str) -> list[str]:
    from codecarbon.input import DataSource

    known = DataSource().get_cloud_emissions_data()
    return list(known[known["provider"] == provider]["region"])


def countries() -> dict[str, str]:
    """Return the countries whose grid codecarbon has figures for, by code; empty where it is not installed."""
    try:
        from codecarbon.input import DataSource
    except ImportError:
        return {}
    return {code: str(mix["country_name"]) for code, mix in DataSource().get_global_energy_mix_data().items()}


def _age(tracker: Any, name: str) -> float:
    """Return the seconds since what a tracker has kept in an attribute; 0 where it does not."""
    then = getattr(tracker, name, None)
    return time.perf_counter() - then if isinstance(then, float) else 0.0


def _of_others(record: logging.LogRecord) -> bool:
    """Return whether it was not our own tracker that said something: what it cannot do, `Meter.problem` tells."""
    return record.threadName != OURS


def _totals_sink() -> Any:
    from codecarbon.output import BaseOutput

    class Totals(BaseOutput):  # type: ignore[misc] # codecarbon is not typed
        """Keeps the latest totals."""

        total: Any = None

        def out(self, total: Any, delta: Any) -> None:
            self.total = total

    return Totals()
