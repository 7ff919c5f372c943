"""A grid's intensity hour by hour, from a table of the user's, and what a run would have emitted at other hours."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from os import PathLike
from typing import Any

from .errors import UsageError

HOUR_S = 3600.0
KEPT = 60 * 24  # hours in a record: a run of seven weeks, and a later start by a week
MOST_KG = 3.0  # beyond, a figure has another unit
TIMES = ("time", "datetime", "datetime (utc)")
FORM = "a column time (ISO 8601, UTC unless it says otherwise) and a column g_per_kwh or kg_per_kwh, a row an hour"

Span = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """CO2 equivalent of a kilowatt-hour in successive hours.

    Attributes:
        start: Beginning of the first hour, in UTC.
        kg_per_kwh: One figure an hour.
        source: What the table is called.
    """

    start: datetime
    kg_per_kwh: tuple[float, ...]
    source: str

    @classmethod
    def of(cls, fact: Mapping[str, Any]) -> Hours:
        """Return the hours that were written into a record."""
        values = tuple(map(float, fact["kg_per_kwh"]))
        return cls(start=datetime.fromisoformat(fact["start"]), kg_per_kwh=values, source=str(fact["source"]))

    def fact(self, begun: datetime) -> dict[str, Any]:
        """Return what a record keeps, as JSON: the hours from the one in which a run begins."""
        skipped = max(0, int((begun - self.start).total_seconds() // HOUR_S))
        kept = self.kg_per_kwh[skipped : skipped + KEPT]
        return {
            "start": (self.start + timedelta(hours=skipped)).isoformat(),
            "kg_per_kwh": [float(f"{value:.5g}") for value in kept],
            "source": self.source,
        }

    def emitted(self, spans: Iterable[Span], *, later_h: int = 0) -> float | None:
        """Return the emissions of energy that is spent so many hours later (kg).

        Args:
            spans: Beginning and end, in seconds since 1970, and the energy between them (kWh), spent evenly.
            later_h: Whole hours.

        Returns:
            None where a part lies outside the table.
        """
        kg = 0.0
        for begin, end, kwh in spans:
            found = self._mean(begin + HOUR_S * later_h, end + HOUR_S * later_h)
            if found is None:
                return None
            kg += kwh * found
        return kg

    def _mean(self, begin: float, end: float) -> float | None:
        """Return the mean over a time; None where a part lies outside."""
        first, last = ((moment - self.start.timestamp()) / HOUR_S for moment in (begin, end))
        if first < 0 or last > len(self.kg_per_kwh):
            return None
        if last <= first:
            return self.kg_per_kwh[min(int(first), len(self.kg_per_kwh) - 1)]
        total = sum(
            (min(last, hour + 1) - max(first, hour)) * self.kg_per_kwh[hour]
            for hour in range(int(first), math.ceil(last))
        )
        return total / (last - first)


def read_hours(path: str | PathLike[str]) -> Hours:
    """Return the hours of a CSV file: a time and an intensity a row, each an hour after the one before.

    Tables of Electricity Maps can be given as they are: their life-cycle column counts, where they have one.

    Raises:
        UsageError: It cannot be read, has other columns, gaps, or figures that are none.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as opened:  # noqa: PTH123 - also for what is only path-like
            rows = list(csv.DictReader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"Cannot read hourly intensities from {path}: {error}.") from error
    if not rows:
        raise UsageError(f"{path} holds no row: give {FORM}.")
    time, intensity, unit = _columns(path, [name for name in rows[0] if name is not None])
    found = [_row(path, number, row.get(time), row.get(intensity), unit) for number, row in enumerate(rows, start=2)]
    for number, (before, after) in enumerate(pairwise(found), start=3):
        if after[0] - before[0] != timedelta(hours=1):
            raise UsageError(f"{path}, line {number}: {after[0].isoformat()} is not an hour after the line before.")
    return Hours(
        start=found[0][0], kg_per_kwh=tuple(value for _, value in found), source=str(path).rpartition("/")[2]
    )


def _columns(path: Any, names: list[str]) -> tuple[str, str, float]:
    """Return the columns of times and intensities, and how many kilograms the latter's unit is."""
    known = {name.strip().casefold(): name for name in names}
    time = next((known[name] for name in TIMES if name in known), None)
    units = {"kg_per_kwh": 1.0, "g_per_kwh": 1e-3}
    plain = next(((known[name], unit) for name, unit in units.items() if name in known), None)
    maps = sorted(
        (name for name in known if name.startswith("carbon intensity gco") and "/kwh" in name),
        key=lambda name: "life cycle" not in name and "lca" not in name,
    )
    found = plain or ((known[maps[0]], 1e-3) if maps else None)
    if time is None or found is None:
        raise UsageError(f"{path} has the columns {', '.join(names) or 'none'}: give {FORM}.")
    return time, *found


def _row(path: Any, number: int, time: Any, value: Any, unit: float) -> tuple[datetime, float]:
    try:
        moment = datetime.fromisoformat(str(time).strip())
    except ValueError as error:
        raise UsageError(f"{path}, line {number}: {time!r} is no time as 2026-03-01T14:00.") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    try:
        kg = float(value) * unit
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}, line {number}: {value!r} is no number.") from error
    if not 0 <= kg <= MOST_KG:
        raise UsageError(f"{path}, line {number}: {kg:g} kg/kWh is not between 0 and {MOST_KG:g}: look at the unit.")
    return moment, kg
