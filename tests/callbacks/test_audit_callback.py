"""The life of a run: what is written where, however it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from groundwire.audit.model import Audit, digest_of
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, GradientMonitor, OverfittingMonitor
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from material import Adversarial, Classifier, audit_of, fit, loader, metrics_of, monitors_of, trainer


class Raising(L.Callback):
    """Raises at a step what it is given."""

    def __init__(self, error: BaseException, step: int = 10) -> None:
        self.error, self.step = error, step

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise self.error


def test_a_finished_run_leaves_a_sealed_audit_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = AuditCallback()
    fit(trainer(tmp_path, callback), Classifier())
    audit = audit_of(callback.folder)
    assert Path(callback.folder or "").parent == tmp_path / "groundwire"
    assert audit["run"]["status"] == "finished"
    assert audit["digest"] == digest_of(audit)
    assert (audit["run"]["steps"], audit["run"]["epochs"]) == (36, 3)
    assert "<script" not in (Path(callback.folder or "") / "report.html").read_text()
    start, *lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("GPU", "TPU"))]
    measured = (
        "efficiency, carbon, overfitting, forecast, gradient, activation, optimizer, representation, labels, inputs"
    )
    assert start.startswith(f"groundwire  measuring {measured} · not generation: the module has no")
    assert 1 < len(lines) <= 8
    assert lines[0].startswith("groundwire  finished · 36 steps")
    assert lines[-1].strip().endswith("report.html")


def test_what_the_run_cannot_support_is_left_out_with_a_reason(tmp_path: Path) -> None:
    callback = AuditCallback()
    fit(trainer(tmp_path, callback), Classifier(), loader())
    audit = audit_of(callback.folder)
    monitors = monitors_of(audit)
    assert monitors["overfitting"]["status"] == "off"
    assert monitors["generation"]["reason"] == "the module has no generate(prompts) method and none was given"
    assert metrics_of(audit)["overfitting.gap"]["value"] is None
    assert {"overfitting.gap", "generation.toxicity_probability"} <= {item["what"] for item in audit["not_checked"]}


@pytest.mark.slow
def test_the_folder_lies_beside_the_logger(tmp_path: Path) -> None:
    callback = AuditCallback()
    logger = CSVLogger(tmp_path / "logs")
    fit(trainer(tmp_path, callback, logger=logger), Classifier())
    assert Path(callback.folder or "").parent == Path(logger.log_dir) / "groundwire"


@pytest.mark.slow
def test_series_are_the_values_that_the_run_had(tmp_path: Path) -> None:
    seen: list[float] = []

    class Keeping(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, *_: Any) -> None:
            seen.append(float(outputs["loss"]))

    callback = AuditCallback()
    fit(trainer(tmp_path, callback, Keeping()), Classifier())
    record = Record.open(callback.folder or "")
    loss = record.series("train.loss")
    assert loss.step.tolist() == list(range(1, 37))
    assert loss.value == pytest.approx(seen, rel=1e-6)
    assert record.series("optimizer.lr").value == pytest.approx([0.05] * 36)
    logged = record.series("logged", "val_loss")
    assert logged.step.tolist() == [12, 24, 36]
    assert not record.notes
    assert not record.damage


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [2, 5])
def test_accumulated_losses_count_whole(tmp_path: Path, accumulate: int) -> None:
    plain, summed = AuditCallback(), AuditCallback()
    fit(trainer(tmp_path, plain, max_epochs=1), Classifier(lr=1e-9, dropout=0.0), loader())
    fit(trainer(tmp_path, summed, max_epochs=1, accumulate_grad_batches=accumulate),
        Classifier(lr=1e-9, dropout=0.0), loader())  # fmt: skip
    every, steps = (Record.open(c.folder or "").series("train.loss") for c in (plain, summed))
    assert len(steps) == -(-12 // accumulate)
    assert 0.5 < steps.value.mean() / every.value.mean() < 2


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "interrupted"), (RuntimeError("boom"), "crashed")]
)
def test_a_broken_run_leaves_an_audit_and_the_exception_to_the_user(
    tmp_path: Path, error: BaseException, status: str
) -> None:
    callback = AuditCallback()
    with pytest.raises((type(error), SystemExit)):
        fit(trainer(tmp_path, callback, Raising(error)), Classifier())
    audit = audit_of(callback.folder)
    assert (audit["run"]["status"], audit["run"]["exception"]) == (status, type(error).__name__)
    assert audit["run"]["steps"] == 10
    assert (Path(callback.folder or "") / "report.html").exists() == (status == "crashed")


@pytest.mark.parametrize("option", [{"fast_dev_run": True}, {"barebones": True}])
def test_it_is_inert_where_nothing_is_trained_for_real(tmp_path: Path, option: dict[str, bool]) -> None:
    options: dict[str, Any] = {"max_epochs": 1} | option
    if "barebones" in option:
        options |= {"num_sanity_val_steps": None}
    fit(trainer(tmp_path, AuditCallback(), **options), Classifier())
    assert not list(tmp_path.rglob("run.json"))


def test_validate_and_test_alone_record_nothing(tmp_path: Path) -> None:
    runner = trainer(tmp_path, AuditCallback())
    runner.validate(Classifier(), loader(), verbose=False)
    assert not list(tmp_path.rglob("run.json"))


def test_too_short_a_run_is_not_judged(tmp_path: Path) -> None:
    callback = AuditCallback()
    fit(trainer(tmp_path, callback, max_steps=5), Classifier())
    outcomes = {rule["name"]: rule for rule in audit_of(callback.folder)["rules"]}
    assert outcomes["updates-too-large"]["outcome"] == "unknown"
    assert "too short to judge" in outcomes["updates-too-large"]["reason"]
    assert outcomes["non-finite"]["outcome"] == "clear"


def test_several_monitors_share_one_record(tmp_path: Path) -> None:
    first, second = GradientMonitor(), OverfittingMonitor()
    fit(trainer(tmp_path, first, second), Classifier())
    assert first.folder == second.folder
    metrics = metrics_of(audit_of(first.folder))
    assert {"gradient.norm_p95", "overfitting.gap", "logged.val_loss"} <= set(metrics)
    assert "carbon.energy_kwh" not in metrics


@pytest.mark.slow
def test_a_second_fit_is_a_new_run_with_a_parent(tmp_path: Path) -> None:
    callback = AuditCallback()
    runner, module = trainer(tmp_path, callback), Classifier()
    fit(runner, module)
    first = audit_of(callback.folder)["run"]["id"]
    runner.fit_loop.max_epochs = 5
    fit(runner, module)
    second = audit_of(callback.folder)["run"]
    assert second["id"] != first
    assert second["parent"] == first
    assert second["steps"] == 60


@pytest.mark.slow
def test_checkpoints_are_bound_to_the_metrics_of_their_weights(tmp_path: Path) -> None:
    callback = AuditCallback()
    checkpoint = ModelCheckpoint(tmp_path / "kept", save_top_k=-1, save_last=True, filename="{epoch}")
    fit(trainer(tmp_path, callback, checkpoint, enable_checkpointing=True), Classifier())
    audit = audit_of(callback.folder)
    steps = {Path(item["path"]).name: item["step"] for item in audit["checkpoints"]}
    assert steps == {"epoch=0.ckpt": 12, "epoch=1.ckpt": 24, "epoch=2.ckpt": 36, "last.ckpt": 36}
    assert all(item["file_sha256"] for item in audit["checkpoints"])
    metrics = metrics_of(audit)
    assert Path(metrics["overfitting.gap"]["checkpoint"]).name in {"epoch=2.ckpt", "last.ckpt"}
    assert metrics["gradient.norm_p95"]["checkpoint"] is None


def test_two_optimizers_by_hand_are_kept_apart(tmp_path: Path) -> None:
    callback = AuditCallback()
    fit(trainer(tmp_path, callback), Adversarial(), loader())
    audit = audit_of(callback.folder)
    assert monitors_of(audit)["gradient"]["status"] == "ran"
    norm = Record.open(callback.folder or "").series("gradient.norm")
    assert norm.step.tolist() == list(range(1, 73))
    assert norm.optimizer.tolist() == [1, 0] * 36
    assert {rule["name"]: rule["outcome"] for rule in audit["rules"]}["stagnant-loss"] == "unknown"


def test_secrets_among_the_hyperparameters_are_withheld(tmp_path: Path) -> None:
    class Secretive(Classifier):
        def __init__(self, api_token: str = "abc123") -> None:
            super().__init__()
            self.save_hyperparameters()

    callback = AuditCallback()
    fit(trainer(tmp_path, callback, max_steps=3), Secretive())
    assert "abc123" not in (Path(callback.folder or "") / "run.json").read_text()
    assert audit_of(callback.folder)["configuration"]["model"]["api_token"] == "(withheld)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"batches_per_epoch": 12, "steps_per_epoch": 12, "examples": 96}),
        ({"accumulate_grad_batches": 5}, {"batches_per_epoch": 12, "steps_per_epoch": 3, "examples": 96}),
        ({"limit_train_batches": 4}, {"batches_per_epoch": 4, "steps_per_epoch": 4}),
    ],
)
def test_the_length_of_an_epoch_is_recorded(
    tmp_path: Path, options: dict[str, Any], expected: dict[str, int]
) -> None:
    callback = AuditCallback(generation=None, carbon=None)
    fit(trainer(tmp_path, callback, max_steps=3, **options), Classifier())
    told = audit_of(callback.folder)["configuration"]["data"]
    names = ("batches_per_epoch", "steps_per_epoch", "examples")
    assert {name: told[name] for name in names if name in told} == expected


def test_no_permission_to_write_costs_the_record_and_not_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    runner = trainer(tmp_path, AuditCallback(dirpath=tmp_path / "file"))
    fit(runner, Classifier())
    assert runner.global_step == 36
    (line,) = [record.message for record in caplog.records if "groundwire" in record.message]
    assert "nothing is recorded, training goes on" in line
    assert "choose another dirpath=" in line


def test_a_full_disk_costs_the_record_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from groundwire.audit.storage import LocalFolder

    append = LocalFolder.append

    def full(self: LocalFolder, name: str, content: bytes) -> int:
        if name.startswith("series/overfitting"):
            raise OSError(28, "No space left on device")
        return append(self, name, content)

    monkeypatch.setattr(LocalFolder, "append", full)
    callback = AuditCallback()
    runner = trainer(tmp_path, callback)
    fit(runner, Classifier())
    assert runner.global_step == 36
    audit = audit_of(callback.folder)
    assert audit["run"]["damage"] == ["attempt 1: recording stopped before the run ended"]
    assert sum("No space left on device" in record.message for record in caplog.records) == 1


@pytest.mark.slow
def test_the_report_is_left_out_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = AuditCallback(report=False)
    fit(trainer(tmp_path, callback), Classifier())
    assert not (Path(callback.folder or "") / "report.html").exists()
    assert len([line for line in capsys.readouterr().err.splitlines() if "groundwire" in line]) == 1


@pytest.mark.parametrize("option", [{"report": "yes"}, {"carbon": 3}, {"dirpath": 4}])
def test_wrong_options_are_named(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        AuditCallback(**option)


@pytest.mark.slow
def test_any_fsspec_url_holds_a_record() -> None:
    callback = AuditCallback(dirpath="memory://bucket/runs")
    fit(trainer(Path("/nonexistent"), callback), Classifier())
    assert (callback.folder or "").startswith("memory://bucket/runs/")
    record = Record.open(callback.folder or "")
    assert len(record.series("train.loss")) == 36
    assert not record.damage
    from groundwire.audit.load import load_audit

    audit, digest_ok = load_audit(callback.folder or "")
    assert isinstance(audit, Audit)
    assert digest_ok


@pytest.mark.slow
def test_the_audit_is_the_same_when_it_is_judged_again(tmp_path: Path) -> None:
    from groundwire.audit.reporting import make_report

    callback = AuditCallback()
    fit(trainer(tmp_path, callback), Classifier())
    before = audit_of(callback.folder)
    (Path(callback.folder or "") / "audit.json").unlink()
    make_report(callback.folder or "", markdown=False)
    assert audit_of(callback.folder) == before
    assert json.dumps(before) == json.dumps(audit_of(callback.folder))


@pytest.mark.slow
def test_a_compiled_module_is_measured(tmp_path: Path) -> None:
    callback = AuditCallback()
    module = Classifier()
    module.net = torch.compile(module.net, backend="eager")
    fit(trainer(tmp_path, callback), module)
    audit = audit_of(callback.folder)
    assert monitors_of(audit)["gradient"]["status"] == "ran"
    assert Record.open(callback.folder or "").columns("gradient.layer_norm") == ("net.0", "net.3")
