"""Monitors, meters and files that fail: the training goes on, and no figure outlives its cause."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.model import Audit, RunStatus
from groundwire.audit.record import Record
from groundwire.audit.runfile import NAME
from groundwire.callbacks import AuditCallback, CarbonMonitor, GradientMonitor, OverfittingMonitor
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from material import Classifier, Returning, audit_of, fit, loader, metrics_of, monitors_of, trainer


def test_what_a_monitor_measured_before_it_broke_is_no_figure_of_the_run(tmp_path: Path) -> None:
    class Breaking(GradientMonitor):
        def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
            if trainer.global_step == 20:
                self.fail(RuntimeError("a bug\nover two lines"))
            super().on_train_batch_end(trainer, *rest)

    monitor = Breaking()
    runner = trainer(tmp_path, monitor)
    fit(runner, Classifier())
    assert runner.global_step == 36
    metric = metrics_of(audit_of(monitor.folder))["gradient.nonfinite_steps"]
    assert (metric["value"], metric["reason"]) == (None, "its monitor broke: RuntimeError: a bug")


def test_a_meter_that_dies_is_an_error_and_not_a_small_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.callbacks import carbon

    quick = carbon.Meter

    class Dying(quick):  # type: ignore[misc, valid-type]
        def __init__(self, options: dict[str, Any], **more: Any) -> None:
            super().__init__(options, **more)
            self.problem = "codecarbon: OSError: the counter is gone"

    monkeypatch.setattr(carbon, "Meter", Dying)
    monitor = CarbonMonitor()
    fit(trainer(tmp_path, monitor), Classifier())
    audit = audit_of(monitor.folder)
    assert monitors_of(audit)["carbon"]["status"] == "error"
    assert "the counter is gone" in metrics_of(audit)["carbon.energy_kwh"]["reason"]


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_read_costs_its_digest_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("stale file handle")

    monkeypatch.setattr("groundwire.callbacks.hashing.file_sha256", refuse)
    callback = AuditCallback()
    kept = ModelCheckpoint(tmp_path / "kept")
    fit(trainer(tmp_path, callback, kept, enable_checkpointing=True), Classifier())
    audit = audit_of(callback.folder)
    assert audit["run"]["status"] == "finished"
    assert {item["file_sha256"] for item in audit["checkpoints"]} == {None}


def test_a_checkpoint_written_again_holds_the_later_step(tmp_path: Path) -> None:
    callback = AuditCallback()
    kept = ModelCheckpoint(tmp_path / "kept", filename="same", enable_version_counter=False)
    fit(trainer(tmp_path, callback, kept, enable_checkpointing=True), Classifier())
    (found,) = audit_of(callback.folder)["checkpoints"]
    assert found["step"] == 36
    assert found["file_sha256"] == hashlib.sha256(Path(found["path"]).read_bytes()).hexdigest()


def test_averaged_weights_are_not_compared_with_raw_ones(tmp_path: Path) -> None:
    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor, EMAWeightAveraging(), max_epochs=2), Classifier())
    metric = metrics_of(audit_of(monitor.folder))["overfitting.gap"]
    assert metric["value"] is None
    assert "averaged weights" in metric["reason"]


def test_the_probe_does_not_transform_a_batch_twice(tmp_path: Path) -> None:
    class Doubling(Returning):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return [batch[0] * 2, batch[1]]

    monitor, module = OverfittingMonitor(), Doubling(dropout=0.0, lr=0.0)
    train = loader(64)
    fit(trainer(tmp_path, monitor, max_epochs=1), module, train, loader(64, seed=5))
    with torch.no_grad():
        losses = [float(module.loss([x * 2, y])) for x, y in train]
    series = Record.open(monitor.folder or "").series("overfitting.train_loss")
    assert series.value[-1] == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_a_step_may_write_into_its_batch(tmp_path: Path) -> None:
    class Scribbling(Classifier):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            batch[0].zero_()
            return loss

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=3), Scribbling(lr=0.0, dropout=0.0))
    values = Record.open(monitor.folder or "").series("overfitting.train_loss").value
    assert values.tolist() == pytest.approx([values[0]] * 3)


@pytest.mark.parametrize("fused", [False, True])
def test_steps_that_a_scaler_skips_are_skipped_and_not_broken(tmp_path: Path, fused: bool) -> None:
    class Scaled(Classifier):
        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3, fused=fused)

    monitor = GradientMonitor()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
    plugin = MixedPrecision("16-mixed", "cpu", scaler=scaler)  # type: ignore[arg-type]
    fit(trainer(tmp_path, monitor, plugins=[plugin]), Scaled())
    record = Record.open(monitor.folder or "")
    skipped = [event["step"] for event in record.events("skipped_step")]
    assert skipped[:2] == [1, 2]
    assert len(skipped) < 20
    audit = audit_of(monitor.folder)
    assert metrics_of(audit)["gradient.nonfinite_steps"]["value"] == 0
    assert audit["findings"] == []


@pytest.mark.slow
def test_a_run_that_another_host_gave_up_is_gone_on_with(tmp_path: Path) -> None:
    first = AuditCallback()
    kept = ModelCheckpoint(tmp_path / "kept", filename="last")
    fit(trainer(tmp_path, first, kept, enable_checkpointing=True), Classifier())
    record = Record.open(first.folder or "")
    left = record.run.attempts[0].model_copy(
        update={"status": RunStatus.RUNNING, "host": "gone", "pid": 1, "chunks": None, "events": None, "ended": None}
    )
    Path(first.folder or "", NAME).write_bytes(record.run.model_copy(update={"attempts": [left]}).text())
    second = AuditCallback()
    fit(trainer(tmp_path, second, max_epochs=4), Classifier(), ckpt_path=str(tmp_path / "kept" / "last.ckpt"))
    assert second.folder == first.folder
    attempts = Record.open(second.folder or "").run.attempts
    assert [attempt.status for attempt in attempts] == [RunStatus.CRASHED, RunStatus.FINISHED]


@pytest.mark.slow
def test_a_checkpoint_saved_after_the_run_still_names_it(tmp_path: Path) -> None:
    first = AuditCallback()
    runner = trainer(tmp_path, first)
    fit(runner, Classifier())
    runner.save_checkpoint(tmp_path / "later.ckpt")
    second = AuditCallback()
    fit(trainer(tmp_path, second, max_epochs=4), Classifier(), ckpt_path=str(tmp_path / "later.ckpt"))
    assert second.folder == first.folder
    Audit.model_validate_json(Path(second.folder or "", "audit.json").read_text())


@pytest.mark.slow
def test_an_attempt_goes_on_from_the_attempt_whose_checkpoint_it_loads(tmp_path: Path) -> None:
    from test_resume import Raising

    kept = ModelCheckpoint(tmp_path / "kept", save_top_k=-1, filename="{step}")
    first = AuditCallback()
    with pytest.raises(RuntimeError):
        fit(trainer(tmp_path, first, kept, Raising(RuntimeError(), 30), enable_checkpointing=True), Classifier())
    early, late = (str(tmp_path / "kept" / f"step={step}.ckpt") for step in (12, 24))
    with pytest.raises(RuntimeError):
        fit(trainer(tmp_path, AuditCallback(), Raising(RuntimeError(), 15)), Classifier(), ckpt_path=early)
    last = AuditCallback()
    fit(trainer(tmp_path, last), Classifier(), ckpt_path=late)
    record = Record.open(last.folder or "")
    assert [attempt.resumes for attempt in record.run.attempts] == [None, 1, 1]
    assert record.series("train.loss").step.tolist() == list(range(1, 37))
    assert not record.damage
