"""Pictures of findings and marks over curves."""

from __future__ import annotations

from itertools import pairwise

import report_material as material
from groundwire.audit.charts import GLYPH, nice_ticks
from groundwire.audit.curves import Reader
from groundwire.audit.eventmarks import MOST, RATE, events, told
from groundwire.audit.evidencecharts import of_evidence
from groundwire.audit.figures import optimisation
from groundwire.audit.model import Evidence


def reader(**happened: list[dict[str, object]]) -> Reader:
    steps = list(range(1, 101))
    tables = {
        ("train.loss", None): (steps, [1.0 / step for step in steps]),
        ("optimizer.lr", None): (steps, [0.1] * 50 + [0.01] * 50),
    }
    return Reader(material.FakeRecord(tables=tables, happened=happened))


def test_jumps_of_the_rate_and_broken_steps_are_marked() -> None:
    found = events(reader(nonfinite=[{"step": 30}, {"step": 31}]), material.empty())
    assert (51.0, RATE) in found and (30.0, "not finite") in found
    assert "✕ not finite (30, 31)" in told(found) and "◆ learning rate changed (51)" in told(found)


def test_a_rate_that_always_moves_is_not_marked() -> None:
    steps = list(range(1, 101))
    tables = {("optimizer.lr", None): (steps, [2.0 ** (step % 2 * 2) for step in steps])}
    assert events(Reader(material.FakeRecord(tables=tables)), material.empty()) == []


def test_many_events_stay_few_and_apart() -> None:
    source = reader(nonfinite=[{"step": step} for step in range(1, 101)])
    assert len(events(source, material.empty())) <= 2 * MOST
    chart = next(iter(optimisation(source, material.empty())))
    places = [x for x, glyph in chart.events if glyph == "✕"]
    assert places and all(b - a > GLYPH for a, b in pairwise(places))


def test_evidence_without_a_series_is_drawn_against_its_limits() -> None:
    evidence = [
        Evidence(summary="spread", layer="a", value=40.0, limit=10.0, unit="×"),
        Evidence(summary="spread", layer="b", value=20.0, limit=10.0, unit="×"),
        Evidence(summary="other", value=1.0, limit=2.0, unit="loss"),
    ]
    chart = of_evidence(reader(), "OPT019", evidence)
    assert chart is not None and chart.kind == "limits" and [row[1] for row in chart.rows] == ["a", "b"]
    (_, _, first, limit, _), (_, _, second, *_) = chart.rows
    assert chart.start < limit < second < first


def test_evidence_without_numbers_has_no_picture() -> None:
    assert of_evidence(reader(), "OPT012", [Evidence(summary="in no optimizer", layer="a")]) is None


def test_an_axis_has_two_ticks_at_least() -> None:
    for low, high, most in ((0.03, 0.47, 3), (0.0, 1.0, 2), (0.91, 1.09, 3), (-7.0, 7.3, 2)):
        ticks = nice_ticks(low, high, most)
        assert len(ticks) >= 2 and all(low <= tick <= high for tick in ticks)
