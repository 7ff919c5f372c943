"""What more training would give, as metrics of a run, and how the forecasts made while it ran have come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import registry
from .comparable import HERE
from .forecast import CONFIDENCE, Forecast, RefusedError, Span, forecast
from .model import Metric, Quality
from .price import Source, last_step, spent_after
from .record import Record, Series
from .schedule_area import PLATEAU, Schedule

Floats = NDArray[np.float64]

BLOCKS = 60  # means of the training loss, where no validation ran
DOUBLE, PERCENT, PERCENT_KWH = "forecast.loss_at_double", "forecast.next_percent_steps", "forecast.next_percent_kwh"
COVERAGE, ERROR = "forecast.coverage", "forecast.error"
NAMES = (DOUBLE, PERCENT, PERCENT_KWH)
LATELY = 2 / 3  # of the steps: from here on the energy of a step is taken


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """A forecast made while the run went, and what happened."""

    at_step: int
    for_step: int
    forecast: Span
    happened: float

    @property
    def held(self) -> bool:
        """Whether the interval held what happened."""
        return self.forecast.low <= self.happened <= self.forecast.high


def losses(source: Source) -> tuple[NDArray[np.int64], Floats, str]:
    """Return steps and losses that a forecast is made of, and what they are: the validation's, else the training's.

    Of the training loss, means of up to sixty blocks of equal size, each at its last step.
    """
    found = source.series("overfitting.val_loss")
    if len(found):
        return found.step, found.value, "validation loss"
    rows = source.series("train.loss")
    parts = zip(np.array_split(rows.step, BLOCKS), np.array_split(rows.value, BLOCKS), strict=True)
    blocks = [(int(step[-1]), float(np.mean(value))) for step, value in parts if step.size]
    ends, means = zip(*blocks, strict=True) if blocks else ((), ())
    return np.asarray(ends, dtype=np.int64), np.asarray(means, dtype=np.float64), "training loss"


def forecast_of(source: Source) -> Forecast:
    """Return the learning curve of a run.

    Raises:
        RefusedError: It cannot be carried on, for the reason in the message.
    """
    step, loss, _ = losses(source)
    return forecast(step, loss, schedule_of(source))


def schedule_of(source: Source) -> Schedule:
    """Return the learning rate of the first optimizer."""
    rate = source.series("optimizer.lr")
    first = rate.optimizer == rate.optimizer.min(initial=0)
    return Schedule.of(rate.step[first], rate.value[first])


def scored(source: Source, events: list[dict[str, Any]]) -> list[Scored]:
    """Return the forecasts that can be compared with what happened.

    A forecast is for a learning rate that stays as it was: those before whose step it changed are left out. What
    happened is the validation nearest to that step, where one lies within half the distance of two validations.
    """
    found, schedule = source.series("overfitting.val_loss"), schedule_of(source)
    made = [event for event in events if len(found) > 1 and _kept_rate(schedule, event)]
    apart = float(np.median(np.diff(found.step))) if len(found) > 1 else 0.0
    return [score for event in made if (score := _score(found, event, apart)) is not None]


def _score(found: Series, event: Mapping[str, Any], apart: float) -> Scored | None:
    place = int(np.abs(found.step - event["for_step"]).argmin())
    near = abs(float(found.step[place]) - event["for_step"]) <= 0.5 * apart
    if not near or not np.isfinite(found.value[place]):
        return None
    told = Span(value=float(event["value"]), low=float(event["low"]), high=float(event["high"]))
    return Scored(
        at_step=int(event["at_step"]),
        for_step=int(event["for_step"]),
        forecast=told,
        happened=float(found.value[place]),
    )


def _kept_rate(schedule: Schedule, event: Mapping[str, Any]) -> bool:
    """Return whether the learning rate stayed near what it was when a forecast was made."""
    between = (schedule.step >= event["at_step"]) & (schedule.step <= event["for_step"])
    rate = schedule.rate[between]
    return not rate.size or bool((rate >= PLATEAU * rate[0]).all() and (PLATEAU * rate <= rate[0]).all())


def measure(record: Record, totals: Mapping[str, Metric] | None = None) -> Iterator[Metric]:
    """Yield what more steps would give, and how earlier forecasts came out.

    Args:
        record: The run.
        totals: Metrics of the energy ledger by name.
    """
    step, loss, what = losses(record)
    try:
        found = forecast(step, loss, schedule_of(record))
    except RefusedError as error:
        for name in (DOUBLE, PERCENT, PERCENT_KWH):
            yield _refused(name, str(error))
    else:
        energy = Energy.of(record, totals or {})
        yield _double(found, what, energy)
        yield from _percent(found, what, energy)
    yield from _scores(scored(record, record.events("forecast")), len(record.events("forecast")))


@dataclass(frozen=True, kw_only=True, slots=True)
class Energy:
    """What a step has cost lately.

    Attributes:
        kwh: Energy of one step; None when it is not known.
        kg: CO2 equivalent of one step; None when it is not known.
        quality: Of the energy.
        reason: Why it is not known.
    """

    kwh: float | None
    kg: float | None
    quality: Quality
    reason: str

    @classmethod
    def of(cls, source: Source, totals: Mapping[str, Metric]) -> Energy:
        """Return the energy of a step over the last third of a run."""
        total, emitted, end = totals.get("carbon.energy_kwh"), totals.get("carbon.emissions_kg"), last_step(source)
        after = spent_after(source.series("carbon.energy_kwh"), int(LATELY * end))
        if total is None or total.value is None or after is None:
            return cls(kwh=None, kg=None, quality=Quality.UNKNOWN, reason="the energy was not read at two steps")
        share = after[1] / max(end - int(LATELY * end), 1)
        kg = share * emitted.value if emitted is not None and emitted.value is not None else None
        return cls(kwh=share * total.value, kg=kg, quality=total.quality, reason="")


def _double(found: Forecast, what: str, energy: Energy) -> Metric:
    more, gain = found.end, found.gain(2.0)
    per = f"{1000 * gain.value / more:.3g} per 1,000 steps"
    per += f", {gain.value / (more * energy.kwh):.3g} per kWh" if energy.kwh else ""
    told = f"gain {gain.value:.3g} [{gain.low:.3g}, {gain.high:.3g}] in {more:,} more steps: {per}"
    try:
        return _span(DOUBLE, found.at(2.0), found, method=f"{_law(found, what)}{_here(found)}; {told}")
    except RefusedError as error:
        return _refused(DOUBLE, str(error))


def _percent(found: Forecast, what: str, energy: Energy) -> Iterator[Metric]:
    try:
        steps = found.next_percent()
    except RefusedError as error:
        yield _refused(PERCENT, str(error))
        yield _refused(PERCENT_KWH, str(error))
        return
    yield _span(PERCENT, steps, found, method=_law(found, what) + _here(found))
    if energy.kwh is None:
        yield _refused(PERCENT_KWH, energy.reason)
        return
    cost = Span(value=steps.value * energy.kwh, low=steps.low * energy.kwh, high=steps.high * energy.kwh)
    kg = f"; {steps.value * energy.kg:.3g} kg CO2e" if energy.kg is not None else ""
    told = f"{_law(found, what)}; energy of a step as in the last third of the run{_here(found)}{kg}"
    quality = Quality.weakest([energy.quality, Quality.MODELLED])
    yield _span(PERCENT_KWH, cost, found, method=told, quality=quality)


def _law(found: Forecast, what: str) -> str:
    ahead = "the schedule stretched" if found.schedule.decays else "the learning rate kept"
    return f"laws of how losses fall, fitted to the {what} after the warm-up, {ahead}"


def _here(found: Forecast) -> str:
    return f"{HERE}{found.law}, on {found.points} points"


def _scores(found: list[Scored], made: int) -> Iterator[Metric]:
    if not found:
        reason = f"the run came to the step of none of {made} forecasts at the same learning rate"
        for name in (COVERAGE, ERROR) if made else ():
            yield _refused(name, reason)
        return
    held, errors = np.mean([score.held for score in found]), [_error(score) for score in found]
    method = "forecasts for twice the steps, to which the run came at the same learning rate"
    here = f"{HERE}{len(found)} of {made}"
    common: dict[str, Any] = {"quality": Quality.MEASURED, "n": len(found)}
    yield _metric(COVERAGE, float(held), method=f"{method}; share whose interval held what happened{here}", **common)
    yield _metric(ERROR, float(np.median(errors)), method=f"{method}; median relative error{here}", **common)


def _error(score: Scored) -> float:
    return abs(score.forecast.value - score.happened) / abs(score.happened) if score.happened else float("nan")


def _span(name: str, found: Span, of: Forecast, *, method: str, quality: Quality = Quality.MODELLED) -> Metric:
    return _metric(name, found.value, low=found.low, high=found.high, confidence=CONFIDENCE, n=of.points,
                   method=method, quality=quality)  # fmt: skip


def _refused(name: str, reason: str) -> Metric:
    return _metric(name, None, method="no forecast", quality=Quality.UNKNOWN, reason=reason)


def _metric(name: str, value: float | None, **fields: Any) -> Metric:
    quantity = registry.metric(name)
    return Metric(name=name, value=value, unit=quantity.unit if quantity else "", monitor="forecast", **fields)
