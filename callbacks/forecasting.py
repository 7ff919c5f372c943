"""Forecasts of the validation loss, made while the run goes, so that they can be scored by what happens."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from ..audit.forecast import FEWEST, RefusedError, forecast
from ..audit.schedule_area import Schedule
from .monitor import Monitor, guarded
from .purse import PROBES

MOST = 20  # forecasts a run
APART = 1.25  # factor of the steps between two of them
COST_S = 0.1  # what a forecast takes
TWICE = 2  # how far ahead, in steps so far
TABLE, LOSS = "overfitting", "overfitting.val_loss"


class ForecastMonitor(Monitor):
    """Forecast, now and then after a validation, the validation loss after as many steps again.

    A power law, a shifted one and an exponential are fitted to the validation losses so far, as `OverfittingMonitor`
    records them, at the learning rate of now; a forecast is made after at least five, at most twenty times, ever
    rarer, and not once the rate has come down. When the run ends, each is scored by what happened, where the rate
    stayed as it was. Needs `OverfittingMonitor` before it on the same trainer.

    Records:
        forecast: Event with the step, the step that it is for, the loss and its 95 % interval (loss).

    Metrics: `forecast.loss_at_double`, `forecast.next_percent_steps`, `forecast.next_percent_kwh`,
    `forecast.coverage`, `forecast.error`.

    Args:
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "forecast"

    def __init__(self, *, dirpath: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dirpath=dirpath)
        self._points: list[tuple[int, float, float]] = []
        self._made, self._next = 0, 0

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from what a checkpoint held."""
        held = self.resumed_progress(self.name)
        told = zip(held.get("step", ()), held.get("loss", ()), held.get("rate", ()), strict=True)
        self._points = [(int(step), _number(loss), float(rate)) for step, loss, rate in told]
        self._made, self._next = int(held.get("made", 0)), int(held.get("next", 0))

    def progress(self) -> dict[str, Any]:
        """Return steps, losses and rates so far, and when the next forecast is due."""
        step, loss, rate = zip(*self._points, strict=True) if self._points else ((), (), ())
        losses = [value if math.isfinite(value) else None for value in loss]
        held = {"step": list(step), "loss": losses, "rate": list(rate)}
        return held | {"made": self._made, "next": self._next}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the validation's loss, and forecast when it is time."""
        super().on_validation_end(trainer, pl_module)
        self._forecast(trainer)

    @guarded
    def _forecast(self, trainer: Trainer) -> None:
        step, session = trainer.global_step, self.session
        if session is None or not self._take(trainer) or not self._due(step):
            return
        self._next = math.ceil(step * APART)
        steps, losses, rates = (np.asarray(column) for column in zip(*self._points, strict=True))
        schedule = Schedule.of(steps, rates)
        if schedule.decays:  # the rest of the schedule is not known
            return
        with session.purse.spending(PROBES):
            try:
                found = forecast(steps, losses, schedule).at(TWICE)
            except RefusedError:
                return
        self._made += 1
        told = {"value": found.value, "low": found.low, "high": found.high}
        session.event("forecast", step=step, at_step=step, for_step=TWICE * step, **told)

    def _due(self, step: int) -> bool:
        enough = len(self._points) >= FEWEST and self._made < MOST and step >= self._next
        return enough and self.session is not None and self.session.purse.left(PROBES) >= COST_S

    def _take(self, trainer: Trainer) -> bool:
        """Keep the loss of the validation that has just ended; return whether there was one."""
        watch = None if self.session is None else self.session.watch
        rows = watch.taken(TABLE) if watch is not None else []
        latest = next((part for part in reversed(rows) if LOSS in part.columns), None)
        if latest is None or int(latest.step[-1]) != trainer.global_step or not trainer.optimizers:
            return False
        loss = float(latest.values[-1, latest.columns.index(LOSS)])
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self._points = [point for point in self._points if point[0] < trainer.global_step]
        self._points.append((trainer.global_step, loss, rate))
        return True


def _number(loss: float | None) -> float:
    return math.nan if loss is None else float(loss)
