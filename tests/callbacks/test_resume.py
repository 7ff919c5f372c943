"""Interrupted, killed and resumed runs: one record, every step once, all energy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from groundwire.audit.judge import judge
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback
from lightning.pytorch.callbacks import ModelCheckpoint
from material import Classifier, audit_of, fit, metrics_of, trainer
from test_audit_callback import Raising


def _first(tmp_path: Path, *, step: int = 30) -> tuple[AuditCallback, str]:
    """Train until a crash, with a checkpoint each epoch of twelve steps."""
    callback = AuditCallback()
    checkpoint = ModelCheckpoint(tmp_path / "kept", save_top_k=-1, filename="{step}")
    with pytest.raises(RuntimeError):
        fit(trainer(tmp_path, callback, checkpoint, Raising(RuntimeError(), step), enable_checkpointing=True),
            Classifier())  # fmt: skip
    return callback, str(tmp_path / "kept" / "step=24.ckpt")


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_the_same_record(tmp_path: Path) -> None:
    first, checkpoint = _first(tmp_path)
    second = AuditCallback()
    fit(trainer(tmp_path, second, max_epochs=4), Classifier(), ckpt_path=checkpoint)
    assert second.folder == first.folder
    record = Record.open(second.folder or "")
    assert [attempt.first_step for attempt in record.run.attempts] == [0, 24]
    assert record.series("train.loss").step.tolist() == list(range(1, 49))
    audit = audit_of(second.folder)
    assert audit["run"]["attempts"] == 2
    assert audit["run"]["status"] == "finished"
    assert metrics_of(audit)["carbon.energy_kwh"]["value"] == pytest.approx(2e-6)


@pytest.mark.slow
def test_steps_that_are_trained_again_count_as_the_last_attempt_took_them(tmp_path: Path) -> None:
    first, checkpoint = _first(tmp_path)
    before = Record.open(first.folder or "").series("optimizer.lr")
    assert before.step.tolist() == list(range(1, 31))
    second = AuditCallback()
    fit(trainer(tmp_path, second), Classifier(), ckpt_path=checkpoint)
    loss = Record.open(second.folder or "").series("train.loss")
    assert loss.step.tolist() == list(range(1, 37))


@pytest.mark.slow
def test_a_checkpoint_that_is_resumed_twice_makes_a_second_run(tmp_path: Path) -> None:
    first, checkpoint = _first(tmp_path)
    fit(trainer(tmp_path, AuditCallback()), Classifier(), ckpt_path=checkpoint)
    again = AuditCallback()
    fit(trainer(tmp_path, again), Classifier(), ckpt_path=checkpoint)
    run = audit_of(again.folder)["run"]
    assert again.folder != first.folder
    assert run["parent"] == audit_of(first.folder)["run"]["id"]


@pytest.mark.slow
def test_a_moved_run_folder_is_found_below_dirpath(tmp_path: Path) -> None:
    first, checkpoint = _first(tmp_path)
    old = Path(first.folder or "")
    new = tmp_path / "elsewhere" / old.name
    new.parent.mkdir()
    old.rename(new)
    second = AuditCallback(dirpath=new.parent)
    fit(trainer(tmp_path, second), Classifier(), ckpt_path=checkpoint)
    assert second.folder == str(new)


def test_a_lost_record_makes_a_new_one_with_a_parent(tmp_path: Path) -> None:
    first, checkpoint = _first(tmp_path)
    Path(first.folder or "").rename(tmp_path / "gone")
    second = AuditCallback()
    fit(trainer(tmp_path, second), Classifier(), ckpt_path=checkpoint)
    assert audit_of(second.folder)["run"]["parent"] == Path(first.folder or "").name


def test_a_checkpoint_loads_without_the_callback(tmp_path: Path) -> None:
    _, checkpoint = _first(tmp_path)
    runner = trainer(tmp_path)
    fit(runner, Classifier(), ckpt_path=checkpoint)
    assert runner.global_step == 36


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
import lightning as L
from pathlib import Path
from groundwire.callbacks import AuditCallback, GradientMonitor, OverfittingMonitor
from material import Classifier, fit, trainer

class Slow(L.Callback):
    def on_train_batch_end(self, *_):
        time.sleep(0.002)

from groundwire.callbacks import session
session.FLUSH_ROWS = 20
fit(trainer(Path({folder!r}), AuditCallback(carbon=None), Slow(), max_epochs=10_000), Classifier())
"""


@pytest.mark.slow
def test_after_kill_all_that_was_flushed_can_be_judged(tmp_path: Path) -> None:
    code = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.DEVNULL)
    try:
        folder = _wait_for_rows(tmp_path, process)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    record = Record.open(folder)
    steps = record.series("train.loss").step
    assert len(steps) >= 100
    assert steps.tolist() == list(range(1, len(steps) + 1))
    assert not record.damage
    audit = judge(record)
    assert audit.run.status == "running"
    assert "killed" in audit.run.notes[0]
    assert audit.metric("gradient.norm_p95") is not None


def _wait_for_rows(tmp_path: Path, process: subprocess.Popen[bytes]) -> Path:
    """Return the run folder once a hundred steps have been flushed."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        for folder in tmp_path.glob("groundwire/*/series"):
            if len(Record.open(folder.parent).series("train.loss")) >= 100:
                return folder.parent
        time.sleep(0.2)
    pytest.fail("the run wrote nothing")


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from pathlib import Path
from groundwire.callbacks import AuditCallback
from material import Classifier, fit, trainer

class Killed(L.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 33:
            os.kill(os.getpid(), signal.SIGKILL)

kept = ModelCheckpoint(Path({folder!r}), filename="kept", every_n_train_steps=10, enable_version_counter=False)
callbacks = AuditCallback(carbon=None), kept, Killed()
fit(trainer(Path({folder!r}), *callbacks, max_epochs=10, enable_checkpointing=True), Classifier())
"""


@pytest.mark.slow
def test_a_kill_loses_no_step_before_the_last_checkpoint(tmp_path: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.DEVNULL, timeout=240)
    assert done.returncode == -signal.SIGKILL
    second = AuditCallback(carbon=None)
    fit(trainer(tmp_path, second, max_epochs=4), Classifier(), ckpt_path=str(tmp_path / "kept.ckpt"))
    record = Record.open(second.folder or "")
    assert [attempt.first_step for attempt in record.run.attempts] == [0, 30]
    assert record.series("train.loss").step.tolist() == list(range(1, 49))
    assert not record.damage
    assert metrics_of(audit_of(second.folder))["gradient.nonfinite_steps"]["value"] == 0
