"""A policy on the callback: the verdict stands in the report, and a run that does not meet it raises."""

from __future__ import annotations

from pathlib import Path

import pytest
from groundwire.callbacks import AuditCallback, PolicyNotMetError
from material import Classifier, audit_of, fit, trainer

EASY = 'schema = 1\n[limits.finite]\nmetric = "gradient.nonfinite_steps"\nmax = 0\n'
HARD = 'schema = 1\n[limits.loss]\nmetric = "logged.val_loss"\nmax = 0.0001\n'
UNKNOWN = 'schema = 1\n[limits.text]\nmetric = "generation.toxicity_probability"\nmax = 0.1\n'


def callback(folder: Path, policy: str, **options: bool) -> AuditCallback:
    place = folder / "policy.toml"
    place.write_text(policy)
    return AuditCallback(policy=place, generation=None, **options)


def test_a_policy_that_is_met_lets_the_script_end_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audited = callback(tmp_path, EASY, enforce=True)
    fit(trainer(tmp_path, audited, max_epochs=2), Classifier())
    assert capsys.readouterr().err.endswith("  GATE: PASS\n")
    assert "Policy met" in (Path(audited.folder or "") / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "code", "told"), [(HARD, 1, "1 failed"), (UNKNOWN, 3, "1 unknown")])
def test_a_policy_that_is_not_met_raises_after_the_report(tmp_path: Path, policy: str, code: int, told: str) -> None:
    audited = callback(tmp_path, policy, enforce=True)
    runner = trainer(tmp_path, audited, max_epochs=2)
    with pytest.raises(PolicyNotMetError, match=told) as raised:
        fit(runner, Classifier())
    assert raised.value.exit_code == code
    assert audit_of(audited.folder)["run"]["status"] == "finished"
    assert (Path(audited.folder or "") / "report.html").exists()


def test_without_enforce_the_verdict_is_only_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audited = callback(tmp_path, HARD)
    fit(trainer(tmp_path, audited, max_epochs=2), Classifier())
    assert "GATE: FAIL (1 failed)" in capsys.readouterr().err
    assert "Policy not met" in (Path(audited.folder or "") / "report.html").read_text()


def test_what_was_not_recorded_is_not_a_pass(tmp_path: Path) -> None:
    audited = callback(tmp_path, EASY, enforce=True)
    audited.dirpath = str(tmp_path / "policy.toml" / "runs")  # a file is in the way
    with pytest.raises(PolicyNotMetError, match="not judged"):
        fit(trainer(tmp_path, audited, max_epochs=2), Classifier())


@pytest.mark.slow
def test_the_second_of_two_fits_is_judged_by_itself(tmp_path: Path) -> None:
    audited = callback(tmp_path, EASY, enforce=True)
    fit(trainer(tmp_path, audited, max_epochs=2), Classifier())
    audited.dirpath = str(tmp_path / "policy.toml" / "runs")
    with pytest.raises(PolicyNotMetError, match="not judged"):
        fit(trainer(tmp_path, audited, max_epochs=2), Classifier())


def test_a_fit_that_trains_nothing_has_no_verdict_of_the_one_before(tmp_path: Path) -> None:
    audited = callback(tmp_path, EASY, enforce=True)
    runner = trainer(tmp_path, audited, max_epochs=2)
    fit(runner, Classifier())
    with pytest.raises(PolicyNotMetError, match="not judged"):
        fit(runner, Classifier())


def test_a_dry_run_is_not_judged(tmp_path: Path) -> None:
    fit(trainer(tmp_path, callback(tmp_path, HARD, enforce=True), fast_dev_run=True), Classifier())


def test_a_crash_stays_the_users_own(tmp_path: Path) -> None:
    class Crashing(Classifier):
        def on_train_epoch_end(self) -> None:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(trainer(tmp_path, callback(tmp_path, HARD, enforce=True), max_epochs=2), Crashing())


def test_a_wrong_policy_is_said_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"policy: .*there is no metric 'loss'"):
        callback(tmp_path, 'schema = 1\n[limits.a]\nmetric = "loss"\nmax = 1\n')
    with pytest.raises(ValueError, match="There is no policy at"):
        AuditCallback(policy=tmp_path / "nowhere.toml")
    with pytest.raises(ValueError, match="enforce needs a policy"):
        AuditCallback(enforce=True)
