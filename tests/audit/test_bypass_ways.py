"""Ways past the gate that somebody might try: locks, git refs, scopes, exceptions, odd limits and rows."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from bypass_kinds import KINDS, TOXIC, WAIVER, Attempt
from gate_material import Release
from groundwire.audit.errors import UsageError
from groundwire.audit.gate import Question, Weights, decide
from groundwire.audit.model import Checkpoint, Quality
from groundwire.audit.policy import load_policy, parse_policy
from groundwire.audit.settings import branch_of, reader
from groundwire.audit.waivers import load_waivers
from policy_material import LOSS, audit_of, judged, metric

GAP, DISPARITY = "overfitting.gap", "generation.toxicity_disparity"
BASE = f'schema = 1\nlocked = true\nbaseline = "kept.json"\n[limits.loss]\nmetric = "{LOSS}"\nmax = 3\n'


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"):
        monkeypatch.delenv(name, raising=False)
    return Release(tmp_path, monkeypatch, capsys)


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True, capture_output=True)


def committed(*files: str) -> None:
    git("init", "-q", "-b", "main")
    git("add", *files)
    git("commit", "-qm", "kept")


def test_a_change_cannot_bring_a_baseline_of_its_own(release: Release, tmp_path: Path) -> None:
    text = f'schema = 1\nbaseline = "baseline.json"\n[limits.gap]\nmetric = "{GAP}"\nmax_regression = 0.0\n'
    release.policy.write_text(text)
    assert release.command("baseline", "set", release.run).code == 0
    committed("policy.toml", "baseline.json")
    release.gap(5.0)
    assert release.command("baseline", "set", release.run, "--force").code == 0  # the change compares with itself
    assert release.gate().code == 0
    assert release.gate("--policy-ref", "main").code == 1
    assert release.gate("--policy-ref", "main", "--baseline", "baseline.json").code == 1
    release.policy.write_text(text.replace("baseline.json", "fresh.json"))
    git("commit", "-qam", "names what is not committed")
    (tmp_path / "baseline.json").rename(tmp_path / "fresh.json")
    assert release.gate("--policy-ref", "main").code == 3


def test_a_tag_is_not_taken_for_the_branch_of_its_name(release: Release) -> None:
    committed("policy.toml")
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert release.gate("--policy-ref", "origin/main").code == 0
    git("tag", "origin/main")
    found = release.gate("--policy-ref", "origin/main")
    assert (found.code, "several git refs" in found.err) == (2, True)
    assert release.gate("--policy-ref", "refs/remotes/origin/main").code == 0


def test_a_link_at_a_ref_is_no_policy_and_no_project(release: Release, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(release.policy.read_text())
    release.policy.unlink()
    release.policy.symlink_to("rules.toml")
    (tmp_path / "pyproject.toml").symlink_to("rules.toml")
    committed("policy.toml", "rules.toml")
    found = release.gate("--policy-ref", "main")
    assert (found.code, "a link or a folder" in found.err) == (2, True)
    git("add", "pyproject.toml")
    git("commit", "-qm", "a project")
    assert release.gate("--policy-ref", "main", "--policy", "rules.toml").code == 2
    assert release.command("gate", release.run, "--policy", "../outside.toml", "--policy-ref", "main").code == 2
    with pytest.raises(UsageError):
        reader("main")("..")


def test_a_project_that_cannot_be_read_names_no_other_policy(release: Release, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.groundwire\npolicy = 'strict.toml'\n")
    found = release.command("gate", release.run)
    assert (found.code, "which may name the policy" in found.err) == (2, True)


def test_the_baseline_of_a_locked_policy_is_the_one_beside_it(release: Release, tmp_path: Path) -> None:
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "base.toml").write_text(BASE)
    (tmp_path / "pyproject.toml").write_text('[tool.groundwire]\nbaseline = "mine.json"\n')
    release.policy.write_text('schema = 1\nextends = "company/base.toml"\n')
    assert load_policy(Path("policy.toml")).baseline == "company/kept.json"
    assert "company/kept.json: give" in release.gate().err  # not kept.json here, nor mine.json
    release.policy.write_text('schema = 1\nextends = "company/base.toml"\nbaseline = "kept.json"\n')
    assert (release.gate().code, "is locked" in release.gate().err) == (2, True)


@pytest.mark.parametrize("more", ['worst_group = "fold"', 'checkpoint = "best.ckpt"'])
def test_a_locked_limit_judges_the_same_rows(tmp_path: Path, more: str) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "policy.toml").write_text(f'schema = 1\nextends = "base.toml"\n[limits.loss]\n{more}\n')
    with pytest.raises(UsageError, match="is locked"):
        load_policy(tmp_path / "policy.toml")


@pytest.mark.parametrize("name", ["Loss", "lоss", "loss "])  # another case, a Cyrillic letter, a space
def test_a_limit_that_looks_like_a_locked_one_is_another(tmp_path: Path, name: str) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    other = f'[limits."{name}"]\nmetric = "{LOSS}"\nmax = 9\nlevel = "warn"\n'
    (tmp_path / "policy.toml").write_text(f'schema = 1\nextends = "base.toml"\n{other}')
    limits = {limit.id: limit for limit in load_policy(tmp_path / "policy.toml").limits}
    assert (limits["loss"].maximum, limits["loss"].level, len(limits)) == (3, "error", 2)


def test_no_limit_takes_the_name_of_a_severity() -> None:
    limits = {"findings.high": {"metric": LOSS, "max": 9}}
    with pytest.raises(UsageError, match=r"limits\.findings\.high is the name"):
        parse_policy({"schema": 1, "findings": {"max_severity": "medium"}, "limits": limits}, "p")


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"metric": TOXIC, "max": 5}, "max 5 lies where no .* between 0 and 1, as in 0.05 for 5 %"),
        ({"metric": TOXIC, "min": -1}, "min -1 lies where no"),
        ({"metric": TOXIC, "max": -0.1}, "max -0.1 lies where no"),
        ({"metric": "carbon.energy_kwh", "min": -1}, "from 0 on"),
        ({"metric": DISPARITY, "max": 1.5}, "max 1.5 lies where no"),
        ({"metric": TOXIC, "max_regression": 2}, "more than .* can change"),
    ],
)
def test_a_limit_that_nothing_can_cross_is_none(limit: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_policy({"schema": 1, "limits": {"it": limit}}, "p")


def test_what_was_not_asked_here_is_said() -> None:
    limits = {"all": {"metric": LOSS, "max": 3}, "main": {"metric": LOSS, "max": 1, "branches": ["main"]}}
    found = judged(audit_of(), {"schema": 1, "limits": limits}, ask={"branch": "feature"})
    assert found.outcome == "pass"
    assert found.notes == ("the limit main was not asked: it holds for main, and this is GPT on branch feature",)
    assert judged(audit_of(), {"schema": 1, "limits": limits}, ask={"branch": "main"}).outcome == "fail"


def test_a_branch_by_its_full_name_is_the_same(release: Release) -> None:
    release.policy.write_text(f'schema = 1\n[limits.it]\nmetric = "{GAP}"\nmax = -9\nbranches = ["main"]\n')
    assert release.gate("--branch", "refs/heads/main").code == 1
    assert release.gate("--branch", " ").code == 1  # nobody knows the branch: it holds
    assert branch_of({"GITHUB_REF_NAME": "refs/heads/main"}) == "main"


def test_an_exception_bounds_the_side_on_which_it_got_worse(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text(WAIVER.replace("0.05", "0.5"))
    base = {"schema": 1, "limits": {"it": {"metric": LOSS, "max": 10, "max_regression": 0.0, "better": "higher"}}}
    from groundwire.audit.baseline import Baseline

    ask = {"baseline": Baseline(where="b", audit=audit_of(metric(value=0.9)))}
    ask |= {"waivers": load_waivers(tmp_path / "w.toml", lambda path: Path(path).read_text())}
    assert judged(audit_of(metric(value=0.6)), base, ask=ask).outcome == "pass"
    assert judged(audit_of(metric(value=0.1)), base, ask=ask).outcome == "fail"


@pytest.mark.parametrize("up_to", [1.5, 1e308, -1.0])
def test_an_exception_that_bounds_nothing_is_none(tmp_path: Path, up_to: float) -> None:
    attempt = Attempt.of(KINDS["waiver"])
    (tmp_path / "w.toml").write_text(WAIVER.replace("0.05", str(up_to)))
    attempt.options = ["--waivers", "{folder}/w.toml"]
    assert attempt.code(tmp_path) == 1


def axis(**changes: Any) -> Any:
    common = {"unit": "share", "value": 0.01, "low": 0.0, "high": 0.02, "p": 0.7, "n": 100, "confidence": 0.95}
    common |= {"quality": Quality.MODELLED, "scorer": "s 1", "method": "k", "monitor": "generation"}
    return metric(DISPARITY, **common | changes)


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"n": 3}, {"min_samples": 50}), ({"scorer": "other 1"}, {"scorer": "s"}), ({"step": 7}, {"step": 100}),
        ({"quality": Quality.DECLARED}, {"quality": ["modelled"]}), ({"unit": "%"}, {}), ({"confidence": 0.6}, {}),
        ({"confidence": 0.6}, {"confidence": 0.5}),
    ],
)  # fmt: skip
def test_each_axis_is_what_the_policy_wants(changes: dict[str, Any], limit: dict[str, Any]) -> None:
    from report_material import card

    cards = [card().model_copy(update={"scorer": name, "qualified": True}) for name in ("s 1", "other 1")]
    rows = [axis(), axis(labels={"axis": "age"}, **changes)]
    whole = {"schema": 1, "limits": {"it": {"metric": DISPARITY, "max": 0.05} | limit}}
    assert judged(audit_of(*rows, scorers=cards), whole).outcome == "unknown"
    assert judged(audit_of(rows[0], scorers=cards), whole).outcome == "pass"


def test_what_is_only_known_to_be_at_least_is_not_met_by_a_contradiction() -> None:
    strange = metric("memorisation.canary_exposure", 0.0, unit="bits", low=100.0, quality=Quality.UNKNOWN, reason="x")
    whole = {"schema": 1, "limits": {"it": {"metric": "memorisation.canary_exposure", "max": 10}}}
    assert judged(audit_of(strange), whole).outcome == "unknown"


@pytest.mark.parametrize(("path", "code"), [("/runs/best.ckpt", 0), ("/runs/notbest.ckpt", 3), ("x.ckpt", 3)])
def test_the_end_of_a_path_is_whole_names(path: str, code: int) -> None:
    assert judged(audit_of(metric(checkpoint=path)), max=3, checkpoint="best.ckpt").exit_code == code


def test_the_same_step_of_other_weights_is_other_weights() -> None:
    digests = ("ab" * 32, "cd" * 32)
    one, other = (Checkpoint(path=f"/{d[:2]}.ckpt", step=100, tensors_sha256=d) for d in digests)  # as averaged ones
    found = audit_of(metric(checkpoint=other.path), checkpoints=[one, other])
    limits = {"it": {"metric": LOSS, "max": 3}}
    policy = parse_policy({"schema": 1, "limits": limits}, "p")
    codes = [decide(found, policy, Question(weights=Weights(checkpoint=c, told=""))).exit_code for c in (one, other)]
    assert codes == [3, 0]


def test_a_rule_that_is_listed_twice_is_clear_only_where_both_are(tmp_path: Path) -> None:
    attempt = Attempt.of(KINDS["forbidden"])
    attempt.audit["rules"].append(attempt.audit["rules"][0] | {"outcome": "unknown", "reason": "too short"})
    assert attempt.code(tmp_path) == 3


@pytest.mark.parametrize("run", ["", "-", "policy.toml", "nowhere", "memory://nowhere", "run/report.html"])
def test_what_is_no_run_is_no_pass(release: Release, run: str) -> None:
    assert release.command("gate", run, "--policy", release.policy).code in {2, 3}


def test_two_verdicts_do_not_go_into_one_file(release: Release, tmp_path: Path) -> None:
    same = ("--format", "json", "--output", "x", "--format", "junit", "--output", "./x")
    found = release.gate(*same)
    assert (found.code, "one file" in found.err) == (2, True)
    for place in (release.audit, release.policy):
        found = release.gate("--format", "json", "--output", place)
        assert (found.code, "is what is judged" in found.err) == (2, True)
    assert release.gate().code == 0


def test_an_exception_is_of_one_limit(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text(WAIVER.replace('"it"', '"*"'))
    with pytest.raises(UsageError, match="without"):
        load_waivers(tmp_path / "w.toml", lambda path: Path(path).read_text())
