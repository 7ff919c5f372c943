"""Numbers that somebody else measured, as metrics with as much of an interval as their standard error gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .escape import visible
from .model import Metric, Quality
from .registry import IMPORTED_PREFIX

LONGEST = 200  # characters of a name
MONITOR = "imported"
CONFIDENCE, TAIL, QUANTILE = 0.95, 0.025, 1.959964  # of the standard normal distribution, two-sided


@dataclass(frozen=True, slots=True)
class Told:
    """What stands in a file where a number should be: a finite one, or why there is none."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """An interval at 95 % and how it was made; open ends and no words where there is none."""

    low: float | None = None
    high: float | None = None
    method: str = ""


def number(found: object) -> Told | None:
    """Return the number that was read from JSON, or None when it is none: a flag, a text, a list."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        value = float(found)
    except OverflowError:
        return Told(None, "the value is too large for a number")
    return Told(value) if math.isfinite(value) else Told(None, f"the value is {value}")


def span(value: float | None, error: float | None, *, share: bool, n: int | None) -> Span:
    """Return the normal interval of a mean from its standard error.

    A standard error of 0 says nothing of the uncertainty: only where all of n answers were right, or none, the
    exact interval is known (Clopper and Pearson 1934, Biometrika 26): from 0.025^(1/n) to 1, or its mirror image.

    Args:
        value: The mean.
        error: Its standard error, in the same unit.
        share: Whether it is a mean of zeros and ones, which ends at 0 and 1.
        n: Independent units, where the file counts them.
    """
    if value is None or error is None or error < 0:
        return Span()
    share = share and 0 <= value <= 1
    if error == 0:
        return _exact(value, n) if share and n and value in (0, 1) else Span()
    low, high = value - QUANTILE * error, value + QUANTILE * error
    if not (math.isfinite(low) and math.isfinite(high)):
        return Span()
    method = f"normal interval from the standard error {error:.3g}"
    return Span(max(low, 0.0), min(high, 1.0), method) if share else Span(low, high, method)


def _exact(value: float, n: int) -> Span:
    arm = 1 - TAIL ** (1 / n)
    return Span(max(value - arm, 0.0), min(value + arm, 1.0), "exact interval")


def declared(
    name: str, told: Told, *, method: list[str], labels: Mapping[str, str] | None = None, n: int | None = None,
    interval: Span | None = None,
) -> Metric:  # fmt: skip
    """Return a number as a metric `imported.<name>`, bound to no checkpoint yet; what could act is made visible."""
    found = interval or Span()
    told_how: list[str] = [part for part in (*method, found.method) if part]
    return Metric(
        name=IMPORTED_PREFIX + visible(name, cap=LONGEST),
        value=told.value,
        unit="",
        low=found.low,
        high=found.high,
        confidence=None if found.low is None else CONFIDENCE,
        n=n,
        quality=Quality.DECLARED,
        method=", ".join(told_how),
        monitor=MONITOR,
        labels={visible(key, cap=LONGEST): visible(text, cap=LONGEST) for key, text in (labels or {}).items()},
        reason=told.reason,
    )


def text_of(found: Any, *, cap: int = LONGEST) -> str:
    """Return a text or number of a file as people may see it; of anything else an empty text."""
    plain = isinstance(found, str | int | float) and not isinstance(found, bool)
    return visible(" ".join(str(found).split()), cap=cap) if plain else ""
