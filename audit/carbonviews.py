"""What the report says of energy and emissions: the ledger with its provenance, boundary, range, place and budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from .curves import Reader
from .energy import ledger_of
from .exports.facts import WITHIN, WITHOUT
from .formats import amount, amounts, count, duration, number, percent
from .groupviews import Grid
from .ledger import ERRORS, KINDS, Ledger
from .model import Audit, Metric, Quality
from .overview import Overview, in_words, spread, unknown, value_of
from .record import Record

ENERGY, FACILITY, EMISSIONS = "carbon.energy_kwh", "carbon.facility_energy_kwh", "carbon.emissions_kg"
INTENSITY, WATER, LOST = "carbon.intensity", "carbon.water_l", "carbon.lost_energy_kwh"
KWH = "kWh"
COMPONENTS = dict(zip(KINDS, ("CPU", "GPU", "memory"), strict=True))
WAYS = {
    "counter": "read from a counter of the hardware",
    "load-model": "modelled from load and nominal power",
    "constant": "a constant power of such hardware",
    "declared": "as the user gave it",
}
OUTCOMES = {
    FACILITY: ("Energy with PUE", ""),
    EMISSIONS: ("CO2 equivalent", ""),
    "carbon.embodied_kg": ("CO2 equivalent of making the hardware, this run's share", ""),
    WATER: ("Water, cooling on site", ""),
    "carbon.cost": ("Cost of the energy", ""),
    LOST: ("Energy of work that is not in the last weights", ""),
    "carbon.energy_per_sample": ("Per example", "J"),
    "carbon.energy_per_token": ("Per token", "J"),
    "carbon.energy_per_epoch_kwh": ("Per epoch", KWH),
}
BUDGETS, MOST_BUDGETS = ("max_energy_kwh", "max_emissions_kg"), 3
RANGE = (
    "As far as such meters were found to lie off a meter at the wall: {}. No confidence interval: it says nothing of"
    " chance, and nothing of how often the truth lies within. Sources: arXiv 2312.02741 for counters,"
    " arXiv 2509.22092 for models."
)


def carbon_overview(audit: Audit, reader: Reader) -> Overview | None:
    """Return the beginning of the section; None where no energy was metered.

    Args:
        audit: What was judged.
        reader: The record beside it, for attempts and budgets; without one they are told of by their sums.
    """
    energy = audit.metric(ENERGY)
    if energy is None:
        return None
    ledger = _ledger(reader)
    attempts = reader.attempt(lambda _: _attempts(ledger), "energy of the attempts") if ledger else None
    return Overview(
        lead=_lead(audit, energy),
        grids=[grid for grid in (_components(audit, energy), _outcomes(audit), attempts) if grid and grid.rows],
        terms=list(_terms(audit, energy, reader, ledger)),
    )


def _ledger(reader: Reader) -> Ledger | None:
    """Return the ledger of the record, where it is at hand and has one."""
    if not reader.events("energy"):
        return None
    return reader.attempt(lambda record: ledger_of(cast(Record, record)), "energy ledger")


def _lead(audit: Audit, energy: Metric) -> str:
    if energy.value is None:
        return f"Energy: {unknown(energy)}."
    if energy.value == 0:
        return "The meter read 0 kWh, which no run uses: it was too short, or nothing was counted."
    text = f"{amount(energy.value, KWH)}{_parts(audit)}, "
    if energy.quality is Quality.UNKNOWN:
        text += "as far as it was read, of unknown quality"
    else:
        text += energy.quality.value
        text += f", {amounts(energy.low, energy.high, KWH)} by the errors of such meters" * _ranged(energy)
    return f"{text}. {_emissions(audit)}".rstrip()


def _ranged(metric: Metric) -> bool:
    return metric.low is not None and metric.high is not None


def _parts(audit: Audit) -> str:
    names = [name for kind, name in COMPONENTS.items() if audit.metric(ENERGY, {"component": kind})]
    return f" for {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" if names else ""


def _emissions(audit: Audit) -> str:
    found = audit.metric(EMISSIONS)
    if found is None:
        return ""
    if found.value is None:
        return f"Emissions: {unknown(found)}."
    span = f", {amounts(found.low, found.high, found.unit)}" if _ranged(found) else ""
    return f"{amount(found.value, found.unit)} of CO2 equivalent{span}."


def _components(audit: Audit, energy: Metric) -> Grid:
    """Return the ledger: each component, how its energy is known, and its share."""
    rows = [
        (
            name if name.isupper() else name.capitalize(),
            _ways(metric),
            amount(metric.value, KWH),
            _share(metric.value, energy.value),
        )
        for kind, name in COMPONENTS.items()
        if (metric := audit.metric(ENERGY, {"component": kind})) is not None
    ]
    if not rows:
        return Grid(label="", head=(), rows=[])
    total = ("Sum, before PUE", energy.quality.value, amount(energy.value, KWH), _share(energy.value, energy.value))
    head = ("Component", "How it is known", "Energy", "Share")
    return Grid(label="Where the energy went, and how it is known", head=head, rows=[*rows, total], prose=True)


def _ways(metric: Metric) -> str:
    return "; ".join(map(_way, metric.method.split(" and ")))


def _way(how: str) -> str:
    if how not in WAYS:
        return how
    return f"{how}: {WAYS[how]}" + (f", {_within(how)}" if ERRORS[how] else "")


def _within(how: str) -> str:
    return f"± {percent(ERRORS[how])}".replace(" ", "\u00a0")


def _share(part: float | None, whole: float | None) -> str:
    return percent(part / whole if part is not None and whole else None)


def _outcomes(audit: Audit) -> Grid:
    """Return what follows from the energy; what nobody declared has no row."""
    found = ((audit.metric(name), *words) for name, words in OUTCOMES.items())
    rows: list[tuple[str, ...]] = [
        (what, in_words(metric, unit), spread(metric), metric.quality.value)
        for metric, what, unit in found
        if metric is not None
    ]
    head = ("Quantity", "Value", "Range", "Quality")
    return Grid(label="What it came to", head=head, rows=rows, prose=True)


def _attempts(ledger: Ledger) -> Grid:
    """Return the energy of each attempt and node, where there are several."""
    several = len(ledger.accounts) + len(ledger.unread) > 1
    nodes = len({account.rank for account in ledger.accounts}) > 1
    rows = [
        (
            account.attempt,
            f", node of rank {account.rank}" if nodes else "",
            amount(account.kwh, KWH),
            amount(replace(ledger, accounts=(account,)).lost_kwh, KWH),
            duration(float(account.last["duration_s"])),
            f"{int(account.last['at_step']):,}",
        )
        for account in ledger.accounts
    ]
    rows += [(attempt, "", "unknown: broke before a reading", *3 * ("—",)) for attempt in ledger.unread]
    told = [(f"attempt {attempt}{node}", *cells) for attempt, node, *cells in sorted(rows)] if several else []
    head = ("Attempt", "Energy", "Of it lost", "Metered for", "Until step")
    return Grid(label="Attempts", head=head, rows=told, prose=True)


def _terms(audit: Audit, energy: Metric, reader: Reader, ledger: Ledger | None) -> Iterator[tuple[str, str]]:
    yield "Boundary", f"{WITHIN} {WITHOUT}"
    if energy.low is not None:
        errors = "; ".join(f"{how} {_within(how)}" for how, error in ERRORS.items() if error)
        yield "Range", RANGE.format(errors)
    if energy.quality is Quality.UNKNOWN:
        yield "Why unknown", f"{energy.reason or energy.method}."
    yield "Grid", _grid(audit, ledger)
    yield from _centre(audit, energy)
    yield from _lost(audit, energy)
    yield from _budget(reader)


def _grid(audit: Audit, ledger: Ledger | None) -> str:
    found = audit.metric(INTENSITY)
    if found is None or found.value is None:
        emissions = audit.metric(EMISSIONS)
        if emissions is not None and emissions.value is not None:
            return "its intensity is not known by itself"
        reason = emissions.reason if emissions is not None else "no emissions were computed"
        return f"{reason}. Without a place the energy is known and its emissions are not: grids differ a hundredfold."
    text = f"{number(found.value)} kg of CO2 equivalent a kilowatt-hour, {found.quality.value}: {found.method}"
    sources = [str(source) for source in (ledger.told("location_source") if ledger else []) if source]
    known = [source for source in sources if source != "unknown"]
    return text + (f"; place {' and '.join(known)}." if known else ".")


def _centre(audit: Audit, energy: Metric) -> Iterator[tuple[str, str]]:
    """Yield PUE and WUE as the figures imply them, or what is missing without."""
    pue = _ratio(value_of(audit, FACILITY), energy.value)
    water = audit.metric(WATER)
    if pue is None:
        yield "PUE", "Not declared, so 1: what cooling and power supply take comes on top. CarbonMonitor(pue=…)."
    else:
        yield "PUE", f"{number(pue)}, as declared; it is in emissions and cost, not in the energy of the components."
    wue = _ratio(None if water is None else water.value, energy.value)
    if wue is None:
        yield "WUE", "Not declared, so the water is unknown. CarbonMonitor(wue=…)."
    else:
        yield "WUE", f"{number(wue)} L/kWh of energy before PUE, as declared; water of the power plants is not in it."


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _lost(audit: Audit, energy: Metric) -> Iterator[tuple[str, str]]:
    lost = audit.metric(LOST)
    if lost is None:
        return
    told = f"{count(audit.run.attempts, 'attempt')}, each counted once. "
    if lost.value is None:
        yield "Lost work", f"{told}What was lost is unknown: {lost.reason}."
        return
    share = _share(lost.value, energy.value)
    yield "Lost work", f"{told}{amount(lost.value, KWH)} ({share}) went into steps that are not in the last weights."


def _budget(reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield which budget was exceeded, and where; else that which was given was kept."""
    events = reader.events("budget")[:MOST_BUDGETS]
    given = [event for event in reader.events("meter")[-1:] if any(name in event for name in BUDGETS)]
    tell = _exceeded if events else _kept
    for told in reader.attempt(lambda _: [tell(event) for event in events or given], "events budget") or []:
        yield "Budget", told


def _limits(event: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {number(float(event[name]))}" for name in BUDGETS if name in event)


def _kept(event: Mapping[str, Any]) -> str:
    return f"{_limits(event)}: kept."


def _exceeded(event: Mapping[str, Any]) -> str:
    then = "the training was stopped" if event["action"] == "stop" else "it only warned, and the training went on"
    return f"{_limits(event)}: exceeded at step {int(event['at_step']):,} of attempt {int(event['attempt'])}; {then}."
