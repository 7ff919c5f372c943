from __future__ import annotations

from pathlib import Path

import pytest
from running import only_run, shell

from examples.demo import REPAIRED, Outcome, advice, changes


def finding(name, *settings):
    return {"name": name, "mitigations": [{"settings": each} for each in settings]}


def outcome(*findings):
    return Outcome(title="", folder=Path(), audit={"findings": list(findings), "metrics": [], "rules": []})


def test_advice_is_what_the_audit_says_and_the_more_severe_wins():
    audited = outcome(
        finding("updates-too-large", {"optimizer.lr": 1e-3, "trainer.max_steps": 7}, {"optimizer.lr": 5.0}),
        finding("overfitting", {}, {"trainer.max_steps": 90, "model.dropout": 0.2}),
        finding("something-else", {"data.batch_size": 1}),
    )
    assert advice(audited) == {"optimizer.lr": 1e-3, "trainer.max_steps": 7, "model.dropout": 0.2}


def test_nothing_is_recommended_where_nothing_was_found():
    assert advice(outcome()) == {}
    assert advice(outcome(finding("overfitting"), finding("updates-too-large", {}))) == {}


def test_changes_name_old_and_new_value():
    assert "optimizer.lr: 0.007 → 0.001" in changes({"optimizer.lr": 0.001})


def test_a_rule_that_could_not_tell_did_not_clear_the_run():
    rules = [{"name": REPAIRED[0], "outcome": "clear"}, {"name": REPAIRED[1], "outcome": "unknown"}]
    told = Outcome(title="", folder=Path(), audit={"rules": rules})
    assert not told.said("clear")
    assert not outcome().said("clear")


@pytest.mark.slow
def test_demo_finds_both_faults_and_its_advice_removes_them(tmp_path):
    done = shell(f"python -m examples.demo --folder {tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = only_run(tmp_path / "as-left"), only_run(tmp_path / "as-recommended")

    assert set(REPAIRED) <= before.findings
    assert not set(REPAIRED) & after.findings
    assert after.metric("logged.val_loss") < before.metric("logged.val_loss")
    assert min(before.metric("carbon.energy_kwh"), after.metric("carbon.energy_kwh")) > 0

    verdicts = [line for line in done.stdout.splitlines() if line.startswith("GATE: ")]
    assert [verdict.split()[1] for verdict in verdicts] == ["FAIL", "PASS"]
    for run in (before, after):
        assert str(run.folder / "report.html") in done.stdout
        assert (run.folder / "report.html").is_file()
