"""Charts of energy: what the phases took of it, and what was forecast against what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .barcharts import ShareBar, share_bar, shares
from .charts import Area, Line, LineChart, PanelPlan, Table, line_chart
from .curves import Reader
from .formats import amount, amounts, count, percent, smaller_unit
from .model import Audit
from .overview import value_of

ENERGY, KWH = "carbon.energy_kwh", "kWh"
PHASES = {
    "training": "training",
    "validation": "validation",
    "generation": "asking for text",
    "checkpoint": "checkpoints",
    "overhead": "our measuring",
}

KEYS = ("at_step", "value", "low", "high")

Event = Mapping[str, Any]


def phases(audit: Audit) -> Iterator[ShareBar]:
    """Yield what each phase of the run took of the energy."""
    found = {
        metric.labels["phase"]: metric.value
        for metric in audit.metrics
        if metric.name == ENERGY and set(metric.labels) == {"phase"} and metric.value is not None
    }
    order = [*PHASES, *(name for name in found if name not in PHASES)]
    parts = {PHASES.get(name, name): found[name] for name in order if name in found}
    if not any(value > 0 for value in parts.values()) or min(parts.values()) < 0:
        return
    ours = " Our measuring is taken out of training, by time." if "overhead" in found else ""
    whole = value_of(audit, ENERGY)
    factor, unit = smaller_unit(whole or sum(parts.values()), KWH)
    yield share_bar(
        title="Energy by phase",
        caption=f"{shares(parts, whole).capitalize()}; shared out by the time of each phase between two readings."
        f"{ours}",
        parts={name: size * factor for name, size in parts.items()},
        unit=unit,
        whole=None if whole is None else whole * factor,
        head="phase",
    )


def forecasts(reader: Reader, audit: Audit) -> Iterator[LineChart]:
    """Yield what the last attempt's energy was foretold to be, against what it came to."""
    made = reader.events("energy_forecast")
    if made and (chart := reader.attempt(lambda _: _forecasts(reader, made, audit), "forecasts of energy")):
        yield chart


def _forecasts(reader: Reader, made: Sequence[Event], audit: Audit) -> LineChart:
    attempt = max(event["attempt"] for event in made)
    rank = min(event["rank"] for event in made if event["attempt"] == attempt)
    ours = _of(made, attempt, rank)
    readings = _of(reader.events("energy"), attempt, rank)
    came = next((r["energy_kwh"] for r in readings if r["at_step"] >= ours[-1]["for_step"]), None)
    factor, unit = smaller_unit(max(event["high"] for event in ours), KWH)
    scaled = None if came is None else factor * came
    step = np.asarray([event["at_step"] for event in ours], dtype=np.float64)
    value, low, high = (factor * np.asarray([event[key] for event in ours], dtype=np.float64) for key in KEYS[1:])
    plan = PanelPlan(
        title=f"{unit} of the attempt at its last step, foretold at a step",
        lines=[
            Line(label="foretold", step=step, value=value),
            *_level(step, scaled),
        ],
        areas=[Area(step=step, low=low, high=high)],
    )
    return line_chart(
        title="Energy foretold, and what it came to",
        caption=_caption(ours, came, audit),
        plans=[plan],
        table=Table(
            header=("at step", "foretold", "low", "high", "came to"),
            rows=tuple(
                (f"{e['at_step']:,.0f}", *(amount(e[key], KWH) for key in KEYS[1:]), amount(came, KWH)) for e in ours
            ),
        ),
    )


def _level(step: NDArray[Any], came: float | None) -> list[Line]:
    """Return what it came to as a line, so that its label keeps clear of the other's."""
    return [] if came is None else [Line(label="came to", step=step, value=np.full(step.size, came), look=6)]


def _of(events: Sequence[Event], attempt: int, rank: int) -> list[Event]:
    return sorted((e for e in events if (e["attempt"], e["rank"]) == (attempt, rank)), key=lambda e: e["at_step"])


def _caption(made: Sequence[Event], came: float | None, audit: Audit) -> str:
    first = made[0]
    text = (
        f"At step {first['at_step']:,} of {first['for_step']:,}, {amount(first['value'], KWH)}"
        f" ({amounts(first['low'], first['high'], KWH)}) were foretold;"
    )
    text += f" it came to {amount(came, KWH)}." if came is not None else " the last step was not reached."
    coverage, error = audit.metric("carbon.forecast_coverage"), value_of(audit, "carbon.forecast_error")
    if coverage is not None and coverage.value is not None and error is not None:
        number_of = f"{count(coverage.n or 0, 'forecast')}, of all attempts"
        text += f" {number_of}: {percent(coverage.value)} of the bands held what came; median error {percent(error)}."
    return f"{text} The band is from the 10th to the 90th percentile of what a step has cost."
