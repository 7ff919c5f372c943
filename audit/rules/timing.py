"""When the same energy would have emitted less, by the hourly intensities that were given."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from ..formats import percent
from ..hourly import Hours, Span
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case
from .declaration import CannotTellError, Fault, rule
from .pace import long_enough

DAY, WEEK = 24, 7 * 24  # hours


def spans(case: Case) -> list[Span]:
    """Return when each meter read how much energy (kWh), in seconds since 1970, PUE included."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in case.events("energy"):
        found.setdefault((event["attempt"], event["rank"]), []).append(event)
    pues = {(event["attempt"], event["rank"]): event.get("pue") or 1.0 for event in case.events("meter")}
    every: list[Span] = []
    for meter, readings in found.items():
        ends = [(datetime.fromisoformat(event["time"]).timestamp(), float(event["energy_kwh"])) for event in readings]
        begun = ends[0][0] - float(readings[0]["duration_s"])
        points = [(begun, 0.0), *ends]
        pue = pues.get(meter, 1.0)
        every += [(a, max(a, b), pue * (after - before)) for (a, before), (b, after) in pairwise(points)]
    return every


def best_start(hours: Hours, spent: list[Span], within_h: int) -> tuple[int, float] | None:
    """Return how many hours later a run would have emitted least, and how much (kg); None where no hour is known."""
    found = [(kg, later) for later in range(within_h + 1) if (kg := hours.emitted(spent, later_h=later)) is not None]
    return min(found)[::-1] if found else None


def _start_later(case: Case, fault: Fault) -> Mitigation:
    now, later = (fault.evidence[place].value or 0.0 for place in (0, 1))
    told = ", ".join(item.summary for item in fault.evidence[1:])
    return Mitigation(
        text=f"Where the deadline allows it, start by the forecast of the grid's intensity. For this run: {told}.",
        gain=f"{now - later:.2g} of {now:.2g} kg for this run, had the table been known beforehand",
        cost="waiting; a forecast is less sure than a table of the past, and a longer run gains less",
        source=f"{_hours(case).source}; Sukprasert et al. 2024 (arXiv:2306.06502): gains are modest in practice;"
        " Wiesner et al. 2021, Let's Wait Awhile",
    )


def _hours(case: Case) -> Hours:
    given = [event["hourly_intensity"] for event in case.events("meter") if event.get("hourly_intensity")]
    if not given:
        raise CannotTellError("no hourly intensities were given: CarbonMonitor(hourly_intensity=…)")
    return Hours.of(given[0])


@rule(
    code="CO2005",
    severity=Severity.INFO,
    status="preview",
    needs=("carbon.energy_kwh", "meter"),
    threshold=0.1,
    unit="share of the emissions",
    remedies=(_start_later,),
)
def carbon_intensive_hours(case: Case, threshold: float) -> Fault | None:
    """Flags runs that would have emitted less if they had begun some hours later.

    What it detects:
        By the hourly intensities that were given, the energy of this run, spent in the same course but begun a
        whole number of hours later, would have emitted less by more than `threshold`, within a day or a week.

    Why it matters:
        On grids with much sun or wind, the same energy emits several times less at some hours.

    Example:
        A run of three hours in the evening, which could have begun at noon of the next day.

    Known limits:
        It is told afterwards: nobody had the table beforehand, only a forecast. Starts earlier than the run's own
        are not looked at, nor pauses. The emissions of the run itself keep being computed with its mean intensity,
        with which these figures do not mix. Unknown without a table; hours outside of it are not looked at.

    References:
        Sukprasert et al. 2024, On the Limitations of Carbon-Aware Temporal and Spatial Workload Shifting in the
        Cloud (arXiv:2306.06502).
    """
    hours = _hours(case)
    long_enough(case)
    spent = spans(case)
    now = hours.emitted(spent) if spent else None
    if now is None:
        raise CannotTellError(f"the hours of {hours.source} do not hold those of the run")
    best = [
        (name, found)
        for name, within in (("day", DAY), ("week", WEEK))
        if (found := best_start(hours, spent, within))
    ]
    least = min(kg for _, (_, kg) in best)
    if now <= 0 or 1 - least / now <= threshold:
        return None
    if len(best) == 2 and best[0][1] == best[1][1]:
        best = best[:1]  # the week has no better hour than the day
    told = [
        Evidence(
            summary=f"{later} h later, the least within a {name}: {percent(1 - kg / now)} less", value=kg, unit="kg"
        )
        for name, (later, kg) in reversed(best)
    ]
    return Fault(
        summary=f"Begun later, the same energy would have emitted {percent(1 - least / now)} less by the hourly"
        " table.",
        evidence=(Evidence(summary="at the hours of the run", value=now, unit="kg"), *told),
        confidence=Confidence.LOW,
    )
