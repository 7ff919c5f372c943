"""`groundwire estimate` as a stranger calls it: numbers as people write them, text, JSON, one sentence when wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer
from groundwire.audit.errors import GroundwireError, UsageError
from groundwire.audit.estimate_command import estimate
from groundwire.audit.estimation import estimate as found_for
from groundwire.audit.estimation.asked import Asked
from groundwire.audit.estimation.text import WIDTH, amount, estimated_json, estimated_text
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

LLAMA = ("--parameters", "7B", "--tokens", "2T", "--device", "A100", "--devices", "1024")


def called(*options: str) -> Any:
    app = typer.Typer()
    app.command()(estimate)
    return CliRunner().invoke(app, options)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7e9", 7e9), ("7B", 7e9), ("7b", 7e9), ("1T", 1e12), ("1.5T", 1.5e12), ("350M", 350e6), ("12k", 12e3),
        ("1,000", 1e3), ("1_000", 1e3), (" 64 ", 64.0), ("0.056", 0.056), ("-3", -3.0), ("inf", math.inf),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert amount(text) == value


@pytest.mark.parametrize("text", ["", "x", "7Q", "1.2.3", "7e", "B", "0x10", "7 B B", "1e5000x"])
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is no number: write it as 7e9, 7B"):
        amount(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_as_itself(value: float) -> None:
    assert amount(repr(value)) == value


def test_the_text_has_results_assumptions_and_what_is_missing() -> None:
    done = called(*LLAMA, "--wue", "1.8", "--price-per-hour", "2", "--currency", "EUR")
    assert done.exit_code == 0, done.output
    for line in (
        "7B parameters, 2T tokens, on 1,024 x NVIDIA A100 SXM 80GB in bf16", "8.4e+22   FLOP (6·N·D)",
        "location unknown: give --region", "model FLOPs utilisation  0.33 (0.2 to 0.5) share",
        "assumed:", "data sheet:", "given: --wue", "Not counted: validation", "EUR",
    ):  # fmt: skip
        assert line in done.output
    assert max(map(len, done.output.splitlines())) <= WIDTH


def test_a_price_without_a_currency_is_in_yours() -> None:
    done = called(*LLAMA, "--price-per-kwh", "0.2", "--region", "FRA")
    assert done.exit_code == 0, done.output
    (cost,) = [line for line in done.output.splitlines() if line.startswith("cost")]
    assert cost.endswith(" in your currency")
    assert "  price in your currency   0.2 a kWh" in done.output
    named = called(*LLAMA, "--price-per-kwh", "0.2", "--region", "FRA", "--currency", "EUR").output
    assert "your currency" not in named and "price in EUR" in named


def test_json_holds_everything_and_no_nan() -> None:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    done = called(*LLAMA, "--intensity", "0.056", "--format", "json")
    found = json.loads(done.output, parse_constant=refuse)
    assert found["flop"] == pytest.approx(8.4e22)
    assert found["hours"].keys() == {"low", "typical", "high"}
    assert found["emissions_kg"]["low"] < found["emissions_kg"]["high"]
    assert found["water_l"] is None and found["unknown"]["water_l"]
    assert all(part["source"] and part["provenance"] for part in found["assumptions"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--pue", "0.5"), "--pue 0.5"),
        (("--mfu", "40"), "--mfu 40"),
        (("--tokens", "many"), "'many' is no number"),
        (("--device", "H20"), "nearest: NVIDIA H200 SXM"),
        (("--from", "/nowhere/at/all"), "/nowhere/at/all"),
    ],
)
def test_wrong_options_end_in_one_sentence(options: tuple[str, ...], told: str) -> None:
    done = called(*LLAMA, *options)
    assert isinstance(done.exception, GroundwireError)
    assert told in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_terminal_is_safe_from_what_was_typed() -> None:
    found = found_for(Asked(parameters=1e9, tokens=1e9, device="\x1b[31mX\nY", peak=1e14, currency="\x07"))
    text = estimated_text(found)
    assert "\x1b" not in text and "\x07" not in text
    assert json.loads(estimated_json(found))["device"] == "\x1b[31mX\nY"


def test_every_device_makes_a_text(tmp_path: Path) -> None:
    from groundwire.audit.hardware import DEVICES

    for device in DEVICES:
        dtype = "bf16" if "bf16" in device.peaks else "fp16"
        asked = Asked(parameters=1e9, tokens=1e9, device=device.name, dtype=dtype)
        assert f"1 x {device.name}" in estimated_text(found_for(asked))
