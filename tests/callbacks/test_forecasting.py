"""Forecasts are made while the run goes, rarely and cheaply, kept, and scored when it ends."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, ForecastMonitor, OverfittingMonitor
from material import Returning, audit_of, fit, loader, metrics_of, monitors_of, trainer


def planted(step: int) -> float:
    return 2 + 0.5 * float((max(1, step) / 120) ** -0.4)


class Planted(Returning):
    """A module whose validation loss is a power law of the steps."""

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        noise = torch.randn((), generator=torch.Generator().manual_seed(self.global_step + batch_idx))
        return planted(self.global_step) + 2e-3 * noise


class Decayed(Planted):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.1)]


def run(folder: Path, module: Returning, *, epochs: int, **options: Any) -> ForecastMonitor:
    """Train with four steps an epoch and a validation after each."""
    monitor = ForecastMonitor()
    runner = trainer(folder, OverfittingMonitor(batches=2), monitor, max_epochs=epochs)
    fit(runner, module, loader(32, shuffle=True), loader(8, seed=1), **options)
    runner.save_checkpoint(folder / "kept.ckpt")
    return monitor


def forecasts(folder: str | None) -> list[dict[str, Any]]:
    return Record.open(folder or "").events("forecast")


@pytest.mark.slow
def test_forecasts_are_kept_and_scored(tmp_path: Path) -> None:
    folder = run(tmp_path, Planted(), epochs=30).folder
    made = forecasts(folder)
    assert 4 <= len(made) <= 20
    assert all(event["for_step"] == 2 * event["at_step"] for event in made)
    assert all(event["low"] <= event["value"] <= event["high"] for event in made)
    steps = [event["at_step"] for event in made]
    assert all(later >= 1.25 * earlier for earlier, later in itertools.pairwise(steps))
    metrics = metrics_of(audit_of(folder))
    assert metrics["forecast.coverage"]["n"] >= 2
    assert metrics["forecast.coverage"]["value"] >= 0.5
    assert metrics["forecast.error"]["value"] < 0.02
    double = metrics["forecast.loss_at_double"]
    assert double["low"] <= planted(240) <= double["high"]
    assert double["quality"] == "modelled"
    assert metrics["forecast.next_percent_steps"]["value"] > 0
    assert metrics["forecast.next_percent_kwh"]["reason"] == "the energy was not read at two steps"


def test_nothing_is_forecast_once_the_rate_has_come_down(tmp_path: Path) -> None:
    made = forecasts(run(tmp_path, Decayed(), epochs=20).folder)
    assert made
    assert max(event["at_step"] for event in made) <= 10 * 4


def test_a_resumed_run_goes_on_from_the_points_that_it_had(tmp_path: Path) -> None:
    first = run(tmp_path, Planted(), epochs=8)
    held = first.state_dict()["parts"]["forecast"]
    assert len(held["step"]) == len(held["loss"]) == 8
    second = run(tmp_path, Planted(), epochs=12, ckpt_path=tmp_path / "kept.ckpt")
    assert second.state_dict()["parts"]["forecast"]["step"] == list(range(4, 49, 4))
    steps = [event["at_step"] for event in forecasts(second.folder)]
    assert len(steps) == len(set(steps)) > 1


def test_without_a_validation_the_training_loss_is_carried_on_or_refused(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None)
    fit(trainer(tmp_path, callback), Returning(), loader())
    audit = audit_of(callback.folder)
    assert monitors_of(audit)["forecast"]["status"] == "ran"
    double = metrics_of(audit)["forecast.loss_at_double"]
    assert "training loss" in double["method"] or double["reason"]
    assert forecasts(callback.folder) == []


def test_alone_it_measures_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    monitor = ForecastMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=6), Planted(), loader(32), loader(8, seed=1))
    assert forecasts(monitor.folder) == []
    assert not monitor.failed


def test_without_time_nothing_is_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.callbacks import purse, session

    monkeypatch.setattr(purse, "GRACE_S", 0.0)
    monkeypatch.setattr(session, "BUDGET", 0.0)
    assert forecasts(run(tmp_path, Planted(), epochs=8).folder) == []
