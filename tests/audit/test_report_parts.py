"""The parts of the report that stand beside charts and metrics: advice, provenance, what was not checked, changes."""

from __future__ import annotations

from typing import Any

import pytest
import report_material as material
from groundwire.audit.baseline import Baseline
from groundwire.audit.changes import changes
from groundwire.audit.footnotes import footnoted
from groundwire.audit.formats import amount, amounts
from groundwire.audit.limitbars import WIDTH, limit_bar
from groundwire.audit.model import Audit, Confidence, Finding, Metric, Mitigation, Quality, Severity
from groundwire.audit.provenance import commit, sources
from groundwire.audit.recommendations import recommendations
from groundwire.audit.unchecked import by_reason


def finding(name: str, *advice: Mitigation, severity: Severity = Severity.HIGH) -> Finding:
    return Finding(
        rule="OPT000", name=name, severity=severity, confidence=Confidence.HIGH, status="stable", edition="2026.11",
        summary=name, evidence=[], mitigations=list(advice),
    )  # fmt: skip


def advice(text: str, **settings: Any) -> Mitigation:
    return Mitigation(text=text, settings=settings, gain="gain", cost="cost", source="source")


def test_the_best_advice_of_each_finding_stands_before_any_alternative() -> None:
    found = recommendations([finding("one", advice("a"), advice("b"))], [finding("two", advice("c"))])
    assert [(item.advice.text, item.first) for item in found] == [("a", True), ("c", True), ("b", False)]
    assert [item.severity for item in found] == ["high", "preview", "high"]


def test_the_same_settings_are_advised_once_and_name_all_that_they_cure() -> None:
    lower = {"optimizer.lr": 0.1}
    found = recommendations([finding("one", advice("a", **lower)), finding("two", advice("b", **lower))], [])
    assert [item.cures for item in found] == [(("one", "finding-1"), ("two", "finding-2"))]


def test_what_is_left_open_for_the_same_reason_is_told_together() -> None:
    rows = [("a", "no data"), ("b", "broke"), ("c", "no data")]
    assert by_reason(rows) == [(["a", "c"], "no data"), (["b"], "broke")]


def test_provenance_says_what_is_missing() -> None:
    bare = material.audit().model_copy(update={"environment": {"python": "3.11"}, "configuration": {}})
    told = {row: value for source in sources(bare) for row, value in source.rows}
    assert told["commit"].startswith("unknown") and told["seed"].startswith("not set")
    assert commit(bare) == ""


def test_provenance_tells_uncommitted_changes() -> None:
    git = {"commit": "0123456789abcdef", "diff_sha256": "ff" * 32}
    audit = material.audit().model_copy(update={"environment": {"git": git, "cpus": 2, "oddity": {"a": 1}}})
    titles = {source.title: dict(source.rows) for source in sources(audit)}
    assert commit(audit) == "0123456789ab with changes"
    assert titles["Code and seed"]["digest of changes that were not committed"] == "ff" * 32
    assert titles["Hardware"] == {"cpus": "2"} and titles["Further facts"] == {"oddity.a": "1"}


def of(value: float, half: float | None = None, name: str = "logged.val_loss") -> Audit:
    low, high = (None, None) if half is None else (value - half, value + half)
    metric = Metric(
        name=name, value=value, unit="", low=low, high=high, confidence=None if half is None else 0.95,
        quality=Quality.MEASURED, monitor="logged", method="so",
    )  # fmt: skip
    return material.audit().model_copy(update={"metrics": [metric]})


@pytest.mark.parametrize(
    ("now", "before", "word"),
    [
        (of(1.0, 0.1, "overfitting.gap"), of(2.0, 0.1, "overfitting.gap"), "better"),
        (of(2.0, 0.1, "overfitting.gap"), of(1.0, 0.1, "overfitting.gap"), "worse"),
        (of(1.1, 0.1, "overfitting.gap"), of(1.0, 0.1, "overfitting.gap"), "within the noise"),
        (
            of(2.0, None, "overfitting.gap"),
            of(1.0, None, "overfitting.gap"),
            "worse; no interval tells it from noise",
        ),
        (of(2.0), of(1.0), "worse; no interval tells it from noise"),
    ],
)
def test_a_change_is_told_from_noise(now: Audit, before: Audit, word: str) -> None:
    (row,) = changes(now, Baseline(where="x", audit=before))
    assert row.word == word and row.difference


def test_what_cannot_be_compared_says_why() -> None:
    before = of(1.0, 0.1, "overfitting.gap")
    other = before.metrics[0].model_copy(update={"method": "another way"})
    (row,) = changes(
        of(2.0, 0.1, "overfitting.gap"), Baseline(where="x", audit=before.model_copy(update={"metrics": [other]}))
    )
    assert row.word.startswith("not comparable: the method differs") and row.difference == ""


def test_a_limit_bar_puts_what_is_observed_on_its_side_of_the_bound() -> None:
    bar = limit_bar(value=2.0, low=1.5, high=2.5, minimum=None, maximum=1.0, told="so")
    assert bar is not None
    assert bar.allowed[1] == bar.bounds[0] < bar.low < bar.x < bar.high <= WIDTH
    within = limit_bar(value=0.9, low=None, high=None, minimum=0.5, maximum=1.0, told="so")
    assert within is not None and within.allowed[0] < within.x < within.allowed[1]


@pytest.mark.parametrize(("value", "maximum"), [(None, 1.0), (float("nan"), 1.0), (1.0, None), (1.0, float("inf"))])
def test_without_a_number_or_a_bound_there_is_no_bar(value: float | None, maximum: float | None) -> None:
    assert limit_bar(value=value, low=None, high=None, minimum=None, maximum=maximum, told="so") is None


def test_what_three_rows_say_is_said_once() -> None:
    long = "a clause that is long enough to be noted"
    texts, notes = footnoted([f"one; {long}", f"two; {long}", long, "three"])
    assert texts == ["one (a)", "two (a)", "(a)", "three"] and notes == [("a", long)]
    assert footnoted([f"one; {long}", f"two; {long}"])[1] == []


def test_small_amounts_get_a_smaller_unit() -> None:
    assert amount(0.00047, "kWh") == "0.47 Wh" and amount(0.2, "kWh") == "0.2 kWh"
    assert amount(7.94e-8, "kWh") == "0.0794 mWh" and amount(0.0, "kg") == "0 kg" and amount(None, "kg") == "—"
    assert amounts(0.00028, 0.00066, "kWh") == "0.28 to 0.66 Wh"
