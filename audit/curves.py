"""Series read from a record for drawing: sorted, checked, and never a reason to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .charts import BUCKETS, Floats
from .formats import count, number

T = TypeVar("T")


class SeriesLike(Protocol):
    """A metric over steps."""

    @property
    def unit(self) -> str:
        """Unit, from the registry's closed list."""

    @property
    def step(self) -> NDArray[Any]:
        """Optimizer steps, shape [n]."""

    @property
    def value(self) -> NDArray[Any]:
        """Values, shape [n]; NaN and infinities allowed."""


class SeriesSource(Protocol):
    """What the report needs of a record."""

    def series(self, name: str, column: str | None = None) -> SeriesLike:
        """Return a series, empty when there is none."""

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of a series that has many."""

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A series sorted by step, ready to draw."""

    step: NDArray[Any]
    value: Floats
    unit: str

    @property
    def drawable(self) -> bool:
        """Whether there is anything to see."""
        return self.step.size > 0


@dataclass(slots=True)
class Reader:
    """Reads series and events; what cannot be read is empty, and `failures` says why."""

    record: SeriesSource | None
    failures: list[str] = field(default_factory=list)
    _curves: dict[tuple[str, str | None], Curve] = field(default_factory=dict)

    def curve(self, name: str, column: str | None = None) -> Curve:
        """Return a series in the order of its steps, read once."""
        if (name, column) not in self._curves:
            self._curves[name, column] = self._read(name, column)
        return self._curves[name, column]

    def _read(self, name: str, column: str | None) -> Curve:
        found = self.attempt(lambda record: record.series(name, column), f"series {name}")
        if found is None:
            return Curve(np.zeros(0, dtype=np.int64), np.zeros(0), "")
        step, value = np.asarray(found.step), np.asarray(found.value, dtype=np.float64)
        step, value = step[: value.size], value[: step.size]
        if step.size > 1 and bool((step[1:] < step[:-1]).any()):
            order = np.argsort(step, kind="stable")
            step, value = step[order], value[order]
        return Curve(step, value, found.unit)

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of a series."""
        return self.attempt(lambda record: tuple(record.columns(name)), f"columns of {name}") or ()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind."""
        return self.attempt(lambda record: list(record.events(kind)), f"events {kind}") or []

    def attempt(self, read: Callable[[SeriesSource], T], what: str) -> T | None:
        """Return what is read of the record; None without one, or where it cannot be read."""
        if self.record is None:
            return None
        try:
            return read(self.record)
        except Exception as error:  # noqa: BLE001 - a broken record costs its charts, never the report
            self.failures.append(f"{what}: {type(error).__name__}: {error}")
            return None


def added_up(curve: Curve) -> Curve:
    """Return a meter's reading with its restarts (a resumed attempt begins at zero) added up."""
    value = np.nan_to_num(curve.value, nan=0.0)
    lost = np.where(value[1:] < value[:-1], value[:-1], 0.0)
    return Curve(curve.step, curve.value + np.concatenate(([0.0], np.cumsum(lost)))[: value.size], curve.unit)


def story(curve: Curve, what: str) -> str:
    """Return one or two sentences that say what a curve shows, with numbers."""
    finite = np.flatnonzero(np.isfinite(curve.value))
    if finite.size == 0:
        return f"{what} has no finite value in {count(curve.step.size, 'point')}."
    first, last = int(finite[0]), int(finite[-1])
    if first == last:
        return f"{what} is {_at(curve, first)}, its only finite value." + gaps(curve)
    low, high = (int(finite[pick(curve.value[finite])]) for pick in (np.argmin, np.argmax))
    if curve.value[low] == curve.value[high]:
        return f"{what} is {number(float(curve.value[first]))} at every step." + gaps(curve)
    went = f"{what} went from {_at(curve, first)} to {_at(curve, last)}"
    return f"{went}; lowest {_at(curve, low)}, highest {_at(curve, high)}." + gaps(curve)


def _at(curve: Curve, index: int) -> str:
    return f"{number(float(curve.value[index]))} (step {int(curve.step[index]):,})"


def gaps(curve: Curve) -> str:
    """Return what a curve's gaps are, or an empty string."""
    broken = np.flatnonzero(~np.isfinite(curve.value))
    if broken.size == 0:
        return ""
    amount = count(int(broken.size), "value is", "values are")
    return f" {amount} not finite, first at step {int(curve.step[broken[0]]):,} (gap with a mark)."


def thinned(*curves: Curve) -> str:
    """Return how curves were thinned for drawing, or an empty string."""
    longest = max((curve.step.size for curve in curves), default=0)
    if longest <= 2 * BUCKETS:
        return ""
    return f" {longest:,} points drawn as {BUCKETS} min/max buckets, so that no spike is lost."
