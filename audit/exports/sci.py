"""Software Carbon Intensity of a training, by ISO/IEC 21031:2024: SCI = (E · I + M) per R.

E is energy (kWh), I the intensity of the grid (gCO2eq/kWh, location-based: no certificates, no offsets), M the
share of the hardware's making (gCO2eq), R the functional unit. The standard wants M in the score: without it there is
none, only the operational part E · I per R. Text of the standard: https://github.com/Green-Software-Foundation/sci.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..document import Document
from ..errors import UsageError
from ..formats import number
from ..model import Audit, Quality
from .facts import (
    EMBODIED,
    EMISSIONS,
    ENERGY,
    FACILITY,
    INTENSITY,
    WITHIN,
    Figure,
    boundary,
    figure,
    seconds,
    unknown,
    zone,
)
from .sheet import NOT_KNOWN, Row, Sheet, amount

Unit = Literal["sample", "token", "epoch", "run"]

STANDARD = "ISO/IEC 21031:2024"
HOURS_A_YEAR = 365 * 24  # as the standard's own example counts: 1000 kg over 4 years are 28 g an hour
JOULES = 3.6e6  # of a kilowatt-hour


@dataclass(frozen=True, kw_only=True, slots=True)
class Embodied:
    """What was declared of the hardware.

    Attributes:
        total_kg: Emissions of making and discarding all of it (TE), kg.
        lifetime_years: For which it is expected to stay in use (EL).
        hours: For which the run reserved it (TiR); None for as long as the run took.
        share: Of it that the run reserved (RR/ToR).
    """

    total_kg: float
    lifetime_years: float
    hours: float | None = None
    share: float = 1.0


class Term(Document):
    """One term of the equation."""

    value: float | None
    unit: str
    quality: Quality
    method: str


class SciReport(Document):
    """A score with all that the standard wants disclosed beside it; null where a term is not known."""

    schema_version: int = 1
    standard: str = STANDARD
    equation: str = "(E * I + M) / R"
    run: str
    status: str
    functional_unit: Unit
    score: float | None
    operational: float | None
    unit: str
    quality: Quality
    energy: Term
    intensity: Term
    zone: str
    embodied: Term
    units: Term
    missing: list[str]
    boundary: list[str]


def sci(audit: Audit, *, per: Unit, embodied: Embodied | None = None) -> SciReport:
    """Return the score of a run per functional unit.

    Raises:
        UsageError: What was declared of the hardware lies outside its range.
    """
    energy, intensity = _energy(audit), _intensity(audit)
    making, units = _making(audit, embodied), _units(audit, per)
    terms = {"E": energy, "I": intensity, "M": making, "R": units}
    operational = _operational(energy, intensity, units)
    score = None
    if operational is not None and making.value is not None and units.value:
        score = operational + making.value / units.value
    return SciReport(
        run=audit.run.id, status=audit.run.status.value, functional_unit=per, score=score, operational=operational,
        unit=f"gCO2eq/{per}", quality=Quality.weakest([found.quality for found in terms.values()]),
        energy=_term(energy), intensity=_term(intensity), zone=zone(audit), embodied=_term(making),
        units=_term(units),
        missing=[f"{name}: {found.how}" for name, found in terms.items() if found.value is None],
        boundary=_boundary(audit),
    )  # fmt: skip


def _energy(audit: Audit) -> Figure:
    """Return the energy with what the data centre adds, as the standard asks; without a PUE that of the machines."""
    facility = figure(audit, FACILITY)
    return facility if facility.value is not None else figure(audit, ENERGY)


def _intensity(audit: Audit) -> Figure:
    found = figure(audit, INTENSITY).scaled(1000, "gCO2eq/kWh")
    return found if audit.metric(INTENSITY) else unknown(figure(audit, EMISSIONS).how, found.unit)


def _operational(energy: Figure, intensity: Figure, units: Figure) -> float | None:
    if energy.value is None or intensity.value is None or not units.value:
        return None
    return energy.value * intensity.value / units.value


def _making(audit: Audit, declared: Embodied | None) -> Figure:
    """Return M = TE · (TiR/EL) · (RR/ToR) from what was declared, else what the run itself knows of it."""
    if declared is None:
        found = figure(audit, EMBODIED).scaled(1000, "gCO2eq")
        advice = "embodied emissions are not known: declare them with --embodied-kg and --lifetime-years"
        return found if found.value is not None else unknown(advice, "gCO2eq")
    time = seconds(audit)
    hours = declared.hours if declared.hours is not None or time.value is None else time.value / 3600
    if hours is None:
        return unknown("the time of the run is not known: declare it with --hours-reserved", "gCO2eq")
    lifetime = declared.lifetime_years * HOURS_A_YEAR
    if hours > lifetime:
        told = f"--lifetime-years {declared.lifetime_years:g} is less than the {number(hours)} hours reserved"
        raise UsageError(f"{told}: hardware is written off over all its life.")
    value = 1000 * declared.total_kg * hours / lifetime * declared.share
    how = (
        f"TE · (TiR/EL) · (RR/ToR) with TE {declared.total_kg:g} kg, TiR {hours:.4g} h,"
        f" EL {declared.lifetime_years:g} years, RR/ToR {declared.share:g}"
    )
    return Figure(value=value, unit="gCO2eq", quality=Quality.DECLARED, how=how)


def _units(audit: Audit, per: Unit) -> Figure:
    """Return how many functional units the run made."""
    if per == "run":
        return Figure(value=1.0, unit=per, quality=Quality.MEASURED, how="one training run")
    if per == "epoch":
        return _epochs(audit)
    name = f"carbon.energy_per_{per}"
    each, energy, metric = figure(audit, name), figure(audit, ENERGY), audit.metric(name)
    count = float(metric.n) if metric is not None and metric.n and each.value is not None else None
    if count is None and each.value and energy.value:
        count = float(round(energy.value * JOULES / each.value))
    if not count:
        return unknown(f"how many {per}s it trained on is not known: {each.how}", per)
    # The meter's quality is not that of the count.
    return Figure(value=count, unit=per, quality=Quality.MEASURED, how=f"{per}s trained on, repetitions counted")


def _epochs(audit: Audit) -> Figure:
    """Return the epochs of this run alone, as its energy is: those of a run that it goes on from are not in it."""
    metric, epochs = audit.metric("carbon.energy_per_epoch_kwh"), audit.run.epochs
    own = metric.n if metric is not None else None if audit.run.parent else epochs
    if not epochs or own == 0:
        return unknown("no epoch was finished", "epoch")
    if own is None:
        reason = metric.reason if metric is not None else None
        return unknown(reason or "how many of the epochs this run trained itself is not known", "epoch")
    return Figure(value=float(own), unit="epoch", quality=Quality.MEASURED, how="epochs that this run finished")


def _term(found: Figure) -> Term:
    return Term(value=found.value, unit=found.unit, quality=found.quality, method=found.how)


def _boundary(audit: Audit) -> list[str]:
    if figure(audit, FACILITY).value is not None:
        added = "With what the data centre adds for cooling and conversion, by its PUE."
    else:
        added = "Without what the data centre adds for cooling and conversion: no PUE is known."
    sentences = boundary(audit)
    place = sentences.index(WITHIN) + 1
    return [*sentences[:place], added, *sentences[place:]]


def sheet(report: SciReport) -> Sheet:
    """Return a report as people read it."""
    score, part = (amount(value, report.unit) for value in (report.score, report.operational))
    rows = [
        Row(name="SCI", value=score, quality=report.quality if report.score is not None else ""),
        Row(
            name="operational part, E · I per R",
            value=part,
            how="no SCI: M is not in it",
            quality=Quality.weakest([report.energy.quality, report.intensity.quality, report.units.quality]),
        ),
    ]
    named = (("E energy", report.energy), ("I grid intensity", report.intensity), ("M embodied", report.embodied))
    rows += [_row(name, term) for name, term in named]
    basis = "location-based, without certificates or offsets"
    rows.append(Row(name="grid", value=report.zone or NOT_KNOWN, how=basis))
    rows.append(_row("R functional unit", report.units))
    title = f"Software Carbon Intensity ({STANDARD}) of run {report.run}, per {report.functional_unit}"
    notes = [f"No score, {missing}." for missing in report.missing]
    return Sheet(title=title, rows=tuple(rows), notes=(*notes, *report.boundary))


def _row(name: str, term: Term) -> Row:
    return Row(name=name, value=amount(term.value, term.unit), quality=term.quality, how=term.method)
