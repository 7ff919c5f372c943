"""What one limit says of a run."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import NamedTuple

from . import registry
from .decision import Answer, bound_within, difference_within
from .formats import bounds, interval, number, setting
from .model import BROKE, Audit, Finding, Metric, Quality
from .policy import Limit

MEASURE_IT = "measure it, or let the policy say what its absence means (on_missing)"
ANOTHER_SCORER = "let a scorer decide that may: `groundwire qualify --scorer …` tries one"
LEAST_CONFIDENCE = 0.9  # of a test and of bounds by which a difference is judged
UNTESTED = "it has no test and no bounds, without which a difference says nothing"


class Hindrance(NamedTuple):
    """Why no limit of a run can be judged, and what to do about it."""

    reason: str
    advice: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitVerdict:
    """What the gate says of one limit.

    Attributes:
        id: Name of the limit.
        metric: Metric that is limited.
        level: `error` or `warn`.
        outcome: `pass`, `fail`, `unknown`, or `error` where measuring broke.
        observed: What was measured.
        minimum: Least allowed value.
        maximum: Greatest allowed value.
        margin: Distance to the nearer limit, negative when it is crossed, in the metric's unit.
        reason: Why this outcome.
        advice: What to do.
        needed: Independent units that would probably tell, where that is what is missing.
    """

    id: str
    metric: str
    level: str
    outcome: str
    observed: Metric | None
    minimum: float | None
    maximum: float | None
    margin: float | None
    reason: str
    advice: str
    needed: int | None = None


def verdict_on(limit: Limit, audit: Audit, hindrance: Hindrance | None) -> LimitVerdict:
    """Return what a limit says of an audit."""
    rows = [metric for metric in audit.metrics if metric.name == limit.metric and metric.labels == limit.labels]
    metric = rows[0] if len(rows) == 1 else None
    value = None if metric is None else metric.value
    reason = hindrance.reason if hindrance else _unusable(limit, rows, audit)
    margin = None
    if reason or metric is None or value is None:
        answer = Answer(outcome="unknown" if hindrance else _outcome_without(limit, audit), reason=reason)
    else:
        margin = _margin(limit, value)
        answer = _answer(limit, metric, value, margin, audit)
    return LimitVerdict(
        id=limit.id,
        metric=limit.metric,
        level=limit.level,
        outcome=answer.outcome,
        observed=metric,
        minimum=limit.minimum,
        maximum=limit.maximum,
        margin=margin,
        reason=answer.reason,
        advice=hindrance.advice if hindrance else _advice(limit, audit, answer, measured=margin is not None),
        needed=answer.needed,
    )


def _unusable(limit: Limit, rows: list[Metric], audit: Audit) -> str:
    """Return why the rows of a metric give no value to judge, or an empty string."""
    metric = rows[0] if len(rows) == 1 else None
    if metric is not None and limit.scorer and not _is_scorer(metric.scorer, limit.scorer):
        told = f"scored by {metric.scorer}" if metric.scorer else metric.reason or "not scored"
        return f"the policy wants scorer {limit.scorer}, and this was {told}"
    if metric is not None and metric.quality is Quality.UNKNOWN and not _surely_beyond(limit, metric):
        return metric.reason or f"its quality is unknown: {metric.method}"
    value = None if metric is None else metric.value
    if metric is None or not isinstance(value, float) or not math.isfinite(value):  # also what was built unchecked
        return _missing(limit, rows, audit)
    ends = [end for end in (value, metric.low, metric.high) if end is not None]
    if metric.unit == "probability" and not all(0 <= end <= 1 for end in ends):
        return "it is no probability: those lie between 0 and 1"
    return ""


def _surely_beyond(limit: Limit, metric: Metric) -> bool:
    """Return whether a value of which only a least bound is known lies beyond a limit already."""
    quantity = registry.metric(metric.name)
    known = quantity is not None and quantity.at_least and limit.maximum is not None and metric.value is not None
    return known and metric.low is not None and limit.maximum is not None and metric.low > limit.maximum


def _is_scorer(found: str | None, wanted: str) -> bool:
    """Return whether a scorer with its version is the one that is wanted: `detoxify:unbiased 0.5.2` is."""
    if found is None:
        return False
    kind = "" if ":" in wanted else f"{wanted}:"  # `detoxify` alone is any of its models
    return found == wanted or found.startswith(f"{wanted} ") or (bool(kind) and found.startswith(kind))


def _outcome_without(limit: Limit, audit: Audit) -> str:
    """Return what it means that there is no value: broken is not the same as absent."""
    if limit.on_missing == "fail":
        return "fail"
    quantity = registry.metric(limit.metric)
    family = "" if quantity is None else limit.metric.partition(".")[0]
    broken = {monitor.name for monitor in audit.monitors if monitor.status == "error"}
    own = audit.metric(limit.metric, limit.labels)
    return "error" if family in broken or (own is not None and own.method == BROKE) else "unknown"


def _answer(limit: Limit, metric: Metric, value: float, margin: float, audit: Audit) -> Answer:
    quantity = registry.metric(limit.metric)
    if quantity is not None and quantity.tested:
        return _every_axis(limit, metric, audit)
    if limit.confidence is not None:
        return _bounded(limit, metric, value, limit.confidence)
    if margin >= 0:
        return Answer(outcome="pass")
    return Answer(outcome="fail", reason=f"{number(abs(margin))} beyond the limit")


def _every_axis(limit: Limit, metric: Metric, audit: Audit) -> Answer:
    """Return what a limit says of a difference; of the total, what it says of the worst of all axes."""
    rows = [row for row in audit.metrics if row.name == limit.metric and row.labels] if not limit.labels else []
    answers = [_tested(limit, row, audit) for row in (metric, *rows)]
    return min(answers, key=lambda answer: ("fail", "unknown", "pass").index(answer.outcome))


def _tested(limit: Limit, metric: Metric, audit: Audit) -> Answer:
    value, low, high, p, n, confidence = (
        metric.value, metric.low, metric.high, metric.p, metric.n, metric.confidence
    )  # fmt: skip
    if None in (value, low, high, p, n, confidence, limit.maximum) or metric.quality is Quality.UNKNOWN:
        return Answer(outcome="unknown", reason=metric.reason or UNTESTED)
    assert value is not None and low is not None and high is not None and p is not None  # noqa: S101 - types
    assert n is not None and confidence is not None and limit.maximum is not None  # noqa: S101
    if n < 2 or p <= 0 or metric.scorer is None:
        return Answer(outcome="unknown", reason=UNTESTED)
    if (limit.confidence or LEAST_CONFIDENCE) > confidence:
        return Answer(outcome="unknown", reason=_less_confident(confidence, limit.confidence or LEAST_CONFIDENCE))
    if not _may_decide(metric.scorer, audit):
        return Answer(outcome="unknown", reason="its scorer did not qualify")
    return difference_within(limit.maximum, value=value, low=low, high=high, p=p, n=n, confidence=confidence)


def _may_decide(scorer: str, audit: Audit) -> bool:
    """Return whether there are cards of a scorer and none of them forbids that it decides between groups."""
    cards = [card for card in audit.scorers if card.scorer == scorer]
    return bool(cards) and all(card.decides for card in cards)


def _bounded(limit: Limit, metric: Metric, value: float, confidence: float) -> Answer:
    if metric.low is None or metric.high is None or metric.confidence is None:
        return Answer(outcome="unknown", reason="it has no interval, and the policy wants to judge by one")
    if confidence > metric.confidence:
        return Answer(outcome="unknown", reason=_less_confident(metric.confidence, confidence))
    if not metric.low <= value <= metric.high:
        return Answer(outcome="unknown", reason="its value lies outside its own interval")
    return bound_within(limit.minimum, limit.maximum, value=value, low=metric.low, high=metric.high, n=metric.n)


def _less_confident(found: float, wanted: float) -> str:
    return f"its interval holds at {found:.0%}, and the policy wants {wanted:.0%}"


def _margin(limit: Limit, value: float) -> float:
    """Return the distance to the nearer limit; a difference too large for a number is the largest one."""
    margins = []
    if limit.maximum is not None:
        margins.append(limit.maximum - value)
    if limit.minimum is not None:
        margins.append(value - limit.minimum)
    return max(-sys.float_info.max, min(sys.float_info.max, *margins))


def _missing(limit: Limit, rows: list[Metric], audit: Audit) -> str:
    if len(rows) > 1:
        return f"this run has {len(rows)} values of {limit.metric}, and nothing says which one counts"
    if rows:
        return rows[0].reason or "it has no value"
    others = [metric.labels for metric in audit.metrics if metric.name == limit.metric]
    if others:
        known = ", ".join(str(labels) if labels else "none (the total)" for labels in others)
        wanted = f"labels {dict(limit.labels)}" if limit.labels else "no labels (the total)"
        return f"this run has no {limit.metric} with {wanted}; its labels are {known}"
    quantity = registry.metric(limit.metric)
    if quantity is not None and quantity.family not in ("logged", "imported"):
        return f"this run has not measured {limit.metric}"
    hint = registry.nearest(limit.metric, sorted({found.name for found in audit.metrics}))
    return f"this run has no {limit.metric}{hint}"


def _advice(limit: Limit, audit: Audit, answer: Answer, *, measured: bool) -> str:
    """Return what the finding nearest to the metric recommends."""
    if answer.outcome == "pass":
        return ""
    if not measured:
        return ANOTHER_SCORER if _shown_only(limit, audit) else MEASURE_IT
    if answer.outcome == "unknown":
        return "ask more prompts" if answer.needed else "see why, and measure again"
    quantity = registry.metric(limit.metric)
    family = quantity.family if quantity else ""
    near = [finding for finding in audit.findings if _concerns(finding, limit.metric, family) and finding.mitigations]
    for finding in sorted(near, key=lambda finding: limit.metric not in _series(finding)):
        first = finding.mitigations[0]
        settings = ", ".join(f"{key}={setting(value)}" for key, value in first.settings.items())
        return settings or first.text
    return "see the report's findings, or reconsider the limit"


def _shown_only(limit: Limit, audit: Audit) -> bool:
    """Return whether a scorer gave a number that nobody may go by because of who it is."""
    metric = audit.metric(limit.metric, limit.labels)
    if metric is None or metric.value is None or metric.scorer is None:
        return False
    return any(mark in (metric.reason or "") for mark in ("scorer", "lexicon"))


def _concerns(finding: Finding, metric: str, family: str) -> bool:
    names, prefix = _series(finding), metric.partition(".")[0]
    if family == "logged":
        return "loss" in metric and finding.name in {"overfitting", "updates-too-large", "non-finite"}
    if family == "generation":  # what cures one of these harms does nothing for another
        return metric in names
    return metric in names or any(name.startswith(f"{prefix}.") for name in names)


def _series(finding: Finding) -> set[str]:
    return {evidence.series for evidence in finding.evidence if evidence.series}


def observed(verdict: LimitVerdict) -> str:
    """Return the measured value with its interval, as people read it."""
    metric = verdict.observed
    if metric is None or metric.value is None:
        return "—"
    span = f" {interval(metric.low, metric.high)}" if metric.low is not None or metric.high is not None else ""
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{number(metric.value)}{span}{unit}"


def allowed(verdict: LimitVerdict) -> str:
    """Return what the limit allows, as people read it."""
    return bounds(verdict.minimum, verdict.maximum)
