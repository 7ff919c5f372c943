"""What the rules of efficiency share: the last attempt's own times, and what they come to in energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..efficiency_totals import Event, Totals
from ..model import Evidence, Metric
from .case import Case
from .declaration import CannotTellError

SHORTEST_S = 60.0  # of the fit: below, loading libraries, compiling kernels and first reads outweigh what is judged
AB_STEPS = 50
FIT = ("training", "validation", "checkpoint")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """The events of a case, as `Totals` reads them."""

    case: Case

    def events(self, kind: str, *, replayed: bool = False) -> list[Event]:  # noqa: ARG002 - a case has no others
        return self.case.events(kind)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How the last attempt went that led to the last weights.

    Attributes:
        facts: What it ran with: device, precision, loader.
        batch_s: Seconds of a batch in the training phase, what an epoch's first batch waits for left out.
        wait_s: Of these, seconds of waiting for the batch; None where the step fetches its data itself.
        startup_s: Seconds before the first batches of epochs.
        epochs: How many of those there were.
        seconds: Of the slowest rank, by phase.
        flop: Operations that were counted, by type of number.
    """

    facts: Mapping[str, Any]
    batch_s: float
    wait_s: float | None
    startup_s: float
    epochs: int
    seconds: Mapping[str, float]
    flop: Mapping[str, float]

    @property
    def fit_s(self) -> float:
        """Seconds of the fit, without what the audit asked of the model."""
        return sum(self.seconds[phase] for phase in FIT)

    @property
    def compute_s(self) -> float:
        """Seconds of a batch without waiting."""
        return self.batch_s - (self.wait_s or 0.0)

    @property
    def loader(self) -> Mapping[str, Any]:
        """Settings of the training loader, as far as it has them."""
        found: Mapping[str, Any] = self.facts.get("dataloader") or {}
        return found

    def loading(self, name: str) -> int | None:
        """Return a setting of the loader that is a whole number; None where there is none."""
        found = self.loader.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    @property
    def spare_cpus(self) -> int | None:
        """Processors beside the one of each rank on a node; None where nobody could count them."""
        cpus, ranks = self.facts.get("cpus"), self.facts["devices"] // max(1, self.facts.get("nodes") or 1)
        return None if cpus is None else max(0, cpus // max(1, ranks) - 1)


def pace(case: Case) -> Pace:
    """Return how the last attempt went.

    Raises:
        CannotTellError: It told nothing, or it was so short that its start outweighs the rest.
    """
    totals = Totals.of(_Told(case=case))
    if totals is None:
        raise CannotTellError("no attempt that led to the last weights has told its times")
    if totals.fit_s < SHORTEST_S:
        raise CannotTellError(f"too short to judge: {totals.fit_s:.0f} of {SHORTEST_S:.0f} s of training")
    number = totals.attempts[-1]
    events = totals.of_attempt(number)
    slowest = max(events, key=lambda event: sum(event["seconds"][phase] for phase in FIT))
    batches = max(1, int(slowest["batches"]))
    waits = [event["waited_s"] for event in events]
    return Pace(
        facts=totals.facts[number],
        batch_s=max(0.0, slowest["seconds"]["training"] - slowest["startup_s"]) / batches,
        wait_s=None if None in waits else sum(map(float, waits)) / len(waits) / batches,
        startup_s=float(slowest["startup_s"]),
        epochs=int(slowest["epochs"]),
        seconds=slowest["seconds"],
        flop=_sums([event["flop"] or {} for event in events]),
    )


def _sums(found: Iterable[Mapping[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for one in found:
        for name, value in one.items():
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def known(case: Case, name: str) -> float:
    """Return a metric's value.

    Raises:
        CannotTellError: It is not known.
    """
    found = case.metric(name)
    if found is None or found.value is None:
        raise CannotTellError(f"{name}: {found.reason if found and found.reason else 'not measured'}")
    return found.value


def long_enough(case: Case) -> None:
    """Refuse a run whose energy is mostly that of its start.

    Raises:
        CannotTellError: Less than a minute was metered.
    """
    found = case.metric("carbon.duration_s")
    if found is not None and found.value is not None and found.value < SHORTEST_S:
        raise CannotTellError(f"too short to judge: {found.value:.0f} of {SHORTEST_S:.0f} s were metered")


def energy(case: Case, phase: str) -> float | None:
    """Return the energy of a phase (kWh), None where it is not known."""
    found: Metric | None = case.parts("carbon.energy_kwh", "phase").get(phase)
    return found.value if found is not None else None


def in_energy(kwh: float | None) -> str:
    """Return an energy in words, or that there is none."""
    return f"{kwh:.2g} kWh" if kwh is not None else "energy that was not measured"


def ab_cost(case: Case) -> str:
    """Return what trying a setting for fifty steps, and fifty without, takes."""
    kwh = energy(case, "training")
    spent = f", about {2 * AB_STEPS * kwh / max(case.steps, 1):.2g} kWh" if kwh else ""
    return f"twice {AB_STEPS} steps{spent}"


def of_share(summary: str, value: float, limit: float | None = None) -> Evidence:
    """Return a share as evidence."""
    return Evidence(summary=summary, value=value, limit=limit, unit="share")
