"""Findings as numbers: what is counted, what is not, and that a pinned edition keeps counting the same."""

from __future__ import annotations

from typing import Any

import pytest
from groundwire.audit.gate import decide
from groundwire.audit.judge import judge
from groundwire.audit.model import (
    EDITIONS,
    Audit,
    Confidence,
    Evidence,
    Finding,
    Metric,
    Outcome,
    RuleOutcome,
    Severity,
)
from groundwire.audit.policy import parse_policy
from groundwire.audit.record import Record
from groundwire.audit.recount import of_edition
from groundwire.audit.rules import RULES
from groundwire.audit.rules.declaration import Fault, rule
from groundwire.audit.tally import tally
from run_material import make_run

EDITION = EDITIONS[-1]


def finding(severity: Severity = Severity.HIGH, **more: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "OPT002", "name": "exploding-gradient", "confidence": Confidence.HIGH, "status": "stable",
        "edition": EDITION, "summary": "x.", "evidence": [Evidence(summary="x")],
    }  # fmt: skip
    return Finding(severity=severity, **known | more)


def counts(*findings: Finding, edition: str = EDITION) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in tally(findings, [], edition)}


def test_roots_of_stable_rules_are_counted_by_severity() -> None:
    found = counts(finding(), finding(), finding(Severity.CRITICAL), finding(Severity.LOW))
    assert found == {"findings.critical": 1.0, "findings.high": 2.0, "findings.medium": 0.0}


@pytest.mark.parametrize("more", [{"status": "preview"}, {"follows_from": "OPT001"}, {"edition": "2099.01"}])
def test_what_is_not_proven_new_or_a_consequence_is_not_counted(more: dict[str, Any]) -> None:
    assert counts(finding(**more))["findings.high"] == 0.0


def test_a_broken_rule_leaves_no_count() -> None:
    broken = RuleOutcome(rule="OPT009", name="x", outcome=Outcome.ERROR, reason="y")
    metric = tally([], [broken], EDITION)[0]
    assert (metric.value, metric.reason) == (None, "rule OPT009 broke")


def policy(**more: Any) -> Any:
    limits = {"findings": {"metric": "findings.high", "max": 0}}
    return parse_policy({"schema": 1, "limits": limits} | more, "policy.toml")


def test_the_gate_counts_by_the_edition_that_the_policy_pins(tmp_path: Any) -> None:
    make_run(tmp_path)
    audit = judge(Record.open(tmp_path))
    assert (
        decide(_with(audit, finding(edition="2099.01"), edition="2099.01"), policy(rules=EDITION)).outcome == "pass"
    )
    assert decide(_with(audit, finding(), edition=EDITION), policy(rules=EDITION)).outcome == "fail"


def _with(audit: Audit, found: Finding, *, edition: str) -> Audit:
    """Return the audit with a finding, as a Groundwire of that edition would have written it."""
    rules = [*audit.rules, RuleOutcome(rule=found.rule, name=found.name, outcome=Outcome.FIRED)]
    rest = [metric for metric in audit.metrics if not metric.name.startswith("findings.")]
    changes = {
        "findings": [found],
        "rules": rules,
        "edition": edition,
        "metrics": rest + tally([found], rules, edition),
    }
    return audit.model_copy(update=changes)


def test_an_audit_from_before_the_count_is_unknown() -> None:
    metrics: list[Metric] = []
    audit = Audit.model_construct(metrics=metrics, findings=[], rules=[], edition=EDITION)
    assert of_edition(audit, EDITION).metrics == []


@pytest.mark.parametrize("changes", [{"findings": []}, {"rules": []}, {"metrics": []}])
def test_what_was_removed_by_hand_is_not_counted_as_clear(tmp_path: Any, changes: dict[str, Any]) -> None:
    make_run(tmp_path)
    audit = _with(judge(Record.open(tmp_path)), finding(), edition=EDITION)
    assert decide(audit.model_copy(update=changes), policy()).exit_code == 3


def test_preview_findings_are_informative_only(tmp_path: Any) -> None:
    @rule(code="TST001", severity=Severity.CRITICAL, status="preview", needs=("train.loss",), threshold=0.0, unit="")
    def always(case: Any, threshold: float) -> Fault:
        """Flags everything."""
        return Fault(summary="x.", evidence=(Evidence(summary="x"),))

    make_run(tmp_path)
    audit = judge(Record.open(tmp_path), (*RULES, always))
    (found,) = [item for item in audit.findings if item.rule == "TST001"]
    assert (found.severity, found.status) == (Severity.INFO, "preview")


def test_preview_findings_are_shown_apart_with_their_charts(tmp_path: Any) -> None:
    from groundwire.audit.report import render_html, render_markdown

    make_run(tmp_path)
    record = Record.open(tmp_path)
    evidence = [Evidence(summary="x", series="train.loss", step=20, value=1.0)]
    shown = [finding(), finding(rule="GEN001", name="overfitting", status="preview", evidence=evidence)]
    audit = judge(record).model_copy(update={"findings": shown})
    page, text = render_html(audit, record), render_markdown(audit, record)
    assert page.index('id="preview"') < page.index("finding-preview-1")
    assert text.index("## Preview") < text.index("overfitting (GEN001)")
