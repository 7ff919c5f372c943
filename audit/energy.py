"""Metrics of the energy ledger: energy, emissions, water and money, each with how it was obtained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import registry
from .comparable import HERE
from .efficiency_totals import Totals, UnknownError
from .energy_forecast import BAND, scored
from .formats import percent
from .ledger import ERRORS, KINDS, Ledger
from .model import Metric, Quality
from .record import Record

NAMES = ("carbon.energy_kwh", "carbon.emissions_kg", "carbon.duration_s")
JOULES = 3.6e6  # in a kilowatt-hour
UNKNOWN_PLACE = "location unknown: name it with CarbonMonitor(country_iso_code=…), or give intensity_kg_per_kwh"


def ledger_of(record: Record) -> Ledger:
    """Return the energy ledger of a record."""
    meters, readings = (record.events(kind, replayed=True) for kind in ("meter", "energy"))
    return Ledger.of(record.run, meters, readings)


def measure(record: Record) -> Iterator[Metric]:
    """Yield what the ledger tells: each attempt's energy was spent, whatever came after it."""
    ledger = ledger_of(record)
    if not ledger.accounts:
        return
    common: dict[str, Any] = {"quality": ledger.quality(), "method": _method(ledger), "monitor": "carbon"}
    yield _of("carbon.energy_kwh", ledger.kwh, **common, **_range(ledger, ledger.kwh))
    yield from _parts(ledger, record, common)
    yield from _emissions(ledger, common)
    yield from _declared(ledger, common)
    yield from _shares(ledger, record, common)
    yield from _forecasts(record)
    yield _of("carbon.duration_s", ledger.duration_s, **common | {"quality": Quality.MEASURED})


def _of(name: str, value: float | None, **fields: Any) -> Metric:
    quantity = registry.metric(name)
    return Metric(name=name, value=value, unit=quantity.unit if quantity else "", **fields)


def _range(ledger: Ledger, value: float) -> dict[str, float]:
    """Return between what the value may lie, by the errors that were published of such meters."""
    error = sum(account.error for account in ledger.accounts) / ledger.kwh if ledger.kwh else 0.0
    return {"low": (1 - error) * value, "high": (1 + error) * value}


def _method(ledger: Ledger) -> str:
    """Return boundary, provenance and what is missing, in a sentence."""
    ways = [f"{kind} {' and '.join(ledger.ways(kind))}" for kind in KINDS if ledger.ways(kind)]
    text = f"codecarbon {ledger.told('version')[-1]}, boundary: CPU, GPU and memory of the whole machine, before PUE;"
    errors = {f"{how} ± {percent(ERRORS[how])}" for how in ledger.ways() if how in ERRORS}
    text += f" {', '.join(ways) or 'nothing that it knows'} (range: {', '.join(sorted(errors))})"
    text += f"; {ledger.unmetered_s:.1f} s at the start unmetered, taken to be as those after"
    asleep = sum(float(account.last.get("asleep_s") or 0.0) for account in ledger.accounts)
    if asleep:
        text += f"; {asleep:.0f} s asleep, not counted where energy is modelled"
    if ledger.unread:
        numbers = ", ".join(map(str, ledger.unread))
        text += f"; attempt {numbers} broke before its first reading, its energy is missing"
    return text


def _parts(ledger: Ledger, record: Record, common: dict[str, Any]) -> Iterator[Metric]:
    for kind in KINDS:
        kwh = ledger.by_component(kind)
        if kwh is not None:
            found = common | {"quality": ledger.quality(kind), "method": " and ".join(ledger.ways(kind))}
            yield _of("carbon.energy_kwh", kwh, **found, labels={"component": kind})
    method = f"{common['method']}; shared out by the time that each phase took between two readings"
    modelled = {"quality": Quality.weakest([common["quality"], Quality.MODELLED]), "method": method}
    for phase, kwh in _with_overhead(ledger, record).items():
        yield _of("carbon.energy_kwh", kwh, **common | modelled, labels={"phase": phase})
    if len(ledger.lineage) < len(record.run.attempts) or len(record.run.attempts) > 1:
        method = f"{common['method']}; steps and attempts that did not lead to the last weights"
        yield _of("carbon.lost_energy_kwh", ledger.lost_kwh, **common | {"method": method})


def _with_overhead(ledger: Ledger, record: Record) -> dict[str, float]:
    """Take what measuring cost out of the training's energy, in proportion to time."""
    phases = ledger.by_phase()
    if not phases:
        return {}
    spent = [e for e in record.events("cost", replayed=True) if e["rank"] == 0]
    ours = {(e["attempt"], e["name"]): float(e["seconds"]) for e in record.events("monitor", replayed=True)
            if e["rank"] == 0 and e["name"] != "generation"}  # fmt: skip
    seconds = sum(ours.values()) + sum(float(event["seconds"]) for event in spent)
    # What a monitor asks of the model in a validation counts there as training all the same: it is little.
    whole = sum(float(account.last["duration_s"]) for account in ledger.accounts if account.rank == 0)
    training = phases.get("training", 0.0)
    overhead = min(training, sum(phases.values()) * seconds / whole) if whole else 0.0
    return {name: kwh for name, kwh in phases.items() if kwh and name != "training"} | {
        "training": training - overhead, "overhead": overhead,
    }  # fmt: skip


def _emissions(ledger: Ledger, common: dict[str, Any]) -> Iterator[Metric]:
    places, sources = ledger.told("location"), ledger.told("intensity_source")
    kg = ledger.emissions
    if kg is None:
        unknown = common | {"quality": Quality.UNKNOWN, "reason": UNKNOWN_PLACE}
        yield _of("carbon.emissions_kg", None, **unknown)
        return
    quality = Quality.weakest([common["quality"], Quality.MODELLED])
    grid = f"grid of {', '.join(map(str, places))}" if any(places) else "grid as declared"
    method = f"{grid}, {', '.join(map(str, sources))}"
    found = {"quality": quality, "method": f"{common['method']}; {method}; {_with_pue(ledger)}"}
    yield _of("carbon.emissions_kg", kg, **common | found, **_range(ledger, kg))
    if ledger.facility_kwh:
        declared = any("declared" in str(source) for source in sources)
        told = {"method": method, "quality": Quality.DECLARED if declared else Quality.MODELLED}
        yield _of("carbon.intensity", kg / ledger.facility_kwh, **common | told)


def _declared(ledger: Ledger, common: dict[str, Any]) -> Iterator[Metric]:
    """Yield what follows from declared figures: PUE, WUE, prices and the making of the hardware."""
    quality = Quality.weakest([common["quality"], Quality.DECLARED])
    pues = [pue for pue in ledger.told("pue") if pue is not None]
    if pues:
        method = f"{common['method']}; times PUE {', '.join(f'{pue:g}' for pue in pues)} as declared"
        found = common | {"method": method, "quality": quality}
        yield _of("carbon.facility_energy_kwh", ledger.facility_kwh, **found, **_range(ledger, ledger.facility_kwh))
    wues = ledger.told("wue")
    if wues and None not in wues:
        litres = sum(account.kwh * float(account.facts["wue"]) for account in ledger.accounts)
        method = f"{common['method']}; times WUE {', '.join(f'{wue:g}' for wue in wues)} L/kWh as declared, on site"
        yield _of("carbon.water_l", litres, **common | {"method": method, "quality": quality})
    yield from _embodied(ledger, common)
    yield from _cost(ledger, common | {"quality": quality})


def _with_pue(ledger: Ledger) -> str:
    """Return in words what the data centre's own needs are taken to be."""
    pues = ledger.told("pue")
    known = " and ".join(f"{pue:g}" for pue in pues if pue is not None)
    if not known:
        return "without PUE: none declared"
    return f"with PUE {known}" + (", where one was declared" if None in pues else "")


def _embodied(ledger: Ledger, common: dict[str, Any]) -> Iterator[Metric]:
    rates = ledger.told("embodied_kg_per_s")
    if not rates or None in rates:
        return
    kg = sum(float(a.facts["embodied_kg_per_s"]) * float(a.last["duration_s"]) for a in ledger.accounts)
    method = "embodied emissions of the node × time of the run / its lifetime, as declared (ISO/IEC 21031)"
    yield _of("carbon.embodied_kg", kg, **common | {"quality": Quality.DECLARED, "method": method})


def _cost(ledger: Ledger, common: dict[str, Any]) -> Iterator[Metric]:
    """Yield what the energy cost, PUE included, where a price was declared for all of it in one currency."""
    prices, currencies = ledger.told("price_per_kwh"), ledger.told("currency")
    if not any(price is not None for price in prices):
        return
    if None in prices or len(currencies) != 1:
        reason = "no price was declared for some of the energy, or in several currencies"
        yield _of("carbon.cost", None, reason=reason, **common | {"quality": Quality.UNKNOWN})
        return
    cost = sum(account.kwh * account.pue * float(account.facts["price_per_kwh"]) for account in ledger.accounts)
    told, currency = ", ".join(sorted({f"{float(price):g}" for price in prices})), str(currencies[0])
    method = f"{common['method']}; {told} {currency} a kWh as declared; {_with_pue(ledger)}"
    found = _of("carbon.cost", cost, **common | {"method": method}, **_range(ledger, cost))
    yield found.model_copy(update={"unit": currency})


def _shares(ledger: Ledger, record: Record, common: dict[str, Any]) -> Iterator[Metric]:
    """Yield the energy of an example, a token and an epoch."""
    totals = Totals.of(record)
    for name, unit in (("samples", "sample"), ("tokens", "token")):
        if totals is not None and set(totals.attempts) == {attempt.number for attempt in record.run.attempts}:
            yield from _per_unit(ledger, totals, name, f"carbon.energy_per_{unit}", common)
    epochs = record.run.own_epochs
    if epochs is None and record.run.attempts[-1].epochs:
        reason = "the run goes on from another, and after how many epochs is not recorded"
        yield _of("carbon.energy_per_epoch_kwh", None, reason=reason, **common | {"quality": Quality.UNKNOWN})
    if epochs:
        value = ledger.kwh / epochs
        method = f"{common['method']}; over the epochs of this run, begun ones and lost work included{HERE}{epochs}"
        fields = common | {"method": method} | _range(ledger, value)
        yield _of("carbon.energy_per_epoch_kwh", value, **fields, n=epochs)


def _per_unit(ledger: Ledger, totals: Totals, name: str, metric: str, common: dict[str, Any]) -> Iterator[Metric]:
    """Yield the energy of one of what was counted; nothing where an attempt could not count it."""
    try:
        total = totals.sum(name, f"no_{name}")
    except UnknownError:
        return
    if not total:
        return
    silent = sum(totals.devices(number) - len(totals.of_attempt(number)) for number in totals.attempts)
    method = f"{common['method']}; over all {name}, repetitions and lost work included"
    method += f"; ranks that told nothing ({silent}) taken to be as the others" if silent > 0 else ""
    method += f"{HERE}{total:,.0f} {name}"
    value = JOULES * ledger.kwh / total
    yield _of(metric, value, **common | {"method": method} | _range(ledger, value), n=round(total))


def _forecasts(record: Record) -> Iterator[Metric]:
    found = scored(record.events("energy_forecast", replayed=True), record.events("energy", replayed=True))
    if found is None:
        return
    coverage, error, number = found
    method = f"forecasts of the energy at the last step, with their {percent(BAND)} band, against what it came to"
    common: dict[str, Any] = {"quality": Quality.MEASURED, "method": method, "monitor": "carbon", "n": number}
    yield _of("carbon.forecast_coverage", coverage, **common)
    yield _of("carbon.forecast_error", error, **common)
