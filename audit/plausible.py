"""Whether a number can be what its metric says: its unit, its range, its interval, what it rests on."""

from __future__ import annotations

import math

from . import registry
from .formats import number
from .model import Metric

Range = tuple[float, float]

COST = "carbon.cost"  # in the currency that was declared
ANY: Range = (-math.inf, math.inf)
AT_LEAST_ZERO: Range = (0.0, math.inf)
BY_UNIT: dict[str, Range] = {"": ANY, "loss": ANY, "probability": (0.0, 1.0), "share": (0.0, 1.0)}
# What its unit does not say: bare numbers with ends, and ratios that may exceed one.
BY_NAME: dict[str, Range] = {
    "overfitting.gap_relative": ANY,
    "carbon.forecast_error": AT_LEAST_ZERO,
    "forecast.error": AT_LEAST_ZERO,
    COST: AT_LEAST_ZERO,
    "gradient.norm_p95": AT_LEAST_ZERO,
    "findings.critical": AT_LEAST_ZERO,
    "findings.high": AT_LEAST_ZERO,
    "findings.medium": AT_LEAST_ZERO,
    "generation.toxicity_change": (-1.0, 1.0),
    "generation.sentiment": (-1.0, 1.0),
    "generation.sentiment_disparity": (0.0, 2.0),
    "generation.regard_disparity": (0.0, 1.0),
    "likelihood.icat": (0.0, 100.0),
}
ROUNDING = 1e-6
OF_METRIC = "metric"  # label of the gap in something else than the loss, which has the unit of that


def range_of(name: str) -> Range:
    """Return the least and the greatest value that a metric can have; infinite where that is not known."""
    quantity = registry.metric(name)
    if quantity is None:
        return ANY
    return BY_NAME.get(name) or BY_UNIT.get(quantity.unit, AT_LEAST_ZERO)


def implausible(metric: Metric) -> str:
    """Return why a number cannot be what its metric says, or an empty string."""
    return _unit(metric) or _beyond(metric) or _contradiction(metric)


def _unit(metric: Metric) -> str:
    quantity = registry.metric(metric.name)
    if metric.name == COST:
        return "" if len(metric.unit) == 3 else f"it is in {metric.unit or 'no unit'}, and {COST} is in a currency"
    unit = "" if quantity is None or OF_METRIC in metric.labels else quantity.unit
    if metric.unit == unit:
        return ""
    return f"it is in {metric.unit or 'no unit'}, and {metric.name} is in {unit or 'no unit'}"


def _beyond(metric: Metric) -> str:
    least, most = (0.0, 1.0) if metric.unit == "probability" else range_of(metric.name)
    ends = (metric.value, metric.low, metric.high) if metric.unit == "probability" else (metric.value,)
    found = next((end for end in ends if end is not None and not least - ROUNDING <= end <= most + ROUNDING), None)
    if found is None:
        return ""
    what = "no probability" if metric.unit == "probability" else f"no {metric.name}"
    return f"{number(found)} is {what}: those lie {told(least, most)}"


def told(least: float, most: float) -> str:
    """Return a range in words."""
    return f"between {number(least)} and {number(most)}" if most < math.inf else f"from {number(least)} on"


def _contradiction(metric: Metric) -> str:
    if metric.n == 0:
        return "it rests on no samples"
    if metric.value is None:
        return ""
    low = metric.value if metric.low is None else metric.low
    high = metric.value if metric.high is None else metric.high
    room = ROUNDING * max(1.0, abs(metric.value))
    if low - room <= metric.value <= high + room and low <= high:
        return ""
    return "its value lies outside its own interval"
