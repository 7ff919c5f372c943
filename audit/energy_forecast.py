"""What a run will have consumed when it is complete, from what its steps have cost so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST = 8  # windows between readings, the first left out: it warms up
BLOCKS = 8  # of the trailing half of the windows, whose means waver as the rest's will
BAND = 0.8  # how sure the band is to be
QUANTILE = 1.415  # of Student's t with BLOCKS − 1 degrees of freedom, at 0.9
TREND = 3.0  # standard errors from which a slope is none of chance
FACTOR = 2.0  # of the mean, beyond which no trend is carried

Floats = NDArray[np.float64]


class TooEarlyError(Exception):
    """Says why nothing can be forecast yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyForecast:
    """Energy of a complete run.

    Attributes:
        kwh: Expected (kWh).
        low: 10th percentile (kWh).
        high: 90th percentile (kWh).
    """

    kwh: float
    low: float
    high: float


def energy_forecast(
    steps: Sequence[int], training: Sequence[float], others: Sequence[float], *, last: int, first: int = 0
) -> EnergyForecast:
    """Return the energy of an attempt that goes on to step `last`.

    The trailing half of the windows says what a step costs. Means of blocks of them waver as the mean of the rest
    will; where they rise or fall by more than chance, the band reaches from their mean to their line carried on.
    Validations, checkpoints and answers to prompts go on as often as so far; what is asked after the last step is not
    in it.

    Args:
        steps: Optimizer steps at each reading, shape [n], ascending.
        training: Energy of training until then (kWh), shape [n].
        others: Energy of everything else until then (kWh), shape [n].
        last: Step that ends the attempt.
        first: Steps that were taken before it.

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
    left = last - float(step[-1])
    number = max(BLOCKS, rates.size // 2)
    low, middle, high = _rate(step[2:][-number:], rates[-number:], left)
    fixed = float(training[-1]) + _others(np.asarray(steps), np.asarray(others), first=first, last=last)
    return EnergyForecast(kwh=fixed + left * middle, low=fixed + left * low, high=fixed + left * high)


def _others(step: NDArray[np.int_], kwh: Floats, *, first: int, last: int) -> float:
    """Return what else a complete run takes: as much a step as until the last validation or the like."""
    grown = np.flatnonzero(np.diff(kwh, prepend=0.0) > 0)
    if not grown.size:
        return 0.0
    at = int(grown[-1])
    return float(kwh[at]) * (last - first) / max(float(step[at]) - first, 1.0)


def _rate(step: Floats, rates: Floats, left: float) -> tuple[float, float, float]:
    """Return what a step of the rest costs: lower end, expectation, upper end."""
    level, place = (np.array([part.mean() for part in np.array_split(x, BLOCKS)]) for x in (rates, step))
    mean, spread = float(level.mean()), float(level.std(ddof=1))
    rest = max(1.0, left / max(float(np.diff(place).mean()), 1.0))  # blocks that remain
    half = QUANTILE * spread * math.sqrt(1 / BLOCKS + 1 / rest)
    carried = _carried(place, level, float(step[-1]) + left / 2)
    middle = (mean + carried) / 2
    return max(0.0, min(mean, carried) - half), middle, max(mean, carried) + half


def _carried(place: Floats, level: Floats, at: float) -> float:
    """Return the line through the blocks carried on to a step, their mean where it is level but for chance."""
    mean, apart = float(level.mean()), place - place.mean()
    slope = float(apart @ level / (apart @ apart))
    off = level - mean - slope * apart
    error = math.sqrt(float(off @ off) / (BLOCKS - 2) / float(apart @ apart))
    if abs(slope) <= TREND * error or mean <= 0:
        return mean
    return min(max(mean + slope * (at - float(place.mean())), mean / FACTOR), FACTOR * mean)


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
