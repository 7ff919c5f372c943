"""What run.json says of a run when it begins: its validations, and the epochs that it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback
from lightning.pytorch.callbacks import ModelCheckpoint
from material import Classifier, audit_of, fit, metrics_of, trainer


def begun(folder: Path, checkpoint: str | None = None, *callbacks: Any, **options: Any) -> str:
    """Train epochs of twelve steps and return the run folder."""
    audit = AuditCallback()
    fit(trainer(folder, audit, *callbacks, **options), Classifier(), ckpt_path=checkpoint)
    return audit.folder or ""


def test_how_a_run_validates_is_recorded(tmp_path: Path) -> None:
    options = {"limit_val_batches": 0.5, "val_check_interval": 4, "check_val_every_n_epoch": None}
    found = Record.open(begun(tmp_path, max_epochs=1, **options)).run.configuration
    told = found["trainer"]
    assert isinstance(told, dict)
    assert {name: told[name] for name in options} == options
    data = found["data"]
    assert isinstance(data, dict)
    assert data["validation_batches"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("step", "before"), [(12, 1), (18, 2), (24, 2)])  # within an epoch, that one is not whole
def test_epochs_of_the_run_before_are_not_this_runs(tmp_path: Path, step: int, before: int) -> None:
    kept = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=6, save_top_k=-1, filename="{step}")
    first = Record.open(begun(tmp_path, None, kept, max_epochs=3, enable_checkpointing=True)).run
    checkpoint = str(tmp_path / "kept" / f"step={step}.ckpt")
    begun(tmp_path, checkpoint)  # goes on in the same record
    folder = begun(tmp_path, checkpoint)
    fork = Record.open(folder).run
    assert (first.attempts[0].first_epoch, first.own_epochs) == (0, 3)
    assert fork.parent == first.id
    assert (fork.attempts[0].first_epoch, fork.own_epochs) == (before, 3 - before)
    assert metrics_of(audit_of(folder))["carbon.energy_per_epoch_kwh"]["n"] == 3 - before
