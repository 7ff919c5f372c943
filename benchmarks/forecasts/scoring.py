"""Forecasts as the product makes them, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from groundwire.audit.forecast import Forecast, RefusedError, Span, forecast
from groundwire.audit.returns import Scored, forecast_of, scored
from groundwire.audit.schedule_area import Schedule

from ..simulation.samples import Share
from .families import Family
from .planted import Run

TWICE = 2.0  # the steps so far, for which the product forecasts
DECAYED = (
    "the learning rate has come down, and the rest of the schedule is not known"  # ForecastMonitor then makes none
)
CHANGED = "the learning rate changed before the step that it was for"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One forecast.

    Attributes:
        refused: Why there was none, or why it cannot be compared; empty where it was scored.
        held: Whether its interval held the loss that came.
        error: Relative.
        half: Half of its interval, relative to what was forecast.
        percent: Whether the interval of the steps to one per cent less held; None where it was refused or not asked.
    """

    refused: str = ""
    held: bool = False
    error: float = np.nan
    half: float = np.nan
    percent: bool | None = None


def during(run: Run, share: float) -> Outcome:
    """Forecast after a share of the steps as `ForecastMonitor` does, and score it as an audit does."""
    count = round(share * run.step.size)
    step, loss = run.step[:count], run.loss[:count]
    schedule = Schedule.of(step, np.interp(step, run.lr_step, run.lr))
    if schedule.decays:
        return Outcome(refused=DECAYED)
    try:
        found = forecast(step, loss, schedule)
        told = found.at(TWICE)
    except RefusedError as error:
        return Outcome(refused=str(error))
    steps = {"at_step": int(step[-1]), "for_step": int(TWICE * step[-1])}
    scores = scored(run, [{**steps, "value": told.value, "low": told.low, "high": told.high}])
    if not scores:
        return Outcome(refused=CHANGED)
    return _outcome(scores[0], _percent(found, run, int(step[-1])))


def afterwards(run: Run) -> Outcome:
    """Forecast from a whole run the same with its schedule stretched to twice the steps."""
    try:
        told = forecast_of(run).at(TWICE)
    except RefusedError as error:
        return Outcome(refused=str(error))
    end = int(run.step[-1])
    return _outcome(Scored(at_step=end, for_step=2 * end, forecast=told, happened=run.doubled), None)


def _outcome(score: Scored, percent: bool | None) -> Outcome:
    told, happened = score.forecast, score.happened
    return Outcome(
        held=score.held, error=abs(told.value / happened - 1), half=(told.high - told.low) / 2 / abs(told.value),
        percent=percent,
    )  # fmt: skip


def _percent(found: Forecast, run: Run, now: int) -> bool | None:
    """Return whether the interval held the number of steps that lower the loss, without noise, by one per cent."""
    if run.course is None:
        return None
    try:
        told = found.next_percent()
    except RefusedError:
        return None
    end = int(run.step[-1])
    more = np.linspace(0, now, 20_001)
    reached = run.course((now + more) / end) <= 0.99 * float(run.course(np.array([now / end]))[0])
    truth = float(more[reached.argmax()]) if reached.any() else np.inf
    return _within(truth, told)


def _within(truth: float, told: Span) -> bool:
    return told.low - 1 <= truth <= told.high + 1  # steps are whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """All forecasts of one family at one place."""

    family: Family
    place: str
    outcomes: Sequence[Outcome]

    @property
    def made(self) -> list[Outcome]:
        """Return the forecasts that were scored."""
        return [one for one in self.outcomes if not one.refused]

    @property
    def held(self) -> Share:
        """Return how often the interval held."""
        return Share(hits=sum(one.held for one in self.made), of=len(self.made))


def measure(family: Family, repeats: int) -> list[Result]:
    """Return the forecasts of a family: at a quarter, at half and, under a schedule, after the whole run."""
    runs = [family.run(repeat) for repeat in range(repeats)]
    found = [
        Result(family=family, place=f"{share:.0%}".replace("%", " %"), outcomes=[during(run, share) for run in runs])
        for share in (0.25, 0.5)
    ]
    if family.shape is not None:
        found.append(Result(family=family, place="whole, stretched", outcomes=[afterwards(run) for run in runs]))
    return found
