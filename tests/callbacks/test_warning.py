"""Faults that are told while the run goes, and what the user wants done then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, GradientMonitor
from material import Classifier, audit_of, data, fit, loader, metrics_of, trainer
from torch import nn
from torch.utils.data import DataLoader, Dataset

BROKEN = 5  # the step whose loss is not finite


class Breaking(Classifier):
    """Takes the logarithm of zero in one step."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch)
        return loss + (loss * 0).log() if self.global_step == BROKEN - 1 else loss


def test_a_finding_is_told_once_while_the_run_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Late(Breaking):
        def on_train_epoch_end(self) -> None:
            told.append(sum("✗ non-finite" in line for line in capsys.readouterr().err.splitlines()))

    told: list[int] = []
    callback = AuditCallback(carbon=None)
    fit(trainer(tmp_path, callback), Late())
    assert told == [1, 0, 0]
    (event,) = [e for e in Record.open(callback.folder or "").events("warning") if e["name"] == "non-finite"]
    assert event["at_step"] == BROKEN


def test_the_place_is_found_by_a_second_run_of_the_step(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None)
    fit(trainer(tmp_path, callback, max_epochs=1), Breaking())
    event = Record.open(callback.folder or "").events("nonfinite")[0]
    assert (event["step"], event["batch_idx"], event["epoch"]) == (BROKEN, BROKEN - 1, 0)
    assert event["born"] == "log in or after net.3"
    assert "born in log" in audit_of(callback.folder)["findings"][0]["summary"]


def test_a_root_at_zero_is_born_in_the_backward_pass(tmp_path: Path) -> None:
    class Rooted(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            loss = self.loss(batch)
            return loss + (loss - loss.detach()).sqrt() if self.global_step == 3 else loss

    monitor = GradientMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=1), Rooted())
    assert Record.open(monitor.folder or "").events("nonfinite")[0]["born"] == "the backward pass"


def test_the_batch_is_named_and_saved(tmp_path: Path) -> None:
    class Named(Dataset[Any]):
        def __init__(self) -> None:
            self.x, self.y = data().tensors
            self.x[20, 3] = torch.nan

        def __len__(self) -> int:
            return len(self.x)

        def __getitem__(self, place: int) -> dict[str, Any]:
            return {"x": self.x[place], "y": self.y[place], "id": place}

    class Keyed(Classifier):
        def loss(self, batch: Any) -> torch.Tensor:
            return nn.functional.cross_entropy(self.net(batch["x"]), batch["y"])

    monitor = GradientMonitor(save_batch=True)
    runner = trainer(tmp_path, monitor, max_epochs=1, limit_val_batches=0)
    runner.fit(Keyed(), DataLoader(Named(), batch_size=8))
    event = Record.open(monitor.folder or "").events("nonfinite")[0]
    assert (event["born"], event["ids"]) == ("the batch", list(range(16, 24)))
    saved = torch.load(Path(monitor.folder or "", event["saved"]))
    assert bool(saved["x"][4, 3].isnan())


def test_a_replay_leaves_no_trace(tmp_path: Path) -> None:
    weights = []
    for parts in ([GradientMonitor()], []):
        torch.manual_seed(3)
        module = Breaking(dropout=0.5)
        fit(trainer(tmp_path, *parts, max_epochs=1), module)
        weights.append((torch.cat([p.detach().flatten() for p in module.parameters()]), torch.rand(3)))
    assert torch.equal(weights[0][0].isnan(), weights[1][0].isnan())
    assert torch.equal(weights[0][1], weights[1][1])


def test_a_step_that_is_not_finite_can_be_skipped(tmp_path: Path) -> None:
    module = Breaking()
    callback = AuditCallback(carbon=None, on_finding={"non-finite": "skip"})
    fit(trainer(tmp_path, callback), module)
    assert all(bool(p.isfinite().all()) for p in module.parameters())
    audit = audit_of(callback.folder)
    assert metrics_of(audit)["gradient.nonfinite_steps"]["value"] == 0
    assert "1 that were skipped" in metrics_of(audit)["gradient.nonfinite_steps"]["method"]


def test_a_run_can_be_stopped_and_says_why(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None, on_finding={"non-finite": "stop"})
    runner = trainer(tmp_path, callback, max_epochs=50)
    fit(runner, Breaking())
    assert runner.global_step == BROKEN
    run = audit_of(callback.folder)["run"]
    assert run["notes"] == [f"stopped at step {BROKEN}: it was to stop at non-finite"]


def test_nothing_is_stopped_unless_asked_for(tmp_path: Path) -> None:
    runner = trainer(tmp_path, AuditCallback(carbon=None))
    fit(runner, Breaking())
    assert runner.global_step == 36


@pytest.mark.parametrize(
    "given", [{"nonfinite": "stop"}, {"non-finite": "halt"}, {"exploding-gradient": "skip"}, ["non-finite"]]
)
def test_wrong_actions_are_named(given: Any) -> None:
    with pytest.raises(ValueError, match="on_finding"):
        AuditCallback(on_finding=given)


@pytest.mark.slow
def test_a_healthy_run_is_told_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = AuditCallback(carbon=None)
    fit(trainer(tmp_path, callback), Classifier(), loader(512, batch_size=32), loader(64, seed=1))
    assert Record.open(callback.folder or "").events("warning") == []
    assert "!" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_stays_nan_is_not_written_at_every_step(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None, overfitting=None)
    fit(trainer(tmp_path, callback, max_epochs=10), Breaking())
    record = Record.open(callback.folder or "")
    assert len(record.events("nonfinite")) > 100
    assert (record.run.attempts[-1].chunks or 0) < 120  # steps; a flush writes a chunk of each table
