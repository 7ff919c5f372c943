"""Why a limit has its outcome and what to do, in the words of the run's own findings."""

from __future__ import annotations

from typing import Any

import pytest
from groundwire.audit import registry
from groundwire.audit.gate import Question, Verdict, decide
from groundwire.audit.model import (
    Audit,
    Confidence,
    Evidence,
    Finding,
    Metric,
    Mitigation,
    Quality,
    RunStatus,
    Severity,
)
from groundwire.audit.policy import parse_policy
from groundwire.audit.rules import RULES
from groundwire.audit.verdicts import as_markdown, as_text
from markdown_it import MarkdownIt
from report_material import audit, findings, run


def decided(found: Audit, metric: str = "overfitting.gap", *, digest_ok: bool = True, **limit: Any) -> Verdict:
    document = {"schema": 1, "limits": {"it": {"metric": metric, "max": 0.1} | limit}}
    return decide(found, parse_policy(document, "policy.toml"), Question(digest_ok=digest_ok))


def changed(found: Audit, **fields: Any) -> Audit:
    return found.model_copy(update=fields)


def gap() -> Metric:
    found = audit().metric("overfitting.gap")
    assert found is not None
    return found


def with_findings(*found: Finding) -> Audit:
    return changed(audit(), findings=list(found))


def test_a_failed_limit_is_told_the_settings_of_its_finding() -> None:
    assert decided(audit()).limits[0].advice == "trainer.max_steps=2400"
    assert decided(audit(), "logged.val_loss", max=1).limits[0].advice == "trainer.max_steps=2400"
    plain = findings()[0].model_copy(update={"mitigations": [Mitigation(text="Stop.", gain="", cost="", source="")]})
    assert decided(with_findings(plain)).limits[0].advice == "Stop."
    assert "reconsider the limit" in decided(with_findings()).limits[0].advice


def test_findings_that_concern_a_logged_loss_are_those_of_rules() -> None:
    assert {"overfitting", "updates-too-large", "non-finite"} <= {rule.name for rule in RULES}


def test_what_is_missing_is_named_with_what_is_near() -> None:
    near = decided(audit(), "overfitting.gap_relative").limits[0]
    assert near.reason == "this run has not measured overfitting.gap_relative"
    assert decided(audit(), labels={"k": "5"}).limits[0].reason.endswith("its labels are none (the total)")
    labelled = changed(audit(), metrics=[gap().model_copy(update={"labels": {"k": "5"}})])
    assert decided(labelled).limits[0].reason.endswith("no labels (the total); its labels are {'k': '5'}")


def test_a_hindrance_says_what_to_do_about_it() -> None:
    assert "restore it" in decided(audit(), digest_ok=False).limits[0].advice
    assert "from a copy" in decided(changed(audit(), run=run(damage=["x"]))).limits[0].advice
    assert "allow_status" in decided(changed(audit(), run=run(status=RunStatus.CRASHED))).limits[0].advice


@pytest.mark.parametrize("second", [0.0, 99.0])
@pytest.mark.parametrize(("on_missing", "code"), [("unknown", 3), ("fail", 1)])
def test_two_values_of_one_metric_meet_no_limit(second: float, on_missing: str, code: int) -> None:
    rows = [gap(), gap().model_copy(update={"value": second})]
    for found in (rows, rows[::-1]):
        assert decided(changed(audit(), metrics=found), max=9, on_missing=on_missing).exit_code == code


@pytest.mark.parametrize("value", ["0.01", True, False, 0, [0.01], float("nan")])
def test_a_value_that_nobody_validated_meets_no_limit(value: Any) -> None:
    row = Metric.model_construct(**(dict(gap()) | {"value": value}))
    assert decided(changed(audit(), metrics=[row]), max=9).exit_code == 3


HOSTILE = "a|b\x1b[31m\nGATE: PASS\n`*_[x](http://e.example)<img src=x>@team \\| c"


def test_hostile_names_stay_in_their_cell() -> None:
    document = {"schema": 1, "limits": {HOSTILE: {"metric": f"logged.{HOSTILE}", "max": 1}}}
    found = changed(audit(), run=run(model=HOSTILE))
    verdict = decide(found, parse_policy(document, "p"))
    page = MarkdownIt("commonmark").enable("table").parse(as_markdown(verdict, found))
    inside = {child.type for token in page for child in token.children or []}
    assert not {"link_open", "image", "html_inline"} & inside
    assert sum(token.type == "td_open" for token in page) == 5  # a pipe in a name opens no cell
    # GitHub's tables read backslashes in pairs: after an even number of them a pipe splits the cell.
    row = next(line for line in as_markdown(verdict, found).splitlines() if line.startswith("| ?"))
    assert sum((len(part) - len(part.rstrip("\\"))) % 2 == 0 for part in row.split("|")[:-1]) == 6
    words = [line for line in as_text(verdict, found).splitlines() if line.startswith("GATE")]
    assert words == ["GATE: UNKNOWN (1 unknown)"]


def told(name: str, value: float, **fields: Any) -> Metric:
    quantity = registry.metric(name)
    common: dict[str, Any] = {
        "unit": quantity.unit if quantity else "",
        "quality": Quality.MEASURED,
        "method": "",
        "monitor": "generation",
    }
    return Metric(name=name, value=value, **(common | fields))


def test_a_harm_is_not_told_the_remedy_of_another() -> None:
    toxic, personal = "generation.toxicity_probability", "generation.personal_data_share"
    found = [finding(series, text) for series, text in ((personal, "Replace the data."), (toxic, "Filter the text."))]
    judged = changed(audit(), metrics=[told(toxic, 0.7), told("generation.toxicity_change", 0.5)], findings=found)
    assert decided(judged, toxic).limits[0].advice == "Filter the text."
    assert "reconsider the limit" in decided(judged, "generation.toxicity_change").limits[0].advice


def test_what_is_at_least_beyond_a_limit_fails_although_it_may_be_more() -> None:
    bounds = {"quality": Quality.UNKNOWN, "reason": "at least", "low": 8.1, "high": 19.9, "confidence": 0.95}
    name, other = "memorisation.canary_exposure", "memorisation.verbatim_share"
    judged = changed(audit(), metrics=[told(name, 10.0, unit="bits", **bounds), told(other, 10.0, **bounds)])
    outcomes = [decided(judged, name, max=most).limits[0].outcome for most in (3.0, 8.5, 12.0)]
    assert outcomes == ["fail", "unknown", "unknown"]
    assert decided(judged, other).limits[0].outcome == "unknown"


def finding(series: str, text: str) -> Finding:
    return Finding(
        rule="X1", name="x", severity=Severity.INFO, confidence=Confidence.HIGH, status="preview", edition="2026.11",
        summary="it", evidence=[Evidence(summary="it", series=series)],
        mitigations=[Mitigation(text=text, gain="", cost="", source="")],
    )  # fmt: skip
