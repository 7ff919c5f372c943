"""What a fault looks like: a series of a run that had it beside the same series of its twin that had not."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise

from ..formats import number

FILE = "pictures.json"  # written by `python -m benchmarks.faults pictures`
BARS = "▁▂▃▄▅▆▇█"
GAP = "×"
WIDE = 30.0  # highest over lowest, above which bars stand for powers of ten


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """A thinned series: steps and values, None where they were not finite."""

    step: tuple[int, ...]
    value: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A run with a fault and one without.

    Attributes:
        run: What was trained, and what was done to it.
        series: Name of the series, with its layer where it has one.
        unit: Its unit.
        bad: Of the faulty run.
        good: Of its clean twin.
    """

    run: str
    series: str
    unit: str
    bad: Points
    good: Points


@functools.cache
def pictures() -> dict[str, Picture]:
    """Return the pictures by the code of the rule."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return {code: _picture(found) for code, found in json.loads(text).items()}


def _picture(found: dict[str, object]) -> Picture:
    parts = {side: _points(found.pop(side)) for side in ("bad", "good")}
    return Picture(**parts, **found)  # type: ignore[arg-type]


def _points(found: object) -> Points:
    assert isinstance(found, dict)  # noqa: S101 - written by us
    return Points(step=tuple(found["step"]), value=tuple(found["value"]))


def in_bars(picture: Picture, width: int = 48) -> str:
    """Return both series as rows of bars over one scale, for a terminal."""
    known = [value for side in (picture.bad, picture.good) for value in side.value if value is not None]
    rows = (("with it", picture.bad), ("without", picture.good))
    lines = [f"  {name}  {bars(side.value, known, width)}  {_range(side.value)}" for name, side in rows]
    unit = f", {picture.unit}" if picture.unit not in ("", "loss") else ""
    return "\n".join([f"  {picture.run}: {picture.series}{unit}, over the steps", *lines, ""])


def bars(values: Sequence[float | None], known: Sequence[float], width: int) -> str:
    """Return values as at most `width` bars, each the highest of its part; a part that was not finite is a cross.

    Args:
        values: In the order of the steps; None where not finite.
        known: All finite values that the scale has to hold.
        width: Most bars.
    """
    if not known:
        return GAP * min(len(values), width)
    low, high = min(known), max(known)
    log = low > 0 and high / low > WIDE
    cuts = [len(values) * place // min(width, len(values)) for place in range(min(width, len(values)) + 1)]
    parts = [values[start:end] for start, end in pairwise(cuts)]
    return "".join(_bar(part, low, high, log=log) for part in parts)


def _bar(part: Sequence[float | None], low: float, high: float, *, log: bool) -> str:
    if any(value is None for value in part):
        return GAP
    top = max(value for value in part if value is not None)
    size = math.log(top / low) / math.log(high / low) if log else (top - low) / ((high - low) or 1.0)
    return BARS[min(len(BARS) - 1, int(size * len(BARS)))]


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "never finite"
    gaps = ", then not finite" if values[-1] is None else ""
    return f"{number(min(known))} to {number(max(known))}{gaps}"
