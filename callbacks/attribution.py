"""Which phase of a run its energy went into."""

from __future__ import annotations

from .account import Reading
from .phases import PHASES, TRAINING, Phases


class Attribution:
    """Shares out the energy between two readings among the phases of that time, by their seconds.

    Attributes:
        kwh: Energy of each phase so far (kWh); together that of the last reading.
    """

    def __init__(self, phases: Phases, since: float) -> None:
        self.kwh = dict.fromkeys(PHASES, 0.0)
        self._phases, self._at, self._total = phases, since, 0.0

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        seconds = self._phases.between(self._at, reading.at)
        whole, more = sum(seconds.values()), reading.total_kwh - self._total
        for name in PHASES:
            share = seconds[name] / whole if whole > 0 else float(name == TRAINING)
            self.kwh[name] += share * more
        self._at, self._total = reading.at, reading.total_kwh
        self._phases.forget(reading.at)
