"""A limit may want a scorer, an interval, or be one on a difference: it passes only on what shows that it is met."""

from __future__ import annotations

from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.gate import Verdict, decide
from groundwire.audit.model import Audit, Metric, MonitorReport, Quality, Run, RunStatus
from groundwire.audit.policy import parse_policy
from report_material import card

TOXIC = "generation.toxicity_probability"
GAP = "generation.toxicity_disparity"


QUALIFIED = {"scorer": "detoxify:unbiased 0.5.2", "qualified": True}


def metric(name: str = TOXIC, **changes: Any) -> Metric:
    return Metric(
        **{"name": name, "value": 0.03, "unit": "share" if name == GAP else "probability", "low": 0.01, "high": 0.08,
           "confidence": 0.95, "n": 100,
           "quality": Quality.MODELLED, "method": "k=1", "monitor": "generation", "scorer": "detoxify:unbiased 0.5.2"}
        | changes
    )  # fmt: skip


def audit_with(*metrics: Metric) -> Audit:
    run = Run(id="r", status=RunStatus.FINISHED, model="m", started="2026-11-21T00:00:00Z", steps=100)
    return Audit(run=run, metrics=list(metrics), scorers=[card().model_copy(update=QUALIFIED)])


def verdict(found: Audit, **limit: Any) -> Verdict:
    return decide(found, parse_policy({"schema": 1, "limits": {"it": {"metric": TOXIC, "max": 0.05} | limit}}, "p"))


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        ("detoxify:unbiased", "pass"), ("detoxify:unbiased 0.5.2", "pass"), ("detoxify", "pass"),
        ("detoxify:unbiased-small", "unknown"), ("detoxify:un", "unknown"),
        ("detoxify:unbiased 0.5", "unknown"), ("embedded", "unknown"),
    ],
)  # fmt: skip
def test_a_demanded_scorer_is_the_one_or_it_is_unknown(wanted: str, outcome: str) -> None:
    found = verdict(audit_with(metric()), scorer=wanted)
    assert found.outcome == outcome
    if outcome == "unknown":
        assert f"wants scorer {wanted}" in found.limits[0].reason
        assert found.exit_code == 3


def test_a_number_without_a_scorer_is_no_number_of_the_demanded_one() -> None:
    assert verdict(audit_with(metric(scorer=None)), scorer="embedded").outcome == "unknown"


@pytest.mark.parametrize(
    ("maximum", "outcome"), [(0.05, "unknown"), (0.08, "pass"), (0.2, "pass"), (0.005, "fail"), (0.02, "unknown")]
)
def test_with_a_confidence_the_interval_decides(maximum: float, outcome: str) -> None:
    found = verdict(audit_with(metric()), max=maximum, confidence=0.95).limits[0]
    assert found.outcome == outcome
    if outcome == "unknown":
        assert found.needed is not None
        assert found.needed > 100
        assert "would tell" in found.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"low": None, "high": None, "confidence": None}, "no interval"),
        ({"confidence": 0.9}, "holds at 90 %"),
        ({"value": 0.5}, "outside its own interval"),
    ],
)
def test_an_interval_that_cannot_decide_is_unknown(changes: dict[str, Any], reason: str) -> None:
    found = verdict(audit_with(metric(**changes)), max=0.9, confidence=0.95).limits[0]
    assert found.outcome == "unknown"
    assert reason in found.reason


def test_without_a_confidence_the_point_decides() -> None:
    assert verdict(audit_with(metric())).outcome == "pass"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"value": 0.2, "low": 0.1, "high": 0.3, "p": 0.001}, "fail"),
        ({"value": 0.2, "low": 0.0, "high": 0.3, "p": 0.2}, "unknown"),  # it may be chance
        ({"value": 0.02, "low": 0.01, "high": 0.03, "p": 0.001}, "pass"),  # real, and small
        ({"value": 0.02, "low": 0.0, "high": 0.09, "p": 0.5}, "unknown"),
        ({"value": 0.0, "low": 0.0, "high": 0.05, "p": 1.0}, "unknown"),  # not below
        ({"value": 0.0, "low": 0.0, "high": 0.049, "p": 1.0}, "pass"),
        ({"value": 0.0, "low": 0.0, "high": 0.01, "p": None}, "unknown"),
        ({"value": 0.0, "low": None, "high": None, "p": 1.0}, "unknown"),
        ({"value": 0.0, "low": 0.0, "high": 0.01, "p": 1.0, "n": None}, "unknown"),
        ({"value": 0.0, "low": 0.0, "high": 0.01, "p": 1.0, "n": 0}, "unknown"),
        ({"value": 0.01, "low": 0.0, "high": 0.01, "p": 0.0}, "unknown"),
        ({"value": 0.0, "low": 0.0, "high": 0.01, "p": 1.0, "confidence": 1e-9}, "unknown"),
        ({"value": 0.0, "low": 0.0, "high": 0.01, "p": 1.0, "scorer": None}, "unknown"),
        ({"value": 0.0, "low": 0.0, "high": 0.01, "p": 1.0, "scorer": "never tried 1"}, "unknown"),
        ({"value": 0.0, "low": 0.0, "high": 0.01, "p": 1.0, "quality": Quality.UNKNOWN, "reason": "x"}, "unknown"),
    ],
)
def test_a_difference_is_judged_by_its_test_and_its_bounds(changes: dict[str, Any], outcome: str) -> None:
    found = verdict(audit_with(metric(GAP, **changes)), metric=GAP).limits[0]
    assert found.outcome == outcome
    if outcome != "pass":
        assert found.reason


def test_of_the_total_the_worst_axis_decides() -> None:
    good = {"value": 0.0, "low": 0.0, "high": 0.01, "p": 1.0}
    axis = metric(GAP, value=0.2, low=0.1, high=0.3, p=0.001, labels={"axis": "religion"})
    total = metric(GAP, **good)
    assert verdict(audit_with(total), metric=GAP).outcome == "pass"
    assert verdict(audit_with(total, axis), metric=GAP).outcome == "fail"
    unknown = metric(GAP, value=None, low=None, high=None, confidence=None, reason="x", labels={"axis": "age"})
    assert verdict(audit_with(total, unknown), metric=GAP).outcome == "unknown"


def test_a_scorer_with_a_card_that_forbids_it_decides_nothing() -> None:
    found = audit_with(metric(GAP, value=0.0, low=0.0, high=0.01, p=1.0))
    worse = found.scorers[0].model_copy(update={"qualified": False, "masked": None, "data": "other"})
    for cards in ([found.scorers[0], worse], []):
        assert verdict(found.model_copy(update={"scorers": cards}), metric=GAP).outcome == "unknown"


@pytest.mark.parametrize("changes", [{"value": -0.01, "low": -0.5, "high": -0.001}, {"value": 0.02, "low": -1.0}])
def test_what_is_no_probability_passes_nothing(changes: dict[str, Any]) -> None:
    assert verdict(audit_with(metric(unit="probability", **changes))).outcome == "unknown"


def test_how_many_prompts_would_tell() -> None:
    found = verdict(audit_with(metric(GAP, value=0.02, low=0.0, high=0.08, p=0.5)), metric=GAP).limits[0]
    assert found.needed == 400  # half of the interval is twice the room that is left
    assert "about 400 prompts a group would tell (here 100)" in found.reason


def test_what_broke_is_an_error_and_what_is_absent_is_unknown() -> None:
    broken = audit_with(metric(value=None, low=None, high=None, confidence=None, reason="scorer x raised"))
    broken = broken.model_copy(update={"monitors": [MonitorReport(name="generation", status="error", reason="x")]})
    found = verdict(broken)
    assert (found.limits[0].outcome, found.outcome, found.exit_code) == ("error", "unknown", 3)
    assert found.summary == "GATE: UNKNOWN (1 error)"
    assert verdict(broken, on_missing="fail").exit_code == 1
    assert verdict(audit_with()).limits[0].outcome == "unknown"


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"scorer": ""}, "scorer must be the name of a scorer"),
        ({"scorer": 3}, "scorer must be the name of a scorer"),
        ({"confidence": 95}, "confidence must be at least 0.5 and below 1"),
        ({"confidence": 0.2}, "confidence must be at least 0.5 and below 1"),
        ({"confidence": True}, "confidence must be a finite number"),
        ({"metric": GAP, "min": 0.0}, "limit it with max alone"),
        ({"metric": GAP, "max": 0.0}, "give a max above 0"),
    ],
)
def test_a_wrong_limit_is_said_in_one_sentence(limit: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        verdict(audit_with(), **limit)
