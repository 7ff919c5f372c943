"""A limit as a small picture: what was observed with its interval, and what is allowed. Numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .charts import Scale, prefers_log

WIDTH, AIR = 150.0, 6.0  # of the picture, and of its margins


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitBar:
    """One limit in place.

    Attributes:
        allowed: Where the allowed values begin and end.
        low: Where the interval begins.
        x: Where the observed value lies.
        high: Where the interval ends.
        bounds: Where the limit's bounds lie.
        told: The same in words, for who cannot see it.
    """

    allowed: tuple[float, float]
    low: float
    x: float
    high: float
    bounds: tuple[float, ...]
    told: str
    width: float = WIDTH


def limit_bar(
    *,
    value: float | None,
    low: float | None,
    high: float | None,
    minimum: float | None,
    maximum: float | None,
    told: str,
) -> LimitBar | None:
    """Return the picture of a limit; None where there is no finite value or no bound to draw."""
    bounds = [bound for bound in (minimum, maximum) if bound is not None and math.isfinite(bound)]
    if value is None or not math.isfinite(value) or not bounds:
        return None
    ends = [end for end in (low, high) if end is not None and math.isfinite(end)]
    scale = _scale([value, *ends, *bounds])
    places = {at: round(float(scale.place(at)), 1) for at in {value, *ends, *bounds}}
    return LimitBar(
        allowed=(AIR if minimum is None else places[minimum], WIDTH - AIR if maximum is None else places[maximum]),
        low=places.get(low, AIR) if low is not None else places[value],
        x=places[value],
        high=places.get(high, WIDTH - AIR) if high is not None else places[value],
        bounds=tuple(places[bound] for bound in bounds),
        told=told,
    )


def _scale(values: list[float]) -> Scale:
    """Return a scale with room on both sides, so that allowed and not allowed can be seen."""
    low, high = min(values), max(values)
    if prefers_log(np.asarray([low, *values, high])):
        room = (high / low) ** 0.25
        return Scale(low=low / room, high=high * room, start=AIR, end=WIDTH - AIR, log=True)
    room = (high - low) * 0.25 or abs(high) * 0.5 or 1.0
    return Scale(low=low - room, high=high + room, start=AIR, end=WIDTH - AIR)
