"""Findings counted again by the edition of the rules that a policy pins: an upgrade turns no build red."""

from __future__ import annotations

from collections.abc import Sequence

from .model import Audit, Metric, Outcome, Quality, doubted
from .plausible import implausible
from .tally import PREFIX, tally

CONTRADICTS = "audit.json contradicts itself: what rules said, the findings and their number do not fit"
UNASKED = "no rule could judge this run"


def of_edition(audit: Audit, edition: str) -> Audit:
    """Return the audit with findings counted by the rules up to an edition.

    Where they were not counted nothing is made up, and where no rule could tell none is counted as clear.
    """
    rest = [metric for metric in audit.metrics if not metric.name.startswith(PREFIX)]
    counted = [metric for metric in audit.metrics if metric.name.startswith(PREFIX)]
    if not counted:
        return audit
    judged = not any(metric.quality is Quality.UNKNOWN for metric in counted if metric.value is not None)
    found = tally(audit.findings, audit.rules, edition, judged=judged)
    reason = _doubt(audit, counted, judged=judged)
    return audit.model_copy(update={"metrics": rest + [doubted(one, reason) if reason else one for one in found]})


def _doubt(audit: Audit, counted: Sequence[Metric], *, judged: bool) -> str:
    """Return why no number of findings can be believed, or an empty string."""
    recounted = tally(audit.findings, audit.rules, audit.edition, judged=judged)
    fired = {rule.name for rule in audit.rules if rule.outcome is Outcome.FIRED}
    same = [(one.name, one.value) for one in counted] == [(one.name, one.value) for one in recounted]
    if not same or any(map(implausible, counted)) or fired != {finding.name for finding in audit.findings}:
        return CONTRADICTS
    return "" if any(rule.outcome in (Outcome.CLEAR, Outcome.FIRED) for rule in audit.rules) else UNASKED
