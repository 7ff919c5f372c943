"""What a chart draws, as numbers: scales, ticks, decimation and places. The templates make SVG of it.

Coordinates are in a box that is `WIDTH` units wide; y grows downward, as in SVG.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import number

Floats = NDArray[np.float64]
Place = tuple[float, float]

WIDTH = 440.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 26.0, 24.0, 34.0  # margins
LABELS = 84.0  # right margin where direct labels stand in it
PANEL_GAP = 32.0
MARK_ROW = 15.0  # marks are named in a row of their own, under the title
BUCKETS = 150  # a bucket is about two units wide and keeps its lowest and its highest point
LABEL_HEIGHT = 13.0
GLYPH = 9.0  # width of the glyph of an event
LOG_SPAN = 30.0  # highest over median, or median over lowest, above which an axis is logarithmic

# Keep 3:1 on white and on #121212; dashes tell them apart in greyscale.
COLOURS = ("#2f7fd6", "#c8590a", "#2b8a3e", "#9050d0", "#0b8a8f", "#e03131", "#767676")
DASHES = ("none", "6 3", "2 2", "8 3 2 3", "1 3", "10 4", "4 4")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Maps values to places between `start` (of `low`) and `end` (of `high`)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, values: Floats | float) -> Floats:
        """Return where `values` lie; on a log scale, what is not positive lies at the lower end."""
        found, low, high = np.asarray(values, dtype=np.float64), self.low, self.high
        if self.log:
            found, low, high = np.log10(np.maximum(found, low)), math.log10(low), math.log10(high)
        share = (found - low) / (high - low)
        return np.asarray(self.start + np.clip(share, 0.0, 1.0) * (self.end - self.start))

    def ticks(self, most: int = 5) -> tuple[tuple[float, str], ...]:
        """Return places and labels of at most about `most` round values."""
        values = _log_ticks(self.low, self.high, most) if self.log else nice_ticks(self.low, self.high, most)
        return tuple((round(float(self.place(value)), 1), number(value)) for value in values)


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values (1, 2 or 5 times a power of ten apart) from `low` to `high`, at least two."""
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    widths = [size * power for size in (0.2, 0.5, 1, 2, 5, 10)]
    place = next(place for place, width in enumerate(widths) if width >= raw * 0.999)
    chosen = ((width, *_whole(low, high, width)) for width in reversed(widths[: place + 1]))
    width, first, last = next((c for c in chosen if c[2] > c[1]), (widths[0], *_whole(low, high, widths[0])))
    return [round(index * width, 12 - math.floor(math.log10(width))) for index in range(first, last + 1)]


def _whole(low: float, high: float, width: float) -> tuple[int, int]:
    """Return the first and the last multiple of `width` from `low` to `high`."""
    return math.ceil(low / width - 1e-9), math.floor(high / width + 1e-9)


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / most))
    powers = [10.0**exponent for exponent in range(first, last + 1, stride)]
    return powers if len(powers) > 1 else sorted({low, *powers, high})


def scale_for(values: Floats, *, start: float, end: float, log: bool | None = False) -> Scale:
    """Return a scale that holds all finite `values` with some air; `log=None` lets the values choose."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Scale(low=0.0, high=1.0, start=start, end=end)
    if prefers_log(finite) if log is None else log:
        positive = finite[finite > 0]
        low, high = float(positive.min()), float(positive.max())
        return Scale(low=low / 1.2, high=max(high, low * 1.01) * 1.2, start=start, end=end, log=True)
    low, high = float(finite.min()), float(finite.max())
    air = (high - low) * 0.06 or max(abs(high) * 0.1, 1e-12)
    floor = 0.0 if low >= 0 and low - air < 0 else low - air
    return Scale(low=floor, high=high + air, start=start, end=end)


def prefers_log(values: Floats) -> bool:
    """Return whether values are positive and so skewed that a linear axis would hide most of them."""
    if values.size < 2 or not bool((values > 0).all()):
        return False
    low, middle, high = (float(item) for item in np.quantile(values, (0.0, 0.5, 1.0)))
    return high / middle > LOG_SPAN or middle / low > LOG_SPAN


def decimate(step: NDArray[Any], value: Floats, buckets: int = BUCKETS) -> NDArray[np.intp]:
    """Return the indices to draw: of each bucket of steps its lowest, its highest and one non-finite point.

    Spikes survive, because a bucket's extremes are points of the series and not means. A series with
    at most twice as many points as buckets is returned whole.

    Args:
        step: Ascending, shape [n].
        value: Shape [n]; NaN and infinities are gaps.
        buckets: How many parts of equal width the range of steps is cut into.
    """
    if step.size <= 2 * buckets:
        return np.arange(step.size, dtype=np.intp)
    edges = np.linspace(float(step[0]), float(step[-1]), buckets + 1)[1:-1]
    cuts = np.unique(np.concatenate(([0], np.searchsorted(step, edges), [step.size])))
    kept = [index for start, end in itertools.pairwise(cuts.tolist()) for index in _extremes(value, start, end)]
    return np.unique(np.asarray([0, *kept, step.size - 1], dtype=np.intp))


def _extremes(value: Floats, start: int, end: int) -> list[int]:
    part = value[start:end]
    finite = np.isfinite(part)
    if finite.all():
        return [start + int(part.argmin()), start + int(part.argmax())]
    first_gap = start + int(finite.argmin())
    if not finite.any():
        return [first_gap]
    low, high = np.where(finite, part, np.inf).argmin(), np.where(finite, part, -np.inf).argmax()
    return [start + int(low), start + int(high), first_gap]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line to draw: its values, before anything is placed."""

    label: str
    step: NDArray[Any]
    value: Floats
    look: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """A filled area between two lines over the same steps."""

    step: NDArray[Any]
    low: Floats
    high: Floats
    look: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelPlan:
    """What one panel shows, before anything is placed; `log=None` lets the values choose."""

    title: str
    lines: Sequence[Line]
    areas: Sequence[Area] = ()
    levels: Sequence[tuple[float, str]] = ()
    log: bool | None = False
    height: float = 140.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A line in place: unbroken runs of points, and where the series is not finite."""

    label: str
    colour: str
    dash: str
    runs: tuple[tuple[Place, ...], ...]
    dots: tuple[Place, ...]
    gaps: tuple[float, ...]
    label_y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One pair of axes in place."""

    title: str
    title_y: float
    top: float
    bottom: float
    log: bool
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Drawn, ...]
    areas: tuple[tuple[str, tuple[Place, ...]], ...]
    levels: tuple[tuple[float, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The numbers behind a chart, few enough to read."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineChart:
    """Panels over one axis of steps."""

    title: str
    caption: str
    height: float
    panels: tuple[Panel, ...]
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, str], ...] = ()
    events: tuple[tuple[float, str], ...] = ()
    table: Table = field(default_factory=lambda: Table(header=(), rows=()))
    kind: str = "lines"
    left: float = LEFT
    right: float = WIDTH - LABELS
    width: float = WIDTH


def line_chart(
    *,
    title: str,
    caption: str,
    plans: Sequence[PanelPlan],
    table: Table,
    marks: Sequence[tuple[float, str]] = (),
    events: Sequence[tuple[float, str]] = (),
) -> LineChart:
    """Place `plans` below each other over one axis of steps.

    `marks` are vertical lines at steps with names, `events` are glyphs in a row above, explained by the caption.
    """
    labels = any(plan.levels or any(line.label for line in plan.lines) for plan in plans)
    right = WIDTH - (LABELS if labels else RIGHT)
    named = bool(marks or events)
    across = _step_scale([line.step for plan in plans for line in plan.lines], [*marks, *events], right)
    panels: list[Panel] = []
    top = TOP + (MARK_ROW if named else 0.0)
    for plan in plans:
        panels.append(_panel(plan, across, top, title_y=top - 9 - (0.0 if panels or not named else MARK_ROW)))
        top += plan.height + PANEL_GAP
    return LineChart(
        title=title,
        caption=caption,
        height=top - PANEL_GAP + BOTTOM,
        panels=tuple(panels),
        ticks=across.ticks(),
        marks=tuple((round(float(across.place(step)), 1), label) for step, label in marks),
        events=_apart([(round(float(across.place(step)), 1), glyph) for step, glyph in events]),
        table=table,
        right=right,
    )


def _apart(found: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """Return glyphs in place, without those that would cover one of their kind."""
    kept: list[tuple[float, str]] = []
    for x, glyph in sorted(found):
        if all(other != glyph or x - place > GLYPH for place, other in kept):
            kept.append((x, glyph))
    return tuple(kept)


def _step_scale(steps: Sequence[NDArray[Any]], marks: Sequence[tuple[float, str]], right: float) -> Scale:
    ends = [float(end) for step in steps if step.size for end in (step[0], step[-1])]
    ends += [step for step, _ in marks]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return Scale(low=low, high=high if high > low else low + 1.0, start=LEFT, end=right)


def _panel(plan: PanelPlan, across: Scale, top: float, *, title_y: float) -> Panel:
    bottom = top + plan.height
    shown = [line.value for line in plan.lines] + [end for area in plan.areas for end in (area.low, area.high)]
    values = np.concatenate([*shown, np.asarray([value for value, _ in plan.levels], dtype=np.float64)])
    up = scale_for(values, start=bottom, end=top, log=plan.log)
    drawn = [_draw(line, across, up) for line in plan.lines]
    levels = tuple((round(float(up.place(value)), 1), label) for value, label in plan.levels)
    return Panel(
        title=plan.title,
        title_y=title_y,
        top=top,
        bottom=bottom,
        log=up.log,
        ticks=up.ticks(4 if plan.height > 100 else 3),
        lines=_spread_labels(drawn, top, bottom, taken=[y for y, _ in levels]),
        areas=tuple((COLOURS[a.look % len(COLOURS)], run) for a in plan.areas for run in _fill(a, across, up)),
        levels=levels,
    )


def _draw(line: Line, across: Scale, up: Scale) -> Drawn:
    kept = decimate(line.step, line.value)
    step, value = line.step[kept], line.value[kept]
    x, y, finite = across.place(step), up.place(value), np.isfinite(value)
    runs = [_places(x[run], y[run]) for run in _finite_runs(finite)]
    ends = [run[-1][1] for run in runs]
    return Drawn(
        label=line.label,
        colour=COLOURS[line.look % len(COLOURS)],
        dash=DASHES[line.look % len(DASHES)],
        runs=tuple(run for run in runs if len(run) > 1),
        dots=tuple(run[0] for run in runs if len(run) == 1),
        gaps=tuple(round(float(place), 1) for place in x[~finite]),
        label_y=ends[-1] if ends else up.start,
    )


def _places(x: Floats, y: Floats) -> tuple[Place, ...]:
    return tuple(zip(np.round(x, 1).tolist(), np.round(y, 1).tolist(), strict=True))


def _finite_runs(finite: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], finite.astype(np.int8), [0]))))
    return [slice(start, end) for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def _fill(area: Area, across: Scale, up: Scale) -> list[tuple[Place, ...]]:
    kept = np.union1d(decimate(area.step, area.low), decimate(area.step, area.high))
    x, low, high = across.place(area.step[kept]), up.place(area.low[kept]), up.place(area.high[kept])
    finite = np.isfinite(area.low[kept]) & np.isfinite(area.high[kept])
    runs = [run for run in _finite_runs(finite) if run.stop - run.start > 1]
    return [_places(x[run], high[run]) + _places(x[run], low[run])[::-1] for run in runs]


def _spread_labels(lines: list[Drawn], top: float, bottom: float, taken: Sequence[float]) -> tuple[Drawn, ...]:
    """Move direct labels apart, so that none covers another or a level's, and keep them within the panel."""
    order = sorted(range(len(lines)), key=lambda index: lines[index].label_y)
    places: dict[int, float] = {}
    above = top - LABEL_HEIGHT
    for index in order:
        above = places[index] = _clear_of(taken, max(lines[index].label_y, above + LABEL_HEIGHT), bottom)
    excess = max(0.0, above - bottom)
    return tuple(_relabel(line, round(places[index] - excess, 1)) for index, line in enumerate(lines))


def _clear_of(taken: Sequence[float], y: float, bottom: float) -> float:
    """Return a place near `y` where no level is named: above it, or below where there is room."""
    near = [level for level in taken if abs(level - y) < LABEL_HEIGHT]
    if not near:
        return y
    below = max(near) + LABEL_HEIGHT
    return below if y >= max(near) and below <= bottom else min(near) - LABEL_HEIGHT


def _relabel(line: Drawn, label_y: float) -> Drawn:
    return Drawn(
        label=line.label, colour=line.colour, dash=line.dash, runs=line.runs, dots=line.dots, gaps=line.gaps,
        label_y=label_y,
    )  # fmt: skip
