"""What one limit says of a run."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from . import registry
from .advising import advice
from .baseline import Baseline, Change, change_of, within
from .decision import Answer, bound_within, difference_within
from .formats import bounds, interval, number
from .limit_table import Limit
from .model import BROKE, Audit, Checkpoint, Metric, Quality
from .usable import rows_of, unusable

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
        line: Line of the limit in the policy file, from 1; 0 where it has none.
        labels: Which row of the metric is meant.
        baseline: The baseline's value; None where none is compared.
        change: Value minus the baseline's.
        crossed: Which bound the value crossed, `max` or `min`; empty where it crossed none.
        worst: The value, or the end of its interval, by which it was judged.
        waiver: The exception that lets it through, in words.
        of_value: Whether it limits a value; not where a rule must not fire or a fact must be declared.
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
    line: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    baseline: float | None = None
    change: float | None = None
    crossed: str = ""
    worst: float | None = None
    waiver: str = ""
    of_value: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """What limits are asked about.

    Attributes:
        audit: Of the run.
        hindrance: Why no limit can be judged; None when they can.
        baseline: What to compare with; None when nothing was given.
        weights: The released checkpoint, when it is one of the run's; None when none was given.
    """

    audit: Audit
    hindrance: Hindrance | None = None
    baseline: Baseline | None = None
    weights: Checkpoint | None = None


def verdict_on(limit: Limit, release: Release) -> LimitVerdict:
    """Return what a limit says of a release."""
    audit, hindrance = release.audit, release.hindrance
    rows = rows_of(limit, audit, release.weights)
    verdicts = [_verdict(limit, [row], release) for row in rows] if limit.worst_group else []
    if verdicts and not hindrance:
        return min(verdicts, key=_severity)
    return _verdict(limit, rows, release)


def _severity(verdict: LimitVerdict) -> tuple[int, float]:
    """Return how bad a verdict is: of groups, the worst one counts."""
    order = ("fail", "error", "unknown", "pass")
    return order.index(verdict.outcome), math.inf if verdict.margin is None else verdict.margin


def _verdict(limit: Limit, rows: list[Metric], release: Release) -> LimitVerdict:
    audit, hindrance = release.audit, release.hindrance
    metric = rows[0] if len(rows) == 1 else None
    value = None if metric is None else metric.value
    reason = hindrance.reason if hindrance else unusable(limit, rows, audit, release.weights)
    change: Change | None = None
    margin = None
    if reason or metric is None or value is None:
        answer = Answer(outcome="unknown" if hindrance else _outcome_without(limit, audit), reason=reason)
    else:
        change = change_of(limit, metric, audit, release.baseline)
        margin = _margin(limit, value, change)
        answer = _both(_answer(limit, metric, value, release), within(limit, change))
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
        advice=hindrance.advice if hindrance else advice(limit, audit, answer, measured=margin is not None),
        needed=answer.needed,
        line=limit.line,
        labels=metric.labels if metric is not None else limit.labels,
        baseline=change.baseline if change else None,
        change=change.value if change else None,
        crossed=_crossed(limit, value) if answer.outcome == "fail" and margin is not None else "",
        worst=_worst(limit, metric) if margin is not None else None,
    )


def _both(one: Answer, other: Answer) -> Answer:
    """Return the worse of two answers, with the reasons of both where both are bad."""
    worse = min(one, other, key=lambda answer: ("fail", "unknown", "pass").index(answer.outcome))
    reasons = "; ".join(filter(None, (one.reason, other.reason)))
    return replace(worse, reason=reasons if one.outcome == other.outcome else worse.reason)


def _crossed(limit: Limit, value: float | None) -> str:
    """Return which bound a value that fails has crossed; where none, the one towards which it got worse."""
    if value is None:
        return ""
    if limit.maximum is not None and value > limit.maximum:
        return "max"
    below = limit.minimum is not None and value < limit.minimum
    return "min" if below or (limit.relative and limit.better == "higher") else "max"


def _worst(limit: Limit, metric: Metric | None) -> float | None:
    if metric is None or metric.value is None:
        return None
    quantity = registry.metric(limit.metric)
    by_interval = limit.confidence is not None or (quantity is not None and quantity.tested)
    end = metric.high if _crossed(limit, metric.value) == "max" else metric.low
    return end if by_interval and end is not None else metric.value


def _outcome_without(limit: Limit, audit: Audit) -> str:
    """Return what it means that there is no value: broken is not the same as absent."""
    if limit.on_missing == "fail":
        return "fail"
    quantity = registry.metric(limit.metric)
    family = "" if quantity is None else limit.metric.partition(".")[0]
    broken = {monitor.name for monitor in audit.monitors if monitor.status == "error"}
    own = audit.metric(limit.metric, limit.labels)
    return "error" if family in broken or (own is not None and own.method == BROKE) else "unknown"


def _answer(limit: Limit, metric: Metric, value: float, release: Release) -> Answer:
    """Return what the bounds of the value itself say, those of a change apart."""
    if limit.maximum is None and limit.minimum is None:
        return Answer(outcome="pass")
    quantity = registry.metric(limit.metric)
    if quantity is not None and quantity.tested:
        return _every_axis(limit, metric, release)
    if limit.confidence is not None:
        return _bounded(limit, metric, value, limit.confidence)
    margin = _margin(limit, value, None)
    if margin >= 0:
        return Answer(outcome="pass")
    return Answer(outcome="fail", reason=f"{number(abs(margin))} beyond the limit")


def _every_axis(limit: Limit, metric: Metric, release: Release) -> Answer:
    """Return what a limit says of a difference; of the total, what it says of the worst of all axes."""
    audit = release.audit
    rows = [row for row in audit.metrics if row.name == limit.metric and row.labels] if not limit.labels else []
    reasons = [unusable(limit, [row], audit, release.weights) for row in rows]
    answers = [Answer(outcome="unknown", reason=reason) for reason in reasons if reason]
    answers += [_tested(limit, row, audit) for row in (metric, *rows)]
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
    wanted = max(limit.confidence or 0.0, LEAST_CONFIDENCE)
    if wanted > confidence:
        return Answer(outcome="unknown", reason=_less_confident(confidence, wanted))
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
    return f"its interval holds at {number(100 * found)} %, and the policy wants {number(100 * wanted)} %"


def _margin(limit: Limit, value: float, change: Change | None) -> float:
    """Return the distance to the nearer limit; a difference too large for a number is the largest one."""
    margins = [] if change is None or change.margin is None else [change.margin]
    if limit.maximum is not None:
        margins.append(limit.maximum - value)
    if limit.minimum is not None:
        margins.append(value - limit.minimum)
    return max(-sys.float_info.max, min([sys.float_info.max, *margins]))


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
