"""What was not measured, changed or broken never passes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import RecordError
from groundwire.audit.gate import Question, decide
from groundwire.audit.load import load_audit
from groundwire.audit.model import Audit, Metric, Quality, Run, RunStatus, digest_of, dump
from groundwire.audit.policy import parse_policy
from run_material import judged_run


def policy(**limit: Any) -> Any:
    return parse_policy({"schema": 1, "limits": {"it": {"metric": "overfitting.gap"} | limit}}, "policy.toml")


def audit(value: float | None = 0.5, **changes: Any) -> Audit:
    options: dict[str, Any] = {"status": RunStatus.FINISHED} | changes
    run = Run(id="r", model="M", started="2026-11-21T00:59:12Z", **options)
    metric = Metric(name="overfitting.gap", value=value, unit="loss", quality=Quality.MEASURED, method="m",
                    monitor="overfitting", reason=None if value is not None else "the probe failed")  # fmt: skip
    return Audit(run=run, metrics=[metric])


@pytest.mark.parametrize(
    ("limit", "outcome", "code"),
    [
        ({"max": 0.5}, "pass", 0),
        ({"max": 0.49}, "fail", 1),
        ({"min": 0.5}, "pass", 0),
        ({"min": 0.51}, "fail", 1),
        ({"min": 0.1, "max": 0.6}, "pass", 0),
        ({"min": 0.1, "max": 0.2}, "fail", 1),
    ],
)
def test_a_value_is_compared_with_its_limits(limit: dict[str, float], outcome: str, code: int) -> None:
    verdict = decide(audit(), policy(**limit))
    assert (verdict.outcome, verdict.exit_code) == (outcome, code)


@pytest.mark.parametrize("on_missing", ["unknown", "fail"])
def test_a_missing_value_never_passes(on_missing: str) -> None:
    code = {"unknown": 3, "fail": 1}[on_missing]
    verdict = decide(audit(None), policy(max=9, on_missing=on_missing))
    assert verdict.exit_code == code
    assert verdict.limits[0].reason == "the probe failed"
    absent = decide(Audit(run=audit().run), policy(max=9, on_missing=on_missing))
    assert absent.exit_code == code
    labelled = decide(audit(), policy(max=9, on_missing=on_missing, labels={"k": "5"}))
    assert labelled.exit_code == code


@pytest.mark.parametrize(
    ("changes", "digest_ok"),
    [({}, False), ({"damage": ["events.jsonl: line"]}, True)]
    + [({"status": status}, True) for status in RunStatus if status is not RunStatus.FINISHED],
)
def test_nothing_of_a_changed_damaged_or_unfinished_run_passes(changes: dict[str, Any], digest_ok: bool) -> None:
    verdict = decide(audit(**changes), policy(max=9), Question(digest_ok=digest_ok))
    assert (verdict.outcome, verdict.exit_code) == ("unknown", 3)


def test_a_policy_may_allow_another_status() -> None:
    document = {
        "schema": 1,
        "allow_status": ["interrupted"],
        "limits": {"a": {"metric": "overfitting.gap", "max": 9}},
    }
    assert decide(audit(status=RunStatus.INTERRUPTED), parse_policy(document, "p")).exit_code == 0
    assert decide(audit(), parse_policy(document, "p")).exit_code == 0
    assert decide(audit(status=RunStatus.CRASHED), parse_policy(document, "p")).exit_code == 3


def test_failed_outweighs_unknown_and_warnings_never_decide() -> None:
    limits = {
        "a": {"metric": "overfitting.gap", "max": 0.1},
        "b": {"metric": "carbon.energy_kwh", "max": 1},
        "c": {"metric": "overfitting.gap", "max": 0.1, "level": "warn"},
        "d": {"metric": "overfitting.gap", "max": 0.1, "level": "off"},
    }
    verdict = decide(audit(), parse_policy({"schema": 1, "limits": limits}, "p"))
    assert verdict.exit_code == 1
    assert verdict.summary == "GATE: FAIL (1 failed, 1 unknown)"
    assert [limit.id for limit in verdict.limits] == ["a", "b", "c"]
    good = {"a": {"metric": "overfitting.gap", "max": 1}, "c": limits["c"]}
    assert decide(audit(), parse_policy({"schema": 1, "limits": good}, "p")).summary == "GATE: PASS"


VALUES = ("NaN", "Infinity", "-Infinity", '""', '"0.1"', "true", "[]", "{}", "1e999", '"<script>"')


@pytest.mark.parametrize(("value", "key"), list(itertools.product(VALUES, ("value", "status"))))
def test_rubbish_in_an_audit_never_passes(tmp_path: Path, value: str, key: str) -> None:
    judged_run(tmp_path)
    document = json.loads((tmp_path / "audit.json").read_text())
    target = (
        document["run"] if key == "status" else next(m for m in document["metrics"] if m["name"].endswith(".gap"))
    )
    target[key] = "PLACE"
    text = json.dumps(document).replace('"PLACE"', value)
    (tmp_path / "audit.json").write_text(text)
    try:
        found, digest_ok = load_audit(str(tmp_path))
    except RecordError as error:
        assert "\n" not in str(error)
        return
    assert decide(found, policy(max=1e9), Question(digest_ok=digest_ok)).exit_code != 0


def test_a_resealed_huge_value_fails_and_does_not_pass(tmp_path: Path) -> None:
    judged_run(tmp_path)
    document = json.loads((tmp_path / "audit.json").read_text())
    for metric in document["metrics"]:
        metric |= {"value": 1e308, "low": None, "high": None}
    document["digest"] = digest_of(document)
    (tmp_path / "audit.json").write_text(json.dumps(document))
    found, digest_ok = load_audit(str(tmp_path))
    assert digest_ok
    assert decide(found, policy(max=1), Question(digest_ok=digest_ok)).exit_code == 1


def test_the_digest_seals_every_field() -> None:
    document = json.loads(dump(audit()))
    for key in set(document) - {"digest"}:
        changed = document | {key: "changed"}
        assert digest_of(changed) != document["digest"]
