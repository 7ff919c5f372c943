"""The picture of a finding: the series that its evidence names, else its numbers against their limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import registry
from .charts import Table
from .curves import Curve, Reader
from .figures import Chart, mark, single
from .formats import number
from .model import Evidence
from .rowcharts import Bar, LimitChart, limit_chart

MOST = 12


def of_evidence(reader: Reader, rule: str, evidence: Sequence[Evidence]) -> Chart | LimitChart | None:
    """Return the chart that shows a finding; None where its evidence holds neither series nor numbers with limits."""
    for item in evidence:
        curve = _curve(reader, item)
        if curve is not None and curve.drawable:
            levels = [(item.limit, f"limit {number(item.limit)}")] if _comparable(item, curve) else []
            marks = mark(None if item.step is None else float(item.step), f"step {item.step or 0:,}")
            where = f" in {item.layer}" if item.layer else ""
            return single(f"{rule}: {item.series}{where}", "It", curve, marks=marks, levels=levels)
    return _against_limits(rule, evidence)


def _curve(reader: Reader, item: Evidence) -> Curve | None:
    known = {quantity.name: quantity for quantity in registry.SERIES}
    name = item.series or ""
    if name.startswith(registry.LOGGED_PREFIX):
        return reader.curve("logged", name.removeprefix(registry.LOGGED_PREFIX))
    if name not in known or (known[name].by and item.layer is None):
        return None
    return reader.curve(name, item.layer if known[name].by else None)


def _comparable(item: Evidence, curve: Curve) -> bool:
    """Return whether a limit is in the unit of the curve, so that it may be drawn into it."""
    return item.limit is not None and item.unit == curve.unit


def _against_limits(rule: str, evidence: Sequence[Evidence]) -> LimitChart | None:
    """Return values beside their limits, those of the first unit."""
    known = [item for item in evidence if _finite(item.value) and _finite(item.limit)]
    chosen = [item for item in known if item.unit == known[0].unit][:MOST]
    if not chosen:
        return None
    bars = [
        Bar(label=item.layer or item.summary, value=item.value or 0.0, limit=item.limit or 0.0) for item in chosen
    ]
    unit = chosen[0].unit
    first = bars[0]
    return limit_chart(
        title=f"{rule}: what was seen against its limit{f', in {unit}' if unit else ''}",
        caption=f"{first.label}: {number(first.value)} against {number(first.limit)}."
        " Bars are values, upright lines limits.",
        bars=bars,
        table=Table(
            header=("what", "value", "limit"),
            rows=tuple((bar.label, number(bar.value), number(bar.limit)) for bar in bars),
        ),
    )


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
