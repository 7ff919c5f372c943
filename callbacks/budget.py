"""What a run may consume, what it is going to, and what happens when that is too much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..audit.energy_forecast import BAND, TooEarlyError, energy_forecast

Action = Literal["warn", "stop"]
ACTIONS = ("warn", "stop")
UNITS = {"max_energy_kwh": "kWh", "max_emissions_kg": "kg CO2e"}
APART = 1.5  # factor of the steps between two forecasts
MOST = 500  # readings that are kept, even: beyond, every other one goes
Spent = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Upper limits of energy and emissions over all attempts and nodes; None: no limit.

    Attributes:
        max_energy_kwh: Of energy before PUE (kWh).
        max_emissions_kg: Of emissions, PUE included (kg CO2 equivalent).
        action: `warn` says it once, `stop` also ends the training after the batch.

    Raises:
        ValueError: An option is not allowed.
    """

    max_energy_kwh: float | None
    max_emissions_kg: float | None
    action: Action

    def __post_init__(self) -> None:
        for name in UNITS:
            limit = getattr(self, name)
            if limit is not None and not (is_number(limit) and limit > 0):
                raise ValueError(f"{name} must be a positive number or None, got {limit!r}")
        if self.action not in ACTIONS:
            raise ValueError(f"action must be 'warn' or 'stop', got {self.action!r}")

    @property
    def limits(self) -> dict[str, float]:
        """Limits that were set, by the name of their option."""
        return {name: limit for name in UNITS if (limit := getattr(self, name)) is not None}

    def exceeded(self, spent: Spent) -> str:
        """Return which limit is exceeded, in words; an empty string when none is.

        Args:
            spent: What was spent, by the name of the limit's option; None where that is unknown.
        """
        over = ((name, value, limit) for name, limit in self.limits.items() if (value := spent[name]) is not None)
        return next((f"{value:.3g} of {limit:g} {UNITS[name]}" for name, value, limit in over if value > limit), "")


class Course:
    """What an attempt has consumed at each reading, and what it will have at its last step.

    Args:
        first: Steps that were taken before it.
        last: Its last step; None where that is not known.
        validates: Whether it validates: nothing is told before it has.
    """

    def __init__(self, first: int, last: int | None, *, validates: bool) -> None:
        self._first, self._last, self._validates = first, last, validates
        self._points: list[tuple[int, float, float]] = []
        self._latest = (first, 0.0, 0.0)
        self._readings, self._every = 0, 1
        self._next = float(first)

    def add(self, step: int, training_kwh: float, other_kwh: float) -> None:
        """Take what a reading told; of many, those that are kept lie evenly apart."""
        self._latest = (step, training_kwh, other_kwh)
        if self._readings % self._every == 0:
            self._points.append(self._latest)
        self._readings += 1
        if len(self._points) > MOST:
            self._points, self._every = self._points[::2], 2 * self._every

    def forecast(self) -> dict[str, Any] | None:
        """Return a forecast, in words of JSON, when one is due and can be made: ever rarer."""
        step, _, others = self._latest
        if self._last is None or step < self._next or (self._validates and not others):
            return None
        points = self._points if self._points[-1] == self._latest else [*self._points, self._latest]
        try:
            found = energy_forecast(*zip(*points, strict=True), last=self._last, first=self._first)
        except TooEarlyError:
            return None
        self._next = self._first + APART * (step - self._first)
        told = {"value": found.kwh, "low": found.low, "high": found.high, "confidence": BAND}
        return {"at_step": step, "for_step": self._last, **told}


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
