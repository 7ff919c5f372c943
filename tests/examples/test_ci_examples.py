"""The action for GitHub and the template for GitLab, run as their CI runs them, against a small run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from running import ROOT, Trained, shell

yaml = pytest.importorskip("yaml", reason="PyYAML, which reads the CI files, is not installed")
sys.path.insert(0, str(ROOT))
sys.path.insert(1, str(ROOT / "tests" / "audit"))
from run_material import judged_run  # noqa: E402

from examples.ci.steps import HERE, run, steps  # noqa: E402

MET = 'schema = 1\n\n[limits.gap]\nmetric = "overfitting.gap"\nmax = 9\n'
NOT_MET = MET.replace("max = 9", "max = 0")
CANNOT_TELL = 'schema = 1\n\n[limits.energy]\nmetric = "carbon.energy_kwh"\nmax = 9\n'
POLICIES = pytest.mark.parametrize(
    ("policy", "code", "word"),
    [(MET, 0, "PASS"), (NOT_MET, 1, "FAIL"), (CANNOT_TELL, 3, "UNKNOWN"), ("schema = 1\n", 2, "ERROR")],
    ids=["met", "not met", "cannot tell", "no limit"],
)


class Ended(NamedTuple):
    """How the steps ended, what they printed and what they left for the CI."""

    code: int
    printed: str
    outputs: dict[str, str]
    summary: str


Steps = Callable[..., Ended]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone with a run in it, whose `origin` has the branch main; it is the current folder."""
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    judged_run(clone / "runs" / "one", steps=12)
    for key in [key for key in os.environ if key.startswith(("GITHUB_", "CI_"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(clone)
    git("init", "--quiet", "--bare", str(origin))
    git("init", "--quiet", "--initial-branch=main", ".")
    git("remote", "add", "origin", str(origin))
    return clone


def git(*arguments: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


def pushed(policy: str) -> None:
    """Write a policy, and push it to main."""
    Path("policy.toml").write_text(policy)
    git("add", "policy.toml")
    git("commit", "--quiet", "--message=policy")
    git("push", "--quiet", "origin", "main")


@pytest.fixture
def action(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Steps:
    """Return a function that runs the steps of the action with inputs."""

    def act(**inputs: str) -> Ended:
        temp = tmp_path / "temp"
        temp.mkdir()
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        code = run(HERE / "action.yml", {"runs": "runs/*"} | given, temp)
        output, summary = temp / "output", temp / "summary.md"
        lines = output.read_text().splitlines() if output.exists() else []
        return Ended(
            code, capfd.readouterr().out, dict(line.split("=", 1) for line in lines),
            summary.read_text(encoding="utf-8") if summary.exists() else "",
        )  # fmt: skip

    return act


@pytest.mark.slow
@POLICIES
def test_the_action_ends_as_the_gate_and_leaves_every_format(
    checkout: Path, action: Steps, policy: str, code: int, word: str
) -> None:
    Path("policy.toml").write_text(policy)
    ended = action()
    assert ended.code == code
    assert (ended.outputs["verdict"], ended.outputs["exit-code"]) == (word, str(code))
    if code == 2:
        assert (ended.printed, ended.summary, set(ended.outputs)) == ("", "", {"verdict", "exit-code"})
        return
    assert f"GATE: {word}" in ended.printed
    assert ("::error file=policy.toml,line=3," in ended.printed) == (code != 0)
    assert f"GATE: {word}" in ended.summary
    assert json.loads(Path(ended.outputs["json"]).read_text())["exit_code"] == code
    assert len(json.loads(Path(ended.outputs["sarif"]).read_text())["runs"][0]["results"]) == (code != 0)
    cases = ElementTree.parse(ended.outputs["junit"]).getroot()
    assert (cases.get("failures"), cases.get("errors")) == (str(int(code == 1)), str(int(code == 3)))
    assert Path(ended.outputs["markdown"]).read_text(encoding="utf-8") == ended.summary


def test_a_change_does_not_loosen_its_own_gate(checkout: Path, action: Steps) -> None:
    pushed(NOT_MET)
    Path("policy.toml").write_text(MET)
    assert action(policy_ref="origin/main").code == 1


def test_a_ref_that_is_not_there_lets_nothing_through(checkout: Path, action: Steps) -> None:
    pushed(MET)
    assert action(policy_ref="origin/none").code != 0


def test_a_run_that_is_missing_lets_nothing_through(checkout: Path, action: Steps) -> None:
    Path("policy.toml").write_text(MET)
    ended = action(runs="runs/*\nothers/*\n\n")
    assert (ended.code, ended.outputs["verdict"]) == (3, "UNKNOWN")
    assert "others/" in ended.printed


def test_no_run_at_all_lets_nothing_through(checkout: Path, action: Steps) -> None:
    Path("policy.toml").write_text(MET)
    assert action(runs="\n").code == 2


def test_a_hostile_input_is_an_argument_and_no_script(checkout: Path, action: Steps) -> None:
    Path("policy.toml").write_text(MET)
    ended = action(runs="runs/$(touch hacked); touch hacked", policy='policy.toml"; touch hacked; "')
    assert ended.code != 0
    assert not Path("hacked").exists()


def test_several_runs_are_gated_together(checkout: Path, action: Steps) -> None:
    judged_run(checkout / "runs" / "with space", steps=12)
    Path("policy.toml").write_text(NOT_MET)
    ended = action()
    assert ended.code == 1
    assert "GATE: FAIL (2 runs, 2 failed)" in ended.printed
    assert len(list(ElementTree.parse(ended.outputs["junit"]).getroot())) == 2


def test_an_input_that_the_action_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no input polcy"):
        list(steps(HERE / "action.yml", {"polcy": "x"}, tmp_path))


@pytest.mark.slow
@POLICIES
def test_the_template_for_gitlab_ends_as_the_gate(
    checkout: Path, tmp_path: Path, policy: str, code: int, word: str
) -> None:
    pushed(policy)
    Path("policy.toml").write_text(MET)  # what the change says does not count
    given = {"GATE_RUNS": "runs/*", "GATE_POLICY": "policy.toml", "CI_DEFAULT_BRANCH": "main"}
    assert run(HERE / "gitlab.yml", given, tmp_path) == code
    report = checkout / "verdict" / "junit.xml"
    assert report.exists() == (code != 2)
    if report.exists():
        assert json.loads((checkout / "verdict" / "verdict.json").read_text())["exit_code"] == code


def test_the_template_for_gitlab_hands_over_what_it_writes() -> None:
    job = yaml.safe_load((HERE / "gitlab.yml").read_text(encoding="utf-8"))["release-gate"]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"]["junit"] in " ".join(job["script"])
    assert "allow_failure" not in job


def test_neither_installs_torch_and_no_input_stands_in_a_script() -> None:
    document = yaml.safe_load((HERE / "action.yml").read_text(encoding="utf-8"))
    assert document["inputs"]["package"]["default"] == "groundwire"
    assert not [step["name"] for step in document["runs"]["steps"] if "${{" in step["run"]]
    job = yaml.safe_load((HERE / "gitlab.yml").read_text(encoding="utf-8"))["release-gate"]
    assert job["variables"]["GATE_PACKAGE"] == "groundwire"


def jobs() -> dict:
    return yaml.safe_load((HERE / "workflow.yml").read_text(encoding="utf-8"))["jobs"]


def test_the_workflow_gives_the_action_inputs_that_it_has_and_uses_outputs_that_it_has() -> None:
    document = yaml.safe_load((HERE / "action.yml").read_text(encoding="utf-8"))
    used = next(step for step in jobs()["gate"]["steps"] if step.get("id") == "gate")
    assert set(used["with"]) <= set(document["inputs"])
    assert used["with"]["policy-ref"] == "origin/${{ github.base_ref }}"
    text = (HERE / "workflow.yml").read_text(encoding="utf-8")
    assert {part.split()[0].rstrip("}") for part in text.split("steps.gate.outputs.")[1:]} <= set(document["outputs"])


@pytest.mark.slow
def test_the_workflow_lets_a_good_run_through_and_stops_it_at_a_stricter_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Steps
) -> None:
    (train,) = (step["run"] for step in jobs()["train"]["steps"] if step.get("run", "").startswith("python"))
    trained = shell(train.replace("runs/digits", str(tmp_path)))
    assert trained.returncode == 0, trained.stdout + trained.stderr
    (folder,) = (tmp_path / "groundwire").iterdir()
    assert Trained(folder).audit["run"]["status"] == "finished"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    ended = action(runs=str(tmp_path / "groundwire" / "*"), policy=str(HERE / "policy.toml"))
    assert (ended.code, ended.outputs["verdict"]) == (0, "PASS"), ended.printed

    stricter = tmp_path / "policy.toml"
    stricter.write_text((HERE / "policy.toml").read_text(encoding="utf-8").replace("min = 0.95", "min = 1.01"))
    stopped = shell(f"python -m examples.ci.steps action.yml runs={folder} policy={stricter}")
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert "verdict=FAIL" in stopped.stdout
    assert "### ✗ Policy not met" in stopped.stdout
