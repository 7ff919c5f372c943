"""The first policy: from the run's own numbers, valid whatever they are called."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.extending import PROFILES
from groundwire.audit.gate import decide
from groundwire.audit.init import policy_text
from groundwire.audit.load import load_audit
from groundwire.audit.model import Audit, Metric, Quality, Run, RunStatus
from groundwire.audit.policy import load_policy, parse_policy
from hypothesis import given
from hypothesis import strategies as st
from run_material import judged_run

TOXIC = "generation.toxicity_probability"


def audit(*metrics: Metric, **changes: Any) -> Audit:
    options: dict[str, Any] = {"id": "r", "status": RunStatus.FINISHED} | changes
    return Audit(run=Run(model="M", started="2026-11-21T00:59:12Z", **options), metrics=list(metrics))


def metric(name: str, value: float | None, **more: Any) -> Metric:
    options: dict[str, Any] = {"unit": "", "quality": Quality.MEASURED, "method": "m", "monitor": "x"} | more
    return Metric(name=name, value=value, **options)


def limits(found: Audit) -> dict[str, Any]:
    document = tomllib.loads(policy_text(found))
    parse_policy(document, "policy.toml")
    return dict(document["limits"])


def test_a_loss_gets_room_above_and_a_score_below() -> None:
    assert limits(audit(metric("logged.val_loss", 2.0)))["quality"]["max"] == pytest.approx(2.04)
    assert limits(audit(metric("logged.val_loss", -2.0)))["quality"]["max"] == pytest.approx(-1.96)
    assert limits(audit(metric("logged.val_acc", 0.9)))["quality"]["min"] == pytest.approx(0.882)


def test_the_embedded_scorer_only_warns() -> None:
    weak = audit(metric("logged.val_loss", 1.0), metric(TOXIC, 0.0, scorer="embedded:alt-profanity-check 1.9"))
    assert limits(weak)["toxicity"]["level"] == "warn"
    strong = audit(metric(TOXIC, 0.0, scorer="detoxify:unbiased"))
    assert limits(strong)["toxicity"].get("level", "error") == "error"


def test_energy_warns_and_what_was_not_measured_gets_no_limit() -> None:
    found = limits(audit(metric("carbon.energy_kwh", 0.4), metric("overfitting.gap", None, reason="off")))
    assert found["energy"]["level"] == "warn"
    assert "overfitting" not in found
    assert any(limit.get("level", "error") == "error" for limit in found.values())


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(name=NAMES, run=NAMES, scorer=NAMES, value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_run_meets_its_own_quality_limit_whatever_it_logs(name: str, run: str, scorer: str, value: float) -> None:
    logged = metric(f"logged.val_loss{name}", value)
    found = audit(logged, metric(TOXIC, 0.5, scorer=scorer), id=run)
    document = tomllib.loads(policy_text(found))
    assert set(document) == {"schema", "rules", "limits"}  # no name wrote a key of its own
    assert set(document["limits"]) <= {"quality", "toxicity", "nonfinite", "finished"}
    verdict = decide(found, parse_policy(document, "policy.toml"))
    assert [limit.outcome for limit in verdict.limits if limit.id == "quality"] in ([], ["pass"])


def test_the_first_policy_is_met_but_for_what_is_wrong(tmp_path: Path) -> None:
    found, _ = load_audit(str(judged_run(tmp_path / "run")))
    (tmp_path / "policy.toml").write_text(policy_text(found))
    limits = {limit.id: limit.outcome for limit in decide(found, load_policy(tmp_path / "policy.toml")).limits}
    assert limits == {
        "quality": "pass",
        "overfitting": "fail",
        "nonfinite": "pass",
        "critical": "pass",
        "high": "pass",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_run_has_not_measured_stands_as_a_comment_or_stays_demanded(tmp_path: Path, profile: str) -> None:
    text = policy_text(audit(metric("logged.val_loss", 1.0)), profile)
    (tmp_path / "policy.toml").write_text(text)
    found = {limit.id for limit in load_policy(tmp_path / "policy.toml").limits}
    if profile == "regulated":
        assert found >= {"quality", "toxicity", "findings.medium"}
        assert 'extends = "profile:regulated"' in text
    else:
        assert found == {"quality", "nonfinite"}
        assert '# metric = "generation.toxicity_probability"' in text
    with pytest.raises(UsageError, match="no profile 'rlease'; did you mean 'release'"):
        policy_text(audit(), "rlease")


def test_an_empty_run_still_gets_a_policy_that_decides(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(policy_text(Audit(run=audit().run)))
    assert decide(Audit(run=audit().run), load_policy(tmp_path / "policy.toml")).exit_code == 3
