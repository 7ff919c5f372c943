from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from running import ROOT, shell

HERE = ROOT / "examples" / "gate_in_ci"
JOBS = yaml.safe_load((HERE / "workflow.yml").read_text(encoding="utf-8"))["jobs"]


def commands(job: str, start: str) -> list[str]:
    """Return the workflow's shell lines of `job` that begin with `start`."""
    return [step["run"] for step in JOBS[job]["steps"] if step.get("run", "").startswith(start)]


@pytest.mark.slow
def test_workflow_lets_a_good_run_through_and_stops_it_at_a_stricter_limit(tmp_path: Path):
    (train,), (gate,) = commands("train", "python"), commands("gate", "groundwire")
    trained = shell(train.replace("runs/digits", str(tmp_path)))
    assert trained.returncode == 0, trained.stdout + trained.stderr

    passed = shell(gate.replace("runs/digits", str(tmp_path)))
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert passed.stderr.splitlines()[-1].startswith("GATE: PASS")

    stricter = tmp_path / "policy.toml"
    policy = (HERE / "policy.toml").read_text(encoding="utf-8")
    stricter.write_text(policy.replace("min = 0.95", "min = 1.01"), encoding="utf-8")
    stopped = shell(
        gate.replace("runs/digits", str(tmp_path)).replace("examples/gate_in_ci/policy.toml", str(stricter))
    )
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert stopped.stderr.splitlines()[-1].startswith("GATE: FAIL")


def test_the_deciding_job_installs_no_torch_and_reads_the_policy_of_the_base_branch():
    (install,) = commands("gate", "pip")
    assert install.split() == ["pip", "install", "groundwire"]
    checkout = next(step for step in JOBS["gate"]["steps"] if step.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"]["ref"] == "${{ github.base_ref }}"


def test_readme_shows_the_commands_of_the_workflow():
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for command in commands("train", "python") + commands("gate", "groundwire"):
        assert command in readme
