"""Bars of parts that make a whole: nothing is lost, nothing leaves its place, and what is missing is seen."""

from __future__ import annotations

import math

import pytest
from groundwire.audit.barcharts import NAMES, ShareBar, share, share_bar, shares
from hypothesis import given
from hypothesis import strategies as st

sizes = st.lists(st.floats(0, 1e9), min_size=1, max_size=8).filter(lambda found: sum(found) > 1e-6)


def bar(found: list[float], *, whole: float | None = None) -> ShareBar:
    parts = {f"part {index}": size for index, size in enumerate(found)}
    return share_bar(title="t", caption="c", parts=parts, unit="kWh", whole=whole)


@given(sizes)
def test_every_part_stands_in_its_place(found: list[float]) -> None:
    chart = bar(found)
    assert len(chart.rows) == len(found) == len(chart.table.rows)
    span = chart.right - NAMES
    for before, size, (_, _, (x, width, opacity), _, _) in zip(
        [math.fsum(found[:index]) for index in range(len(found))], found, chart.rows, strict=True
    ):
        assert NAMES - 0.1 <= x <= x + width <= chart.right + 0.1
        assert x == pytest.approx(NAMES + span * before / math.fsum(found), abs=1.7)
        assert (width > 0) is (size > 0)
        assert opacity > 0
    tops = [y for y, *_ in chart.rows]
    assert tops == sorted(set(tops))
    assert tops[-1] + chart.thick < chart.height


@given(sizes, st.floats(0.02, 5))
def test_what_is_missing_is_a_gap(found: list[float], more: float) -> None:
    chart = bar(found, whole=math.fsum(found) * (1 + more))
    _, name, (_, width, opacity), _, _ = chart.rows[-1]
    assert (name, opacity) == ("not attributed", 0.0)
    assert width > 0
    assert bar(found, whole=math.fsum(found)).rows[-1][1] != "not attributed"


@pytest.mark.parametrize("found", [[0.0], [-1.0, 2.0], [math.nan], [math.inf]])
def test_no_whole_no_bar(found: list[float]) -> None:
    with pytest.raises(ValueError, match="make no whole"):
        bar(found)


def test_shares_in_words() -> None:
    assert [share(part) for part in (0.0, 1e-9, 0.001, 0.42, 1.0)] == ["0 %", "< 0.1 %", "0.1 %", "42 %", "100 %"]
    assert shares({"training": 3.0, "validation": 1.0}) == "training 75 %, validation 25 %"


def test_neighbours_differ_in_greyscale() -> None:
    shades = [opacity for _, _, opacity in bar([1.0] * 5).segments]
    assert shades == sorted(set(shades), reverse=True)
