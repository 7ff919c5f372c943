"""What a section of the report says first: a sentence, small tables, and terms with their explanation."""

from __future__ import annotations

from dataclasses import dataclass

from .formats import amount, interval, smaller_unit
from .groupviews import Grid
from .model import Audit, Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """The beginning of a section, the same in HTML and in Markdown.

    Attributes:
        lead: What matters most, in a sentence or two.
        grids: Tables with their titles, none empty.
        terms: Words and what is to be known of them.
    """

    lead: str
    grids: list[Grid]
    terms: list[tuple[str, str]]


def value_of(audit: Audit, name: str, **labels: str) -> float | None:
    """Return a metric's value; None where it was not measured or is not known."""
    metric = audit.metric(name, labels)
    return None if metric is None else metric.value


def in_words(metric: Metric, unit: str = "") -> str:
    """Return a metric's value with a unit, or that it is unknown and why."""
    if metric.value is None:
        return unknown(metric)
    return amount(metric.value, unit or metric.unit)


def unknown(metric: Metric) -> str:
    """Return that a metric is unknown, and why, without saying it twice."""
    reason = str(metric.reason)
    return reason if "unknown" in reason else f"unknown: {reason}"


def spread(metric: Metric) -> str:
    """Return between what a metric may lie, where that is known, in the unit of `in_words`."""
    factor, _ = smaller_unit(metric.value, metric.unit)
    low, high = (None if end is None else end * factor for end in (metric.low, metric.high))
    return interval(low, high, metric.confidence)
