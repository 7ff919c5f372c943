"""The energy ledger of a run: what its meters read, added up over nodes and attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .model import Quality
from .runfile import RunFile
from .series import unsealed_lines
from .storage import Folder

KINDS = ("cpu", "gpu", "ram")
PROVENANCE = {
    "counter": Quality.MEASURED,
    "load-model": Quality.MODELLED,
    "constant": Quality.MODELLED,
    "declared": Quality.DECLARED,
}
# How far a component's energy may lie off a meter at the wall: NVIDIA's counters 5 % (arXiv 2312.02741), models of
# load and nominal power up to 40 % (arXiv 2509.22092). What was declared is believed.
ERRORS = {"counter": 0.05, "load-model": 0.4, "constant": 0.4, "declared": 0.0}
GUESSED = 0.05  # of the time unmetered, beyond which no energy counts as measured

Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What one meter read: one attempt on one node.

    Attributes:
        attempt: Number of the attempt.
        rank: Rank that read it.
        facts: What was known of the meter and the place.
        readings: Totals since the attempt began, oldest first, at least one.
        first_step: Optimizer step that the attempt began at.
    """

    attempt: int
    rank: int
    facts: Event
    readings: Sequence[Event]
    first_step: int = 0

    @property
    def last(self) -> Event:
        """The last totals."""
        return self.readings[-1]

    @property
    def kwh(self) -> float:
        """Energy before PUE (kWh)."""
        return float(self.last["energy_kwh"])

    @property
    def pue(self) -> float:
        """Power usage effectiveness; 1 where none was declared."""
        return float(self.facts.get("pue") or 1.0)

    @property
    def intensity(self) -> float | None:
        """CO2 equivalent of a kilowatt-hour (kg); None where the place is not known."""
        found = self.last.get("kg_per_kwh")
        return None if found is None else float(found)

    @property
    def emissions(self) -> float | None:
        """CO2 equivalent, PUE included (kg)."""
        return None if self.intensity is None else self.kwh * self.pue * self.intensity

    @property
    def provenance(self) -> Mapping[str, str]:
        """How the energy of each component was obtained."""
        found: Mapping[str, str] = self.facts.get("provenance", {})
        return found

    @property
    def error(self) -> float:
        """How far the energy may lie off a meter at the wall (kWh)."""
        return sum(float(self.last[f"{kind}_kwh"]) * ERRORS.get(how, 1.0) for kind, how in self.provenance.items())

    def at(self, step: float) -> float:
        """Return the energy until a step, between two readings in proportion to the steps (kWh)."""
        steps = [float(self.first_step), *(float(reading["at_step"]) for reading in self.readings)]
        return float(np.interp(step, steps, [0.0, *(float(reading["energy_kwh"]) for reading in self.readings)]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """All accounts of a run.

    Attributes:
        accounts: One for each attempt and node that was read.
        unread: Attempts of which no reading is known.
        lineage: Attempts that led to the last weights, each with the last of its steps that did.
    """

    accounts: tuple[Account, ...]
    unread: tuple[int, ...]
    lineage: Mapping[int, float]

    @classmethod
    def of(cls, run: RunFile, meters: Iterable[Event], readings: Iterable[Event]) -> Ledger:
        """Return the ledger of a run's events `meter` and `energy`, of all attempts."""
        facts = {(event["attempt"], event["rank"]): event for event in meters}
        read: dict[tuple[int, int], list[Event]] = {}
        for event in readings:
            read.setdefault((event["attempt"], event["rank"]), []).append(event)
        first = {attempt.number: attempt.first_step for attempt in run.attempts}
        accounts = tuple(
            Account(
                attempt=attempt,
                rank=rank,
                facts=facts.get((attempt, rank), {}),
                readings=found,
                first_step=first.get(attempt, 0),
            )
            for (attempt, rank), found in sorted(read.items())
        )
        known = {account.attempt for account in accounts}
        unread = tuple(attempt.number for attempt in run.attempts if attempt.number not in known)
        return cls(accounts=accounts, unread=unread, lineage=run.lineage())

    @property
    def kwh(self) -> float:
        """Energy before PUE of all accounts (kWh)."""
        return sum(account.kwh for account in self.accounts)

    @property
    def facility_kwh(self) -> float:
        """The same with PUE (kWh)."""
        return sum(account.kwh * account.pue for account in self.accounts)

    @property
    def emissions(self) -> float | None:
        """CO2 equivalent of all accounts (kg); None where the place of one is not known."""
        found = [account.emissions for account in self.accounts]
        return None if None in found else sum(value for value in found if value is not None)

    @property
    def duration_s(self) -> float:
        """Seconds that meters ran: of each attempt, the longest of its nodes."""
        longest: dict[int, float] = {}
        for account in self.accounts:
            seconds = float(account.last["duration_s"])
            longest[account.attempt] = max(longest.get(account.attempt, 0.0), seconds)
        return sum(longest.values())

    @property
    def unmetered_s(self) -> float:
        """Seconds before the meters had started, whose power is taken from those right after."""
        return sum(float(account.facts.get("unmetered_s") or 0.0) for account in self.accounts)

    @property
    def lost_kwh(self) -> float:
        """Energy of attempts, and of parts of them, that did not lead to the last weights (kWh)."""
        return sum(account.kwh - self._kept(account) for account in self.accounts)

    def _kept(self, account: Account) -> float:
        until = self.lineage.get(account.attempt)
        return 0.0 if until is None else account.kwh if until == np.inf else account.at(until)

    def by_component(self, kind: str) -> float | None:
        """Return the energy of a component (kWh); None where no node has it."""
        having = [account for account in self.accounts if kind in account.provenance]
        return sum(float(account.last[f"{kind}_kwh"]) for account in having) if having else None

    def by_phase(self) -> dict[str, float]:
        """Return the energy of each phase (kWh)."""
        found: dict[str, float] = {}
        for account in self.accounts:
            for phase, kwh in account.last.get("phases", {}).items():
                found[phase] = found.get(phase, 0.0) + float(kwh)
        return found

    def ways(self, kind: str | None = None) -> list[str]:
        """Return how the energy of a component, or of all, was obtained, without doubles."""
        found = [how for a in self.accounts for part, how in a.provenance.items() if kind in (None, part)]
        return sorted(set(found))

    def quality(self, kind: str | None = None) -> Quality:
        """Return how well the energy of a component, or the whole, is known: as its weakest part."""
        if self.unread or not all(account.provenance for account in self.accounts):
            return Quality.UNKNOWN
        found = [PROVENANCE.get(how, Quality.UNKNOWN) for how in self.ways(kind)]
        return Quality.weakest(
            [*found, *([Quality.MODELLED] if self.unmetered_s > GUESSED * self.duration_s else [])]
        )

    def told(self, name: str) -> list[Any]:
        """Return what the accounts say of a fact, without doubles."""
        return list(dict.fromkeys(account.facts.get(name) for account in self.accounts))


def spent_before(folder: Folder, run: RunFile) -> dict[str, float | None]:
    """Return what a run's earlier attempts have spent: `max_energy_kwh` and `max_emissions_kg` are of all attempts.

    Raises:
        OSError: The events cannot be read.
    """
    names = [name for name in folder.names() if name.startswith("events") and name.endswith(".jsonl")]
    events = [event for name in names for event in unsealed_lines(folder.read(name)) if event]
    chosen = ([event for event in events if event.get("kind") == kind] for kind in ("meter", "energy"))
    ledger = Ledger.of(run, *chosen)
    return {"max_energy_kwh": ledger.kwh, "max_emissions_kg": ledger.emissions}
