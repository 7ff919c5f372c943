"""Numbers as a reader sees them."""

from __future__ import annotations

import json
import math
import tomllib

import pytest
from groundwire.audit.formats import bounds, count, duration, interval, number, percent, setting
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (0.0, "0"),
        (0.3127, "0.313"),
        (-0.2127, "−0.213"),
        (2400.0, "2,400"),
        (0.000012, "1.2e−5"),
        (1e-5, "1e−5"),
        (0.9999, "1"),
        (1234.5, "1,234"),
        (100_000, "100,000"),
        (3.2e12, "3.2e12"),
        (math.nan, "not a number"),
        (-math.inf, "−∞"),
    ],
)
def test_number(value: float | None, shown: str) -> None:
    assert number(value) == shown


@given(st.floats(-1e300, 1e300))
def test_a_number_reads_back_as_nearly_itself(value: float) -> None:
    read = float(number(value, digits=4).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=1e-3, abs=0)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "—"),
        (0.25, "0.25 s"),
        (59.0, "59 s"),
        (90.0, "2 min"),
        (3599.0, "1 h 0 min"),
        (7500.0, "2 h 5 min"),
        (180_000.0, "2 d 2 h"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_intervals_and_bounds() -> None:
    assert interval(0.27, 0.35, 0.95) == "[0.27, 0.35] at 95 %"
    assert interval(None, 0.35) == "[−∞, 0.35]"
    assert interval(None, None) == "—"
    assert bounds(None, 0.1) == "≤ 0.1"
    assert bounds(0.1, 0.2) == "≥ 0.1 and ≤ 0.2"


def test_percent_and_count() -> None:
    assert percent(0.0062) == "0.62 %"
    assert [count(n, "finding") for n in (0, 1, 1200)] == ["no findings", "1 finding", "1,200 findings"]


@given(st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text('aé"\\ \n', max_size=9))
def test_a_setting_is_exact_in_toml(value: bool | int | float | str) -> None:
    assert tomllib.loads(f"x = {setting(value)}") == {"x": value}
    assert isinstance(value, float) or json.loads(setting(value)) == value
