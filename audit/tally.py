"""How many findings of each severity there are, as metrics that a policy can limit."""

from __future__ import annotations

from collections.abc import Sequence

from .model import Finding, Metric, Outcome, Quality, RuleOutcome, Severity

COUNTED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)
PREFIX = "findings."


def tally(
    findings: Sequence[Finding], rules: Sequence[RuleOutcome], edition: str, *, judged: bool = True
) -> list[Metric]:
    """Count stable findings that follow from no other, of rules up to an edition; null when a rule broke.

    Args:
        findings: All findings.
        rules: What every rule said.
        edition: Of the rules that count.
        judged: Whether any stable rule could tell: silence of rules that were not asked is no clearance.
    """
    broken = [rule.rule for rule in rules if rule.outcome is Outcome.ERROR]
    untold = sum(rule.outcome is Outcome.UNKNOWN for rule in rules)
    silent = None if judged else "no stable rule could judge this run"
    counted = [f for f in findings if f.status == "stable" and f.follows_from is None and f.edition <= edition]
    return [
        Metric(
            name=f"{PREFIX}{severity.value}",
            value=None if broken else float(sum(finding.severity is severity for finding in counted)),
            unit="",
            quality=Quality.UNKNOWN if broken or silent else Quality.MEASURED,
            method=f"stable rules of edition {edition}; {untold} of {len(rules)} rules could not tell",
            monitor="findings",
            reason=f"rule {', '.join(broken)} broke" if broken else silent,
        )
        for severity in COUNTED
    ]
