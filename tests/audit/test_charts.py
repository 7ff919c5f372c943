"""Scales, ticks and decimation: what a chart must not lose."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import numpy as np
import pytest
from groundwire.audit.charts import (
    BUCKETS,
    WIDTH,
    Area,
    Line,
    LineChart,
    PanelPlan,
    Table,
    decimate,
    line_chart,
    nice_ticks,
    prefers_log,
    scale_for,
)
from groundwire.audit.rowcharts import CELLS, Estimate, heat_strip, interval_chart
from hypothesis import given, settings
from hypothesis import strategies as st

EMPTY = Table(header=(), rows=())
VALUES = st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf])


def drawn(*lines: Line, log: bool | None = False, **more: object) -> LineChart:
    plan = PanelPlan(title="loss", lines=lines, log=log, **more)
    return line_chart(title="t", caption="c", plans=[plan], table=EMPTY)


def line(value: list[float], label: str = "a", look: int = 0) -> Line:
    return Line(label=label, step=np.arange(len(value)), value=np.asarray(value, dtype=float), look=look)


@given(st.lists(VALUES, min_size=1, max_size=400), st.integers(1, 40))
def test_decimation_loses_no_extreme_and_no_gap(values: list[float], buckets: int) -> None:
    value, step = np.asarray(values), np.arange(len(values))
    kept = decimate(step, value, buckets)
    finite = value[np.isfinite(value)]
    assert list(kept) == sorted(set(kept))
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    if finite.size:
        assert np.nanmin(np.where(np.isfinite(value[kept]), value[kept], np.nan)) == finite.min()
        assert np.nanmax(np.where(np.isfinite(value[kept]), value[kept], np.nan)) == finite.max()
    assert np.isfinite(value[kept]).all() == np.isfinite(value).all()
    assert kept.size <= max(2 * buckets, 3 * buckets + 2)


def test_decimation_keeps_one_spike_in_a_hundred_thousand() -> None:
    value = np.zeros(100_000)
    value[54_321] = 1.0
    started = time.perf_counter()
    assert 54_321 in decimate(np.arange(value.size), value)
    assert time.perf_counter() - started < 0.5


def test_a_short_series_is_whole() -> None:
    assert decimate(np.arange(2 * BUCKETS), np.zeros(2 * BUCKETS)).size == 2 * BUCKETS


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_round_few_and_inside(low: float, width: float) -> None:
    if low + width == low or width < abs(low) * 1e-6:
        return
    ticks = nice_ticks(low, low + width)
    assert 1 <= len(ticks) <= 7
    assert all(a < b for a, b in pairwise(ticks))
    assert low - width * 1e-6 <= ticks[0]
    assert ticks[-1] <= low + width * (1 + 1e-6)


@given(st.lists(VALUES, max_size=60))
@settings(max_examples=200)
def test_everything_lies_inside_its_panel(values: list[float]) -> None:
    for log in (False, None):
        chart = drawn(line(values), log=log)
        panel = chart.panels[0]
        for run in (*panel.lines[0].runs, panel.lines[0].dots):
            assert all(0 <= x <= WIDTH and panel.top - 0.1 <= y <= panel.bottom + 0.1 for x, y in run)
        assert all(math.isfinite(place) for place, _ in (*panel.ticks, *chart.ticks))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], False),
        ([1, 1, 1, 100], True),
        ([1e-4, 1, 1], True),
        ([0, 1, 100], False),
        ([-1, 1, 99], False),
        ([], False),
    ],
)
def test_when_an_axis_is_logarithmic(values: list[float], expected: bool) -> None:
    assert prefers_log(np.asarray(values, dtype=float)) is expected


def test_a_log_scale_places_decades_evenly() -> None:
    scale = scale_for(np.asarray([1.0, 1e4]), start=0, end=100, log=True)
    places = scale.place(np.asarray([1.0, 1e2, 1e4]))
    assert places[1] == pytest.approx((places[0] + places[2]) / 2)
    assert [label for _, label in scale.ticks()] == ["1", "10", "100", "1,000", "10,000"]


def test_a_gap_breaks_the_line_and_is_marked() -> None:
    found = drawn(line([1, 2, math.nan, 3, 4, math.inf, 5])).panels[0].lines[0]
    assert [len(run) for run in found.runs] == [2, 2]
    assert len(found.dots) == 1
    assert len(found.gaps) == 2


def test_direct_labels_do_not_cover_each_other() -> None:
    lines = [line([1, 1 + i * 1e-6], label=str(i), look=i) for i in range(5)]
    places = sorted(found.label_y for found in drawn(*lines).panels[0].lines)
    assert all(b - a >= 12.9 for a, b in pairwise(places))


def test_lines_differ_without_colour() -> None:
    lines = [line([1, 2], label=str(i), look=i) for i in range(7)]
    assert len({found.dash for found in drawn(*lines).panels[0].lines}) == 7


def test_an_area_with_a_gap_is_two_areas() -> None:
    low = np.asarray([0, 0, math.nan, 0, 0])
    area = Area(step=np.arange(5), low=low, high=low + 1)
    assert len(drawn(line([1] * 5), areas=[area]).panels[0].areas) == 2


@pytest.mark.filterwarnings("error")
def test_a_strip_marks_broken_cells_and_leaves_empty_ones() -> None:
    step = np.asarray([0, 50, 100])
    columns = {"a": (step, np.asarray([1.0, math.nan, 3.0])), "b": (step[:2], np.asarray([1.0, 1.0]))}
    chart = heat_strip(title="t", caption="c", columns=columns, table=EMPTY)
    assert len(chart.broken) == 1
    filled = sum(len(cells) for _, cells in chart.shades)
    assert filled == 3
    assert [name for _, name in chart.names] == ["a", "b"]


def test_a_strip_of_many_steps_has_few_cells() -> None:
    step = np.arange(100_000)
    columns = {str(row): (step, np.random.default_rng(row).random(step.size)) for row in range(24)}
    chart = heat_strip(title="t", caption="c", columns=columns, table=EMPTY)
    assert sum(len(cells) for _, cells in chart.shades) <= 24 * CELLS


@pytest.mark.parametrize("value", [[0.0, 0.0], [math.nan, math.nan], [-1.0, 2.0], [5e-324, 1e300]])
def test_a_strip_of_odd_values_is_drawn(value: list[float]) -> None:
    chart = heat_strip(title="t", caption="c", columns={"a": (np.arange(2), np.asarray(value))}, table=EMPTY)
    assert all(math.isfinite(x) for x, _, _ in chart.legend)


def test_an_interval_holds_its_dot() -> None:
    rows = [Estimate(label="a", value=0.2, low=0.1, high=0.4), Estimate(label="b", value=0.3)]
    chart = interval_chart(title="t", caption="c", estimates=rows, table=EMPTY)
    for _, _, x, low, high, _ in chart.rows:
        assert low <= x <= high
