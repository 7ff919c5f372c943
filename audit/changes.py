"""What has changed against a baseline, metric by metric, for the report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .baseline import Baseline, arms
from .comparable import why_not
from .compared_moves import direction
from .figures import labelled
from .formats import interval, number, smaller_unit
from .model import Audit, Metric, Quality

MOST = 60
WORDS = {1: "worse", -1: "better", 0: "the same"}
SURE = ("better", "worse")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One metric of both runs.

    Attributes:
        name: Metric.
        labels: Which row of it.
        before: The baseline's value.
        now: This run's.
        difference: Now minus before, with its interval; empty where they cannot be compared.
        word: Better, worse, within the noise; or why they cannot be compared.
    """

    name: str
    labels: str
    before: str
    now: str
    difference: str
    word: str


def changes(audit: Audit, baseline: Baseline | None) -> list[Change]:
    """Return the metrics that both runs have, those that can be compared first."""
    found = list(_rows(audit, baseline.audit)) if baseline else []
    return sorted(found, key=lambda row: (not row.difference, row.word not in SURE))[:MOST]


def _rows(audit: Audit, against: Audit) -> Iterator[Change]:
    theirs = {metric.key: metric for metric in against.metrics if not metric.labels}
    for metric in audit.metrics:
        other = theirs.get(metric.key)
        if other is None or metric.value is None or other.value is None:
            continue
        reason = why_not(metric, audit, other, against)
        unknown = Quality.UNKNOWN in (metric.quality, other.quality)
        yield _row(metric, other, "its quality is unknown" if unknown else reason)


def _row(metric: Metric, other: Metric, reason: str | None) -> Change:
    assert metric.value is not None and other.value is not None  # noqa: S101 - checked by the caller
    value = metric.value - other.value
    half = arms(metric, other)
    factor, unit = smaller_unit(max(abs(metric.value), abs(other.value)), metric.unit)
    told = f"{'+' if value > 0 else ''}{number(factor * value)}"
    if half is not None:
        told += f" {interval(factor * (value - half), factor * (value + half))}"
    return Change(
        name=metric.name,
        labels=labelled(metric.labels),
        before=f"{number(factor * other.value)} {unit}".rstrip(),
        now=f"{number(factor * metric.value)} {unit}".rstrip(),
        difference="" if reason else told,
        word=f"not comparable: {reason}" if reason else _word(metric, value, half),
    )


def _word(metric: Metric, value: float, half: float | None) -> str:
    """Return which way it went, where the interval of the difference does not hold zero."""
    if half is not None and abs(value) <= half:
        return "within the noise"
    better, _ = direction(metric.name)
    if better == "neither":
        return "changed" if value else "the same"
    sign = 0 if value == 0 else int(math.copysign(1, value))
    word = WORDS[sign if better == "lower" else -sign]
    return word if half is not None or not value else f"{word}; no interval tells it from noise"
