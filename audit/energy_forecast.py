"""What a run will have consumed when it is complete, from what its steps have cost so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST = 5  # windows between readings, the first left out: it warms up
BAND = 0.8  # between the 10th and the 90th percentile of what a step has cost


class TooEarlyError(Exception):
    """Says why nothing can be forecast yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyForecast:
    """Energy of a complete run.

    Attributes:
        kwh: Median (kWh).
        low: 10th percentile (kWh).
        high: 90th percentile (kWh).
    """

    kwh: float
    low: float
    high: float


def energy_forecast(
    steps: Sequence[int], training: Sequence[float], others: Sequence[float], *, last: int
) -> EnergyForecast:
    """Return the energy of a run that takes `last` steps.

    The trailing half of the windows says what a step costs; validations, checkpoints and answers to prompts go on
    as often as so far. What is asked after the last step is not in it.

    Args:
        steps: Optimizer steps at each reading, shape [n], ascending.
        training: Energy of training until then (kWh), shape [n].
        others: Energy of everything else until then (kWh), shape [n].
        last: Steps of the complete run.

    Raises:
        TooEarlyError: There are too few readings, or nothing remains.
    """
    step, kwh = np.asarray(steps, dtype=np.float64), np.asarray(training, dtype=np.float64)
    moved = np.flatnonzero(np.diff(step, prepend=-1) > 0)
    step, kwh = step[moved], kwh[moved]
    rates = (np.diff(kwh) / np.diff(step))[1:]
    if rates.size < FEWEST:
        raise TooEarlyError(f"{max(rates.size, 0)} windows of steps, it takes {FEWEST}")
    if last <= step[-1]:
        raise TooEarlyError("no step remains")
    rates = rates[-max(FEWEST, rates.size // 2) :]
    low, middle, high = np.percentile(rates, [10, 50, 90])
    left = last - float(step[-1])
    spent = float(training[-1]) + float(others[-1])
    fixed = spent + left * float(others[-1]) / float(step[-1])
    return EnergyForecast(kwh=fixed + left * middle, low=fixed + left * low, high=fixed + left * high)


def scored(
    forecasts: Sequence[Mapping[str, Any]], readings: Sequence[Mapping[str, Any]]
) -> tuple[float, float, int] | None:
    """Return coverage, median relative error and number of forecasts that have come to their step; None of none."""
    held, errors = [], []
    for made in forecasts:
        came = next((r for r in readings if _reached(r, made)), None)
        if came is not None and came["energy_kwh"] > 0:
            held.append(made["low"] <= came["energy_kwh"] <= made["high"])
            errors.append(abs(made["value"] / came["energy_kwh"] - 1))
    return (float(np.mean(held)), float(np.median(errors)), len(held)) if held else None


def _reached(reading: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    same = all(reading[name] == made[name] for name in ("attempt", "rank"))
    return bool(same and reading["at_step"] >= made["for_step"])
