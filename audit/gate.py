"""Decides whether a run meets a policy. What was not measured is never a pass."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import NamedTuple

from . import registry
from .formats import bounds, interval, number, setting
from .model import Audit, Finding, Metric, Quality
from .policy import Limit, Policy
from .tally import PREFIX, tally

PASS, FAILED, CANNOT_TELL = 0, 1, 3
HEADLINES = {"pass": "Policy met", "fail": "Policy not met", "unknown": "Cannot tell"}
CODES = {"pass": PASS, "fail": FAILED, "unknown": CANNOT_TELL}
MEASURE_IT = "measure it, or let the policy say what its absence means (on_missing)"


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
        outcome: `pass`, `fail` or `unknown`.
        observed: What was measured.
        minimum: Least allowed value.
        maximum: Greatest allowed value.
        margin: Distance to the nearer limit, negative when it is crossed, in the metric's unit.
        reason: Why this outcome.
        advice: What to do.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the gate says of a run."""

    policy: str
    outcome: str
    limits: tuple[LimitVerdict, ...]

    @property
    def headline(self) -> str:
        """The verdict in words."""
        return HEADLINES[self.outcome]

    @property
    def exit_code(self) -> int:
        """What the command returns: 0 pass, 1 failed, 3 cannot tell."""
        return CODES[self.outcome]

    @property
    def summary(self) -> str:
        """The last line of the command."""
        if self.outcome == "pass":
            return "GATE: PASS"
        outcomes = [limit.outcome for limit in self.limits if limit.level == "error"]
        words = {"fail": "failed", "unknown": "unknown"}
        told = ", ".join(f"{outcomes.count(key)} {word}" for key, word in words.items() if key in outcomes)
        return f"GATE: {self.outcome.upper()} ({told})"


def decide(audit: Audit, policy: Policy, *, digest_ok: bool = True) -> Verdict:
    """Return what a policy says of an audit; only limits of level `error` decide."""
    hindrance = _hindrance(audit, policy, digest_ok=digest_ok)
    audit = _of_edition(audit, policy.rules)
    verdicts = tuple(_verdict(limit, audit, hindrance) for limit in policy.limits if limit.level != "off")
    outcomes = {verdict.outcome for verdict in verdicts if verdict.level == "error"}
    outcome = "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "unknown"
    return Verdict(policy=policy.path, outcome=outcome, limits=verdicts)


def _of_edition(audit: Audit, edition: str) -> Audit:
    """Return the audit with findings counted by the rules that a policy pins: an upgrade turns no build red."""
    rest = [metric for metric in audit.metrics if not metric.name.startswith(PREFIX)]
    if len(rest) == len(audit.metrics):
        return audit  # judged before findings were counted: what is not there is not made up
    return audit.model_copy(update={"metrics": rest + tally(audit.findings, audit.rules, edition)})


def _hindrance(audit: Audit, policy: Policy, *, digest_ok: bool) -> Hindrance | None:
    """Return why no limit of this run can be judged, or None."""
    if not digest_ok:
        reason = "audit.json has been changed: its digest does not fit its content"
        return Hindrance(reason, "restore it, or remove it and let `groundwire report` judge the record again")
    if audit.run.damage:
        return Hindrance(f"the record is damaged: {audit.run.damage[0]}", "restore the run folder from a copy")
    status = audit.run.status.value
    if status not in policy.allow_status:
        reason = f"the run is {status}, not {' or '.join(policy.allow_status)}"
        return Hindrance(reason, f"let it finish, or name {status} in the policy's allow_status")
    return None


def _verdict(limit: Limit, audit: Audit, hindrance: Hindrance | None) -> LimitVerdict:
    rows = [metric for metric in audit.metrics if metric.name == limit.metric and metric.labels == limit.labels]
    metric = rows[0] if len(rows) == 1 else None
    value = None if metric is None else metric.value
    margin = None
    if hindrance:
        outcome, reason = "unknown", hindrance.reason
    elif metric is not None and metric.quality is Quality.UNKNOWN:
        outcome, reason = limit.on_missing, metric.reason or f"its quality is unknown: {metric.method}"
    elif not isinstance(value, float) or not math.isfinite(value):  # also what was built without validation
        outcome, reason = limit.on_missing, _missing(limit, rows, audit)
    else:
        margin = _margin(limit, value)
        outcome = "pass" if margin >= 0 else "fail"
        reason = "" if margin >= 0 else f"{number(abs(margin))} beyond the limit"
    return LimitVerdict(
        id=limit.id,
        metric=limit.metric,
        level=limit.level,
        outcome=outcome,
        observed=metric,
        minimum=limit.minimum,
        maximum=limit.maximum,
        margin=margin,
        reason=reason,
        advice=hindrance.advice if hindrance else _advice(limit, audit, outcome, measured=margin is not None),
    )


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
    hint = registry.nearest(limit.metric, sorted({found.name for found in audit.metrics}))
    return f"this run has no {limit.metric}{hint}"


def _advice(limit: Limit, audit: Audit, outcome: str, *, measured: bool) -> str:
    """Return what the finding nearest to the metric recommends."""
    if outcome == "pass" or not measured:
        return "" if outcome == "pass" else MEASURE_IT
    quantity = registry.metric(limit.metric)
    family = quantity.family if quantity else ""
    for finding in audit.findings:
        if _concerns(finding, limit.metric, family) and finding.mitigations:
            first = finding.mitigations[0]
            settings = ", ".join(f"{key}={setting(value)}" for key, value in first.settings.items())
            return settings or first.text
    return "see the report's findings, or reconsider the limit"


def _concerns(finding: Finding, metric: str, family: str) -> bool:
    names = {evidence.series for evidence in finding.evidence if evidence.series}
    prefix = metric.partition(".")[0]
    if family == "logged":
        return "loss" in metric and finding.name in {"overfitting", "updates-too-large", "non-finite"}
    return metric in names or any(name.startswith(f"{prefix}.") for name in names)


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
