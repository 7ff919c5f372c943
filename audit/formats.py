"""Numbers, intervals and times as a reader wants to see them."""

from __future__ import annotations

import json
import math

from .model import Scalar

NOTHING = "—"
MINUS = "−"


def number(value: float | None, *, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits; whole numbers whole, with thousands separated."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else f"{MINUS if value < 0 else ''}∞"
    return _plain(float(value), digits).replace("-", MINUS)


def _plain(value: float, digits: int) -> str:
    size = abs(value)
    if value == 0 or (value.is_integer() and size < 1e9):
        return f"{int(value):,}"
    if not 1e-4 <= size < 1e9:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{short}e{int(exponent)}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


SMALLER = {"kWh": ("Wh", "mWh"), "kg": ("g", "mg")}  # each a thousandth of the one before


def smaller_unit(size: float | None, unit: str) -> tuple[float, str]:
    """Return the unit in which a size is no tiny fraction, and by what to multiply: 0.0003 kWh is 0.3 Wh."""
    factor, chosen = 1.0, unit
    for name in SMALLER.get(unit, ()):
        if size is None or not math.isfinite(size) or not 0 < abs(size) * factor < 0.1:
            break
        factor, chosen = 1000 * factor, name
    return factor, chosen


def amount(value: float | None, unit: str) -> str:
    """Return a value with its unit, in one a thousand times smaller where it would be a tiny fraction."""
    factor, chosen = smaller_unit(value, unit)
    return NOTHING if value is None else f"{number(value * factor)} {chosen}".rstrip()


def amounts(low: float | None, high: float | None, unit: str) -> str:
    """Return from where to where, both in the unit that suits the higher."""
    factor, chosen = smaller_unit(high, unit)
    ends = (number(None if end is None else end * factor) for end in (low, high))
    return f"{' to '.join(ends)} {chosen}".rstrip()


def percent(share: float | None) -> str:
    """Return a share (0.006) as percent (0.6 %)."""
    return NOTHING if share is None else f"{number(100 * share, digits=2)} %"


def interval(low: float | None, high: float | None, confidence: float | None = None) -> str:
    """Return an interval with its confidence, open ends as ∞; a dash when there is none."""
    if low is None and high is None:
        return NOTHING
    left = f"{MINUS}∞" if low is None else number(low)
    right = "∞" if high is None else number(high)
    level = "" if confidence is None else f" at {number(100 * confidence)} %"
    return f"[{left}, {right}]{level}"


def bounds(minimum: float | None, maximum: float | None) -> str:
    """Return what a limit allows: `≤ 0.1`, `≥ 0.9`, or both."""
    parts = [f"≥ {number(minimum)}"] if minimum is not None else []
    parts += [f"≤ {number(maximum)}"] if maximum is not None else []
    return " and ".join(parts) or NOTHING


def duration(seconds: float | None) -> str:
    """Return seconds as the largest two units that say something: `2 h 5 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"{number(seconds, digits=2)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    days, rest = divmod(hours, 24)
    return f"{days} d {rest} h" if days else f"{hours} h {minutes} min"


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """Return `1 finding`, `2 findings`, `no findings`."""
    word = singular if amount == 1 else plural or f"{singular}s"
    return f"{amount:,} {word}" if amount else f"no {word}"


def setting(value: Scalar) -> str:
    """Return a setting's value exactly, as TOML and YAML write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def moment(time: str | None) -> str:
    """Return an ISO 8601 time in UTC as a person writes it: `2026-11-21 00:59 UTC`."""
    return NOTHING if time is None else f"{time[:10]} {time[11:16]} UTC"
