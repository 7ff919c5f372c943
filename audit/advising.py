"""What to do about a limit that is not met: what the finding nearest to it recommends."""

from __future__ import annotations

from . import registry
from .decision import Answer
from .formats import setting
from .limit_table import Limit
from .model import Audit, Finding, broken

MEASURE_IT = "measure it, or let the policy say what its absence means (on_missing)"
PREFIX = "findings."
ANOTHER_SCORER = "let a scorer decide that may: `groundwire qualify --scorer …` tries one"


def advice(limit: Limit, audit: Audit, answer: Answer, *, measured: bool) -> str:
    """Return what the finding nearest to the metric recommends."""
    if answer.outcome == "pass":
        return ""
    found = audit.metric(limit.metric, limit.labels)
    if found is not None and broken(found):
        return _remedy_of("non-finite", audit)
    if not measured:
        return ANOTHER_SCORER if _shown_only(limit, audit) else MEASURE_IT
    if limit.relative and answer.outcome == "unknown" and not answer.needed:
        return "compare with another baseline: `groundwire baseline set RUN` makes one"
    if answer.outcome == "unknown":
        return "ask more prompts" if answer.needed else "see why, and measure again"
    if limit.metric.startswith(PREFIX):
        return _named(limit.metric.removeprefix(PREFIX), audit)
    quantity = registry.metric(limit.metric)
    family = quantity.family if quantity else ""
    near = [finding for finding in audit.findings if _concerns(finding, limit.metric, family) and finding.mitigations]
    for finding in sorted(near, key=lambda finding: limit.metric not in _series(finding)):
        return _remedy(finding)
    return "see the report's findings, or reconsider the limit"


def _remedy_of(name: str, audit: Audit) -> str:
    """Return what the finding of a name recommends first."""
    found = next((finding for finding in audit.findings if finding.name == name and finding.mitigations), None)
    return _remedy(found) if found else "find out where the value stopped being finite, and train again"


def _named(severity: str, audit: Audit) -> str:
    """Return the findings of a severity that count, each with what to do first."""
    found = [
        f for f in audit.findings if f.severity.value == severity and f.status == "stable" and not f.follows_from
    ]
    told = [f"{f.name}{': ' + _remedy(f) if f.mitigations else ''}" for f in found]
    return "; ".join(told) or "see the report's findings, or reconsider the limit"


def _remedy(finding: Finding) -> str:
    first = finding.mitigations[0]
    return ", ".join(f"{key}={setting(value)}" for key, value in first.settings.items()) or first.text


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
