"""What a meter has read, added up, and how each component of it is obtained."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..audit.ledger import KINDS

COUNTERS = ("rapl", "powermetrics", "gadget", "emi", "gpu", "raspberry", "slurm")
LATE_S = 60.0  # beyond three periods: later than that, the process may have slept


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
