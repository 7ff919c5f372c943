"""The gate as a command with all it can be given: files beside, a git ref, several runs, facts, forbidden rules."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gate_material import Release
from groundwire.audit.errors import UsageError
from groundwire.audit.gate import decide
from groundwire.audit.model import Confidence, Finding, Outcome, RuleOutcome, Severity
from groundwire.audit.policy import parse_policy
from groundwire.audit.settings import Settings, branch_of, load_settings, reader
from policy_material import LOSS, audit_of, judged
from run_material import judged_run

WAIVERS = """
schema = 1
[[waiver]]
limit = "gap"
up_to = 1e6
reason = "a try"
expires = 2999-12-31
approved_by = "Ada"
"""
FAILING = 'schema = 1\n[limits.gap]\nmetric = "overfitting.gap"\nmax = -1e9\n'


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"):
        monkeypatch.delenv(name, raising=False)
    return Release(tmp_path, monkeypatch, capsys)


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True, capture_output=True)


def test_waivers_beside_the_policy_count_and_others_have_to_be_named(release: Release, tmp_path: Path) -> None:
    release.policy.write_text(FAILING)
    assert release.gate().code == 1
    (tmp_path / "waivers.toml").write_text(WAIVERS)
    found = release.gate()
    assert (found.code, found.err.strip().splitlines()[-1]) == (0, "GATE: PASS (1 waived)")
    assert "approved by Ada: a try" in " ".join(found.out.split())
    (tmp_path / "waivers.toml").rename(tmp_path / "elsewhere.toml")
    assert release.gate().code == 1
    assert release.gate("--waivers", "elsewhere.toml").code == 0
    missing = release.gate("--waivers", "nowhere.toml")
    assert (missing.code, "There are no waivers at nowhere.toml" in missing.err) == (2, True)


def test_an_unused_waiver_warns_and_fails_only_where_that_is_wanted(release: Release, tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text(WAIVERS)
    found = release.gate()
    assert found.code == 0
    assert "the waiver of gap is unused" in found.out + found.err
    assert release.gate("--strict-waivers").code == 1


def test_a_change_cannot_loosen_its_own_gate(release: Release, tmp_path: Path) -> None:
    release.policy.write_text(FAILING)
    git("init", "-q", "-b", "main")
    git("add", "policy.toml")
    git("commit", "-qm", "strict")
    release.policy.write_text(FAILING.replace("-1e9", "1e9"))
    (tmp_path / "waivers.toml").write_text(WAIVERS)
    assert release.gate().code == 0
    assert release.gate("--policy-ref", "main").code == 1
    unknown = release.gate("--policy-ref", "origin/main")
    assert (unknown.code, "There is no git ref 'origin/main' here" in unknown.err) == (2, True)
    assert release.gate("--policy-ref", "--output=x").code == 2
    gone = release.command("gate", release.run, "--policy", "other.toml", "--policy-ref", "main")
    assert (gone.code, "There is no policy at other.toml" in gone.err) == (2, True)


def test_a_project_names_its_files(release: Release, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    release.policy.rename(tmp_path / "rules" / "release.toml")
    (tmp_path / "pyproject.toml").write_text('[tool.groundwire]\npolicy = "rules/release.toml"\n')
    assert release.command("gate", release.run).code == 0
    (tmp_path / "pyproject.toml").write_text('[tool.groundwire]\npolice = "rules/release.toml"\n')
    wrong = release.command("gate", release.run)
    assert (wrong.code, "unknown key 'police'; did you mean 'policy'" in wrong.err) == (2, True)
    (tmp_path / "pyproject.toml").write_text("[tool.groundwire]\npolicy = 3\n")
    assert release.command("gate", release.run).code == 2


def test_several_runs_are_judged_worst_first_and_one_that_cannot_be_read_is_no_pass(
    release: Release, tmp_path: Path
) -> None:
    other = judged_run(tmp_path / "other", steps=12)
    assert release.command("gate", release.run, other, "-p", release.policy).code == 0
    document = json.loads((other / "audit.json").read_text())
    document["run"]["model"] = "Forged"
    (other / "audit.json").write_text(json.dumps(document))
    found = release.command("gate", release.run, other, "-p", release.policy)
    assert (found.code, found.err.strip().splitlines()[-1]) == (3, "GATE: UNKNOWN (2 runs, 1 unknown)")
    missing = release.command("gate", release.run, tmp_path / "nowhere", "-p", release.policy)
    assert (missing.code, "is not a run folder" in missing.err) == (3, True)
    release.policy.write_text(FAILING)
    failed = release.command("gate", release.run, tmp_path / "nowhere", "-p", release.policy)
    assert (failed.code, failed.err.strip().splitlines()[-1]) == (1, "GATE: FAIL (2 runs, 1 failed, 1 unknown)")


def test_a_baseline_is_set_shown_and_compared_with(release: Release, tmp_path: Path) -> None:
    release.policy.write_text('schema = 1\nbaseline = "baseline.json"\n[limits.gap]\nmetric = "overfitting.gap"\n'
                              "max_regression = 0.0\n")  # fmt: skip
    missing = release.gate()
    assert (missing.code, "There is no audit at" in missing.err) == (3, True)
    assert release.command("baseline", "set", release.run).code == 0
    assert release.command("baseline", "set", release.run).code == 2  # it is there already
    assert "overfitting.gap" in release.command("baseline", "show").out
    assert release.gate().code == 0
    release.gap(1e6)
    assert release.gate().code == 1


def test_demanded_facts_are_declared_or_it_fails(release: Release, tmp_path: Path) -> None:
    release.policy.write_text(release.policy.read_text() + '[release]\ndemand = ["owner", "languages"]\n')
    assert release.gate().code == 1
    facts = tmp_path / "release.toml"
    facts.write_text('[release]\nowner = "Ada"\nlanguages = []\n')
    found = release.gate()
    assert (found.code, "release.languages" in found.out) == (1, True)
    facts.write_text('[release]\nowner = "Ada"\nlanguages = ["en"]\n')
    assert release.gate().code == 0
    facts.write_text("owner = 'Ada'\n")
    assert (wrong := release.gate()).code == 2
    assert "write a table [release]" in wrong.err


def ruled(outcome: Outcome | None) -> Any:
    said = [RuleOutcome(rule="GEN001", name="overfitting", outcome=outcome)] if outcome else []
    finding = Finding(
        rule="GEN001", name="overfitting", severity=Severity.HIGH, confidence=Confidence.HIGH, status="stable",
        edition="2026.11", summary="it rose", evidence=[],
    )  # fmt: skip
    return audit_of(rules=said, findings=[finding] if outcome is Outcome.FIRED else [])


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.FIRED, 1), (Outcome.CLEAR, 0), (Outcome.UNKNOWN, 3), (Outcome.ERROR, 3), (None, 3)],
)
def test_a_forbidden_rule_has_to_be_asked_and_clear(outcome: Outcome | None, code: int) -> None:
    document = {"schema": 1, "findings": {"forbidden": ["GEN001"]}}
    assert judged(ruled(outcome), document).exit_code == code


@pytest.mark.parametrize(
    ("limit", "branch", "outcome"),
    [
        ({"models": ["BERT"]}, None, None),
        ({"models": ["GP*"]}, None, "fail"),
        ({"branches": ["main"]}, "feature", None),
        ({"branches": ["main", "release/*"]}, "release/1", "fail"),
        ({"branches": ["main"]}, None, "fail"),  # nobody knows the branch: it holds
    ],
)
def test_a_limit_holds_where_its_scope_says(limit: dict[str, Any], branch: str | None, outcome: str | None) -> None:
    easy = {"metric": LOSS, "max": 9}
    document = {"schema": 1, "limits": {"it": {"metric": LOSS, "max": 1} | limit, "easy": easy}}
    verdict = judged(audit_of(), document, ask={"branch": branch})
    found = {one.id: one.outcome for one in verdict.limits}
    assert found.get("it") == outcome
    document["limits"].pop("easy")
    if outcome is None:
        with pytest.raises(UsageError, match="enforces no limit for model GPT"):
            judged(audit_of(), document, ask={"branch": branch})


def test_the_branch_is_what_ci_says() -> None:
    assert branch_of({"GITHUB_REF_NAME": "main"}) == "main"
    assert branch_of({"GITHUB_HEAD_REF": "mine", "GITHUB_REF_NAME": "7/merge"}) == "mine"
    assert branch_of({"CI_COMMIT_REF_NAME": " "}) is None


def test_another_projects_file_is_no_reason_to_stop() -> None:
    assert load_settings(lambda path: "tool = 3") == Settings()
    with pytest.raises(UsageError, match="which may name the policy"):
        load_settings(lambda path: "[[[")
    with pytest.raises(UsageError, match="must be a branch"):
        reader("a:b")


def test_a_limit_of_a_severity_that_stands_there_itself_is_kept() -> None:
    document = {
        "schema": 1, "findings": {"max_severity": "medium"},
        "limits": {"findings.high": {"metric": "findings.high", "max": 2}},
    }  # fmt: skip
    limits = {limit.id: limit.maximum for limit in parse_policy(document, "p").limits}
    assert limits == {"findings.high": 2.0, "findings.critical": 0.0}
    assert decide(audit_of(), parse_policy(document, "p")).exit_code == 3  # nobody counted them
