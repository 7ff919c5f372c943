"""Charts of what the validation loss cost, and of what it would become."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .beststep import UnclearError, best_step
from .charts import Area, Floats, Line, LineChart, PanelPlan, Table, line_chart
from .curves import Curve, Reader
from .forecast import REACH, Forecast, RefusedError, forecast
from .formats import count, number, percent, smaller_unit
from .model import Audit
from .price import STEPS, accumulated
from .returns import DOUBLE
from .schedule_area import Schedule

POINTS = 25  # at which a forecast is drawn
ROWS = 6


def outlook(reader: Reader, audit: Audit) -> Iterator[LineChart]:
    """Yield what the steps after the best one cost, and the forecast; each where the audit has its metric."""
    loss = reader.curve("overfitting.val_loss")
    if _told(audit, STEPS):
        yield from _price(loss, reader.curve("carbon.energy_kwh"))
    if _told(audit, DOUBLE):
        yield from _forecast(reader, loss)
    yield from reader.attempt(lambda _: list(_reliability(reader, audit, loss)), "forecasts of the loss") or []


def _told(audit: Audit, name: str) -> float | None:
    metric = audit.metric(name)
    return None if metric is None else metric.value


def _price(loss: Curve, energy: Curve) -> Iterator[LineChart]:
    """Yield the validation loss above the energy spent on it, where both are known."""
    finite = np.isfinite(loss.value)
    metered = np.isfinite(energy.value)
    if metered.sum() < 2:
        return
    try:
        best = best_step(loss.step[finite], loss.value[finite])
    except UnclearError:
        return
    step, spent = energy.step[metered], accumulated(energy.value[metered])
    factor, unit = smaller_unit(float(spent[-1]), energy.unit)
    spent = factor * spent
    share = 1 - float(np.interp(best.step, [0, *step], [0.0, *spent])) / float(spent[-1])
    yield line_chart(
        title="Validation loss, and the energy spent on it",
        caption=f"After step {best.step:,} the validation loss fell by at most {number(best.within)};"
        f" {percent(share)} of the energy was spent after it.",
        plans=[
            PanelPlan(title="loss", lines=[Line(label="validation", step=loss.step, value=loss.value, look=1)]),
            PanelPlan(title=unit, lines=[Line(label="energy", step=step, value=spent, look=2)], height=70.0),
        ],
        marks=((float(best.step), "best step"),),
        table=_table(("step", unit), step, spent),
    )


def _forecast(reader: Reader, loss: Curve) -> Iterator[LineChart]:
    rate = reader.curve("optimizer.lr")
    try:
        found = forecast(loss.step, loss.value, Schedule.of(rate.step, rate.value))
    except RefusedError:
        return
    fitted = np.linspace(float(found.first.min()) / found.last if not found.schedule.decays else 0.1, 1.0, POINTS)
    ahead = np.linspace(1.0, REACH, POINTS)
    middle, low, high = found.band(ahead)
    curve = np.concatenate((np.median(found.curves(fitted[:-1]), axis=0), middle))
    steps = found.end * ahead
    lines = [
        Line(label="validation", step=loss.step, value=loss.value, look=1),
        Line(label="fit", step=found.end * np.concatenate((fitted[:-1], ahead)), value=curve, look=0),
    ]
    yield line_chart(
        title="Validation loss, carried on to twice the steps",
        caption=_caption(found, middle, low, high),
        plans=[PanelPlan(title="loss", lines=lines, areas=[Area(step=steps, low=low, high=high, look=0)], log=None)],
        marks=((float(found.end), "end"),),
        table=_table(("step", "forecast", "low", "high"), steps, middle, low, high),
    )


def _reliability(reader: Reader, audit: Audit, loss: Curve) -> Iterator[LineChart]:
    """Yield the forecasts made while the run went, at the steps that they were for, against what happened there."""
    made = sorted(
        tuple(event[key] for key in ("for_step", "value", "low", "high")) for event in reader.events("forecast")
    )
    reached = [row for row in made if loss.drawable and row[0] <= loss.step[-1]]
    if not reached:
        return
    step, value, low, high = (np.asarray(column, dtype=np.float64) for column in zip(*reached, strict=True))
    known = np.isfinite(loss.value)
    if not known.any():
        return
    happened = np.interp(step, loss.step[known], loss.value[known])
    yield line_chart(
        title="Forecasts made on the way, and what happened",
        caption=_kept(audit, len(made))
        + " A forecast stands at the step that it was for, half-way after it was made.",
        plans=[
            PanelPlan(
                title="loss",
                lines=[
                    Line(label="validation", step=loss.step, value=loss.value, look=1),
                    Line(label="foretold", step=step, value=value, look=3),
                ],
                areas=[Area(step=step, low=low, high=high, look=3)],
                log=None,
            )
        ],
        table=_table(("step", "foretold", "low", "high", "happened"), step, value, low, high, happened),
    )


def _kept(audit: Audit, made: int) -> str:
    """Return how many forecasts held, by the audit's own count."""
    coverage, error = audit.metric("forecast.coverage"), _told(audit, "forecast.error")
    if coverage is None or coverage.value is None:
        return f"None of {count(made, 'forecast')} can be scored: the learning rate did not stay the same."
    held = f"{percent(coverage.value)} of {coverage.n or 0} intervals at 95 % held what happened"
    return f"{held}; median error {percent(error)}." if error is not None else f"{held}."


def _caption(found: Forecast, middle: Floats, low: Floats, high: Floats) -> str:
    ahead = "with the schedule stretched" if found.schedule.decays else "at the same learning rate"
    return (
        f"After as many steps again, {ahead}, the loss would be {number(float(middle[-1]))}"
        f" [{number(float(low[-1]))}, {number(float(high[-1]))}]: {found.law}, fitted to {found.points} validations."
        " The band is the 95 % interval of a validation."
    )


def _table(header: tuple[str, ...], step: Floats, *columns: Floats) -> Table:
    kept = np.unique(np.linspace(0, step.size - 1, ROWS).round().astype(np.intp))
    rows = [(f"{step[k]:,.0f}", *(number(float(column[k])) for column in columns)) for k in kept]
    return Table(header=header, rows=tuple(rows))
