"""Hourly intensities are read as they are written, refused where they cannot be, and kept short in a record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.hourly import HOUR_S, KEPT, Hours, read_hours
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 3, 1, tzinfo=UTC)
ELECTRICITY_MAPS = (
    "Datetime (UTC),Country,Zone id,Carbon intensity gCO₂eq/kWh (direct),Carbon intensity gCO₂eq/kWh (Life cycle)\n"
    "2026-03-01 00:00:00,France,FR,20,50\n2026-03-01 01:00:00,France,FR,25,60\n"
)


def written(path: Path, text: str) -> Path:
    file = path / "grid.csv"
    file.write_text(text, encoding="utf-8")
    return file


def hours(*kg: float) -> Hours:
    return Hours(start=START, kg_per_kwh=kg, source="grid.csv")


@pytest.mark.parametrize(
    ("text", "kg"),
    [
        ("time,g_per_kwh\n2026-03-01T00:00Z,100\n2026-03-01T01:00Z,200\n", (0.1, 0.2)),
        ("time,kg_per_kwh\n2026-03-01T01:00+01:00,0.1\n2026-03-01T02:00+01:00,0.2\n", (0.1, 0.2)),
        ("\ufeffTime,zone,G_per_kWh\n2026-03-01 00:00,FR,100\n2026-03-01 01:00,FR,200\n", (0.1, 0.2)),
        (ELECTRICITY_MAPS, (0.05, 0.06)),
    ],
)
def test_tables_are_read_in_their_own_unit(tmp_path: Path, text: str, kg: tuple[float, ...]) -> None:
    found = read_hours(written(tmp_path, text))
    assert found.start == START
    assert found.kg_per_kwh == pytest.approx(kg)
    assert found.source == "grid.csv"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no row"),
        ("time,g_per_kwh\n", "holds no row"),
        ("time,intensity\n2026-03-01,1\n", "has the columns time, intensity: give a column time"),
        ("hour,g_per_kwh\n1,1\n", "has the columns"),
        ("time,g_per_kwh\nmidnight,1\n", "line 2: 'midnight' is no time"),
        ("time,g_per_kwh\n2026-03-01,much\n", "line 2: 'much' is no number"),
        ("time,g_per_kwh\n2026-03-01\n", "line 2: None is no number"),
        ("time,kg_per_kwh\n2026-03-01,350\n", "look at the unit"),
        ("time,kg_per_kwh\n2026-03-01,nan\n", "look at the unit"),
        ("time,g_per_kwh\n2026-03-01T00:00,1\n2026-03-01T02:00,1\n", "line 3: 2026-03-01T02:00:00"),
    ],
)
def test_what_is_no_table_of_hours_is_refused_with_the_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_hours(written(tmp_path, text))
    assert told in str(raised.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        read_hours(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"time,g_per_kwh\n\xff\xfe,1\n")
    with pytest.raises(UsageError, match="Cannot read"):
        read_hours(tmp_path / "binary.csv")


def test_a_record_keeps_the_hours_from_the_run_on() -> None:
    year = hours(*(0.1 + 0.0001 * (hour % 24) for hour in range(8760)))
    begun = START + timedelta(hours=100, minutes=30)
    kept = Hours.of(json.loads(json.dumps(year.fact(begun))))
    assert kept.start == START + timedelta(hours=100)
    assert len(kept.kg_per_kwh) == KEPT
    assert kept.kg_per_kwh == pytest.approx(year.kg_per_kwh[100 : 100 + KEPT])
    assert hours(0.1, 0.2).fact(START + timedelta(days=3))["kg_per_kwh"] == []


def test_energy_is_spread_over_the_hours_in_which_it_was_spent() -> None:
    begin = START.timestamp()
    table = hours(0.1, 0.5, 0.3)
    assert table.emitted([(begin, begin + 2 * HOUR_S, 2.0)]) == pytest.approx(0.6)
    assert table.emitted([(begin + 0.5 * HOUR_S, begin + 1.5 * HOUR_S, 1.0)]) == pytest.approx(0.3)
    assert table.emitted([(begin, begin, 1.0)], later_h=1) == pytest.approx(0.5)
    assert table.emitted([(begin, begin + HOUR_S, 1.0)], later_h=2) == pytest.approx(0.3)
    assert table.emitted([(begin, begin + HOUR_S, 1.0)], later_h=3) is None
    assert table.emitted([(begin - 1, begin + HOUR_S, 1.0)]) is None


@given(
    kg=st.floats(0, 3),
    begins=st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20), st.floats(0, 10)), max_size=5),
    later=st.integers(0, 10),
)
def test_on_a_grid_that_never_changes_the_hour_does_not_matter(
    kg: float, begins: list[tuple[float, float, float]], later: int
) -> None:
    spans = [(START.timestamp() + HOUR_S * a, START.timestamp() + HOUR_S * (a + d), kwh) for a, d, kwh in begins]
    found = hours(*[kg] * 60).emitted(spans, later_h=later)
    assert found == pytest.approx(kg * sum(kwh for _, _, kwh in begins), rel=1e-6, abs=1e-9)
