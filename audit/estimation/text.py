"""What `groundwire estimate` reads and prints: numbers as people write them, a short table, or JSON in full."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict

from ..errors import UsageError
from ..escape import visible
from ..formats import duration, number
from .ranges import Assumption, Range
from .total import Estimate

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
WIDTH = 118
YOURS = "in your currency"
_LABEL, _NAME, _VALUE = 26, 24, 30  # columns


def amount(text: str) -> float:
    """Return a number that is written as 7e9, 7B, 1.5T, 350M or 1,000.

    Raises:
        UsageError: It is none of them.
    """
    plain = text.strip().lower().replace(",", "").replace("_", "")
    found = re.fullmatch(r"([+-]?[0-9.]+(?:e[+-]?[0-9]+)?)\s*([kmbt]?)", plain)
    try:
        return float(found[1]) * _UNITS[found[2]] if found else float(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no number: write it as 7e9, 7B, 1.5T or 350M.") from error


def estimated_json(found: Estimate) -> str:
    """Return an estimate in full as JSON; ranges are objects of low, typical and high."""
    return json.dumps(asdict(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def estimated_text(found: Estimate) -> str:
    """Return an estimate as people read it: the results, what they rest on, and what is not in them."""
    lines = [
        _head(found),
        "",
        *_results(found),
        "",
        "What it rests on",
        *(line for part in found.assumptions for line in _row(part)),
        "",
    ]
    lines += [*found.notes, f"Not counted: {', '.join(found.not_counted)}."]
    return "".join(f"{visible(line)}\n" for line in lines)


def _head(found: Estimate) -> str:
    seen = f", {found.epochs:g} epochs" if found.epochs != 1 else ""
    return (
        f"{_short(found.parameters)} parameters, {_short(found.tokens)} tokens{seen}, on"
        f" {found.devices:,} x {found.device} in {found.dtype}"
    )


def _results(found: Estimate) -> Iterator[str]:
    yield f"{'':<{_LABEL}}{'typical':>14}   low to high"
    yield f"{'compute':<{_LABEL}}{found.flop:>14.3g}   FLOP ({found.formula})"
    yield _span("time", found.hours * 3600, duration)
    yield _span("device-hours", found.device_hours)
    yield _known(found, "energy before PUE", "energy_kwh", "kWh")
    yield _known(found, "energy with PUE", "facility_energy_kwh", "kWh")
    yield _known(found, "emissions", "emissions_kg", "kg CO2e")
    yield _known(found, "water", "water_l", "L")
    yield _known(found, "cost", "cost", found.currency or YOURS)
    yield _known(found, "making of the hardware", "embodied_kg", "kg CO2e")


def _known(found: Estimate, label: str, name: str, unit: str) -> str:
    value: Range | None = getattr(found, name)
    if value is None:
        return f"{label:<{_LABEL}}{found.unknown[name]}"
    return _span(label, value, unit=unit)


def _rounded(value: float) -> str:
    """Return three digits: an estimate knows no more."""
    return number(float(f"{value:.3g}"))


def _span(label: str, value: Range, told: Callable[[float], str] = _rounded, unit: str = "") -> str:
    span = told(value.low) if value.low == value.high else f"{told(value.low)} to {told(value.high)}"
    return f"{label:<{_LABEL}}{told(value.typical):>14}   {span} {unit}".rstrip()


def _row(part: Assumption) -> list[str]:
    value, unit = part.value, f" {part.unit}" if part.unit else ""
    span = "" if value.low == value.high else f" ({_figure(value.low)} to {_figure(value.high)})"
    shown = f"{_figure(value.typical)}{span}{unit}"
    name = f"price {YOURS}" if part.name == "price" else part.name
    start = f"  {name:<{_NAME}} {shown:<{_VALUE}} "
    told = f"{part.provenance.value}: {part.source}"
    return textwrap.wrap(
        told,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _figure(value: float) -> str:
    return number(value, digits=4)


def _short(value: float) -> str:
    """Return a count in the words of the options: 7B, 1.5T."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:,.4g}{unit}"
    return f"{value:g}"
