"""Charts whose rows are names: a heat strip a layer, an interval a label. Numbers only, as in `charts.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .charts import WIDTH, Floats, Scale, Table, prefers_log, scale_for
from .formats import number

NAMES = 150.0  # width of the column of names
END = WIDTH - 18.0  # room for the half of the last tick's label
NAME_LENGTH = 24  # characters of a name that fit into it
ROW, HEAD, FOOT = 14.0, 8.0, 52.0
BAR = 22.0  # height of a row of bars
ROWS = 24  # most layers that one strip shows
CELLS = 48  # most parts that a strip cuts the steps into
SHADES = (0.08, 0.22, 0.38, 0.55, 0.74, 1.0)  # opacities of one colour: the order survives greyscale

Cell = tuple[float, float, float]  # x, y, width
Columns = Mapping[str, tuple[NDArray[Any], Floats]]


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatStrip:
    """Rows of cells in shades of one colour, darkest for the highest values."""

    title: str
    caption: str
    height: float
    names: tuple[tuple[float, str], ...]
    shades: tuple[tuple[float, tuple[Cell, ...]], ...]
    broken: tuple[Cell, ...]
    legend: tuple[tuple[float, float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    table: Table
    cell_height: float = ROW - 2
    left: float = NAMES
    width: float = WIDTH
    kind: str = "strip"


def heat_strip(*, title: str, caption: str, columns: Columns, table: Table) -> HeatStrip:
    """Return one row of cells for each column; a cell is the highest value of its steps, on a log scale.

    Args:
        title: Short title.
        caption: What is seen, with numbers.
        columns: Name to steps (ascending, shape [n]) and values (shape [n]), already few enough to show.
        table: The numbers behind it.
    """
    edges = _edges(columns)
    grid = np.stack([_row(step, value, edges) for step, value in columns.values()])
    limits = _shade_limits(grid)
    bottom = HEAD + ROW * len(columns)
    across = Scale(low=float(edges[0]), high=float(edges[-1]), start=NAMES, end=END)
    return HeatStrip(
        title=title,
        caption=caption,
        height=bottom + FOOT,
        names=tuple((HEAD + ROW * (row + 0.75), _short(name)) for row, name in enumerate(columns)),
        shades=tuple((opacity, _cells(grid, limits, level)) for level, opacity in enumerate(SHADES)),
        broken=_runs(np.isnan(grid) & _seen(columns, edges)),
        legend=_legend(limits),
        ticks=across.ticks(4),
        table=table,
    )


def _edges(columns: Columns) -> Floats:
    ends = [float(end) for step, _ in columns.values() if step.size for end in (step[0], step[-1])]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    longest = max((step.size for step, _ in columns.values()), default=1)
    return np.linspace(low, high if high > low else low + 1, min(CELLS, max(1, longest)) + 1)


def _row(step: NDArray[Any], value: Floats, edges: Floats) -> Floats:
    """Return the highest value in each cell; NaN where any is not finite or none was measured."""
    row = np.full(edges.size - 1, -np.inf)
    cell = np.clip(np.searchsorted(edges, step, side="right") - 1, 0, row.size - 1)
    with np.errstate(invalid="ignore"):
        np.maximum.at(row, cell, np.where(np.isfinite(value), value, np.nan))
    return np.where(np.isneginf(row), np.nan, row)


def _seen(columns: Columns, edges: Floats) -> NDArray[np.bool_]:
    """Return which cells hold a measurement at all: an empty cell is not a broken one."""
    return np.stack([np.histogram(step, edges)[0] > 0 for step, _ in columns.values()])


def _shade_limits(grid: Floats) -> Floats:
    positive = grid[np.isfinite(grid) & (grid > 0)]
    if positive.size == 0:
        return np.geomspace(1.0, 10.0, len(SHADES) + 1)
    low, high = (float(item) for item in np.quantile(positive, (0.02, 1.0)))
    return np.geomspace(low, max(high, low * 1.1), len(SHADES) + 1)


def _cells(grid: Floats, limits: Floats, level: int) -> tuple[Cell, ...]:
    with np.errstate(invalid="ignore"):
        found = np.clip(np.searchsorted(limits, grid, side="right") - 1, 0, len(SHADES) - 1)
    return _runs((found == level) & np.isfinite(grid))


def _runs(chosen: NDArray[np.bool_]) -> tuple[Cell, ...]:
    """Return chosen neighbours in a row as one cell each, in place."""
    size = (END - NAMES) / chosen.shape[1]
    edges = np.diff(chosen.astype(np.int8), axis=1, prepend=0, append=0)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return tuple(
        (round(NAMES + start * size, 1), HEAD + ROW * row + 1, round((end - start) * size, 1))
        for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)
    )


def _legend(limits: Floats) -> tuple[tuple[float, float, str], ...]:
    size = (END - NAMES) / len(SHADES)
    lower = zip(SHADES, limits[:-1].tolist(), strict=True)
    return tuple((round(NAMES + i * size, 1), shade, number(low, digits=1)) for i, (shade, low) in enumerate(lower))


def _short(name: str) -> str:
    """Return the end of a long name: layers differ there."""
    return name if len(name) <= NAME_LENGTH else f"…{name[1 - NAME_LENGTH :]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """One row of an interval chart."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IntervalChart:
    """A dot with its interval for each label."""

    title: str
    caption: str
    height: float
    rows: tuple[tuple[float, str, float, float, float, str], ...]  # y, name, x, x low, x high, value
    ticks: tuple[tuple[float, str], ...]
    table: Table
    left: float = NAMES
    width: float = WIDTH
    kind: str = "intervals"


def interval_chart(*, title: str, caption: str, estimates: Sequence[Estimate], table: Table) -> IntervalChart:
    """Return dots with intervals over an axis that begins at zero."""
    ends = [end for item in estimates for end in (item.low, item.high, item.value, 0.0) if end is not None]
    finite = np.asarray([end for end in ends if math.isfinite(end)])
    across = scale_for(finite, start=NAMES, end=WIDTH - 52)
    rows = tuple(_interval_row(item, index, across) for index, item in enumerate(estimates))
    height = HEAD + 24.0 * len(rows) + 34
    return IntervalChart(title=title, caption=caption, height=height, rows=rows, ticks=across.ticks(4), table=table)


def _interval_row(item: Estimate, index: int, across: Scale) -> tuple[float, str, float, float, float, str]:
    low = item.value if item.low is None else item.low
    high = item.value if item.high is None else item.high
    x, left, right = (round(float(across.place(value)), 1) for value in (item.value, low, high))
    return HEAD + 24.0 * index + 14, _short(item.label), x, left, right, number(item.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One value and what it may be."""

    label: str
    value: float
    limit: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitChart:
    """A bar for each value, with an upright line where its limit is."""

    title: str
    caption: str
    height: float
    rows: tuple[tuple[float, str, float, float, str], ...]  # y, name, x of the value, x of the limit, value
    start: float
    log: bool
    ticks: tuple[tuple[float, str], ...]
    table: Table
    left: float = NAMES
    width: float = WIDTH
    kind: str = "limits"


def limit_chart(*, title: str, caption: str, bars: Sequence[Bar], table: Table) -> LimitChart:
    """Return bars from zero, or over powers of ten where values and limits lie that far apart."""
    ends = np.asarray([end for bar in bars for end in (bar.value, bar.limit)])
    log = prefers_log(np.concatenate([ends, [float(ends.min())]])) if ends.size else False
    across = scale_for(ends if log else np.append(ends, 0.0), start=NAMES, end=WIDTH - 60, log=log)
    rows = tuple(
        (
            HEAD + BAR * index,
            _short(bar.label),
            round(float(across.place(bar.value)), 1),
            round(float(across.place(bar.limit)), 1),
            number(bar.value),
        )
        for index, bar in enumerate(bars)
    )
    start = NAMES if across.log else round(float(across.place(0.0)), 1)
    height = HEAD + BAR * len(rows) + 30
    return LimitChart(
        title=title, caption=caption, height=height, rows=rows, start=start, log=across.log, ticks=across.ticks(4),
        table=table,
    )  # fmt: skip
