"""Energy by codecarbon itself: totals, provenance, phases, and a location that nobody named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, CarbonMonitor, carbon
from groundwire.callbacks.account import Reading
from material import Adversarial, Classifier, audit_of, fit, loader, metrics_of, monitors_of, trainer

HOUR = 3600.0


class Silent(Classifier):
    """A classifier that logs nothing, as barebones wants it."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        return torch.nn.functional.cross_entropy(self.net(x), y)


class Slow(L.Callback):
    """Lets the meter see something."""

    def on_train_batch_end(self, *_: Any) -> None:
        time.sleep(0.1)


def _run(tmp_path: Path, **options: Any) -> dict[str, Any]:
    monitor = CarbonMonitor(**options)
    fit(trainer(tmp_path, monitor, Slow(), max_epochs=2), Classifier())
    return audit_of(monitor.folder)


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("groundwire", "Thread-"))]


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
def test_without_a_location_energy_is_known_and_emissions_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CODECARBON_COUNTRY_ISO_CODE", raising=False)
    audit = _run(tmp_path)
    metrics = metrics_of(audit)
    energy = metrics["carbon.energy_kwh"]
    assert energy["value"] > 0
    assert energy["quality"] in {"measured", "modelled"}
    assert "boundary: CPU, GPU and memory of the whole machine" in energy["method"]
    assert energy["low"] < energy["value"] < energy["high"]
    assert metrics["carbon.emissions_kg"]["value"] is None
    assert "location unknown" in metrics["carbon.emissions_kg"]["reason"]
    assert metrics["carbon.duration_s"]["value"] > 0
    assert "carbon.cost" not in metrics
    assert "location-unknown" in {finding["name"] for finding in audit["findings"]}
    parts = [m for m in audit["metrics"] if m["name"] == "carbon.energy_kwh" and m["labels"]]
    for label in ("component", "phase"):
        assert sum(m["value"] for m in parts if label in m["labels"]) == pytest.approx(energy["value"])
    time.sleep(0.1)
    assert not _threads()


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
def test_a_declared_location_gives_emissions_and_pue_counts_once(tmp_path: Path) -> None:
    declared = {"price_per_kwh": 0.25, "pue": 1.2, "wue": 1.8, "currency": "chf", "embodied_kg": 1000}
    metrics = metrics_of(_run(tmp_path, country_iso_code="FRA", **declared))
    energy = metrics["carbon.energy_kwh"]["value"]
    cost = metrics["carbon.cost"]
    assert cost["value"] == pytest.approx(0.25 * 1.2 * energy)
    assert (cost["unit"], cost["quality"]) == ("CHF", "declared")
    assert "0.25 CHF a kWh as declared" in cost["method"]
    assert metrics["carbon.facility_energy_kwh"]["value"] == pytest.approx(1.2 * energy)
    assert metrics["carbon.water_l"]["value"] == pytest.approx(1.8 * energy)
    intensity = metrics["carbon.intensity"]["value"]
    assert 0.01 < intensity < 0.25  # kg/kWh: mostly nuclear
    assert metrics["carbon.emissions_kg"]["value"] == pytest.approx(1.2 * energy * intensity)
    assert "grid of FRA" in metrics["carbon.emissions_kg"]["method"]
    years = metrics["carbon.duration_s"]["value"] / (4 * 365.25 * 24 * HOUR)
    assert metrics["carbon.embodied_kg"]["value"] == pytest.approx(1000 * years)


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
def test_the_power_of_codecarbon_s_configuration_is_before_pue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODECARBON_PUE", "2.0")
    monkeypatch.setenv("CODECARBON_FORCE_RAM_POWER", "3600")
    audit = _run(tmp_path)
    parts = {m["labels"]["component"]: m for m in audit["metrics"] if "component" in m["labels"]}
    metrics = metrics_of(audit)
    assert parts["ram"]["quality"] == "declared"
    assert parts["ram"]["value"] == pytest.approx(metrics["carbon.duration_s"]["value"] * 3600 / 3.6e6, rel=0.1)
    assert metrics["carbon.facility_energy_kwh"]["value"] == pytest.approx(2 * metrics["carbon.energy_kwh"]["value"])


class Scripted:
    """A meter that reads what it is told, whenever it is looked at."""

    facts: dict[str, Any] = {  # noqa: RUF012 - as the meter has it
        "provenance": {"gpu": "counter", "ram": "constant"}, "location": "FRA", "location_source": "declared",
        "intensity_source": "codecarbon 3, mean of a year", "unmetered_s": 0.0, "version": "3",
    }  # fmt: skip
    problem = ""
    kwh = 0.0
    every = 1.0

    def __init__(self, options: dict[str, Any], *, period_s: float, look_up: bool = False) -> None:
        self.asked, self.number = 0, 0

    def ask(self) -> None:
        self.asked += 1

    def take(self) -> list[Reading]:
        self.number += 1
        parts = {"cpu": 0.0, "gpu": 0.75 * self.every * self.number, "ram": 0.25 * self.every * self.number}
        return [Reading(at=time.monotonic(), kwh=parts, duration_s=10.0 * self.number, kg_per_kwh=0.05)]

    def stop(self, patience_s: float) -> str:
        return self.problem


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carbon, "Meter", Scripted)
    monkeypatch.setattr(carbon, "NOTED_S", 0.0)


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("alone", [True, False])
def test_a_budget_that_is_exceeded_ends_the_training_and_says_so(
    tmp_path: Path, alone: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor = CarbonMonitor(max_energy_kwh=4.5, action="stop")
    callback = monitor if alone else AuditCallback(carbon=monitor, generation=None)
    runner = trainer(tmp_path, callback)
    fit(runner, Classifier())
    assert runner.global_step == 5
    assert "5 of 4.5 kWh is spent at step 5" in capsys.readouterr().err
    (budget,) = Record.open(callback.folder or "").events("budget", replayed=True)
    assert (budget["at_step"], budget["max_energy_kwh"]) == (5, 4.5)
    assert "budget-exceeded" in {finding["name"] for finding in audit_of(callback.folder)["findings"]}


@pytest.mark.usefixtures("scripted")
def test_a_budget_that_warns_lets_the_training_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = CarbonMonitor(max_emissions_kg=0.11, pue=2.0)
    runner = trainer(tmp_path, monitor, max_epochs=1)
    fit(runner, Classifier())
    assert runner.global_step == 12
    told = capsys.readouterr().err
    assert "0.2 of 0.11 kg CO2e is spent at step 2" in told
    assert told.count("budget-exceeded") == 2  # once while it goes, once at the end


@pytest.mark.usefixtures("scripted")
def test_a_resumed_run_counts_what_was_spent_before_and_what_was_lost(tmp_path: Path) -> None:
    class Breaking(L.Callback):
        def on_train_batch_end(self, runner: L.Trainer, *_: Any) -> None:
            if runner.global_step == 9:
                raise RuntimeError("the machine is gone")

    saving = L.pytorch.callbacks.ModelCheckpoint(dirpath=tmp_path / "saved", every_n_train_steps=6, save_top_k=-1)
    first = CarbonMonitor(max_energy_kwh=13.5, action="stop")
    with pytest.raises(RuntimeError, match="gone"):
        fit(trainer(tmp_path, first, saving, Breaking(), max_epochs=2, enable_checkpointing=True), Classifier())
    second = CarbonMonitor(max_energy_kwh=13.5, action="stop")
    runner = trainer(tmp_path, second, max_epochs=2)
    (saved,) = (tmp_path / "saved").glob("*step=6.ckpt")
    fit(runner, Classifier(), ckpt_path=saved)
    assert second.folder == first.folder
    metrics = metrics_of(audit_of(second.folder))
    assert runner.global_step == 6 + 4  # ten readings of the first attempt, four of the second
    assert metrics["carbon.energy_kwh"]["value"] > 14
    assert metrics["carbon.lost_energy_kwh"]["value"] == pytest.approx(4, abs=1)


@pytest.mark.parametrize("how", [{"fast_dev_run": True}, {"barebones": True}])
def test_a_dry_run_with_a_budget_that_stops_is_let_alone(tmp_path: Path, how: dict[str, Any]) -> None:
    L.Trainer(
        **how, default_root_dir=tmp_path, callbacks=[CarbonMonitor(max_energy_kwh=1, action="stop")], max_steps=3,
        **({} if "barebones" in how else {"logger": False, "enable_progress_bar": False}),
    ).fit(Silent(), loader())  # fmt: skip


@pytest.mark.usefixtures("scripted")
def test_two_optimizers_that_count_apart_have_no_last_step(tmp_path: Path) -> None:
    monitor = CarbonMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=3), Adversarial())
    assert not Record.open(monitor.folder or "").events("energy_forecast", replayed=True)


@pytest.mark.usefixtures("scripted")
def test_forecasts_are_made_and_scored(tmp_path: Path) -> None:
    monitor = CarbonMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=3), Classifier())
    record = Record.open(monitor.folder or "")
    made = record.events("energy_forecast", replayed=True)
    assert made
    assert all(event["for_step"] == 36 and event["low"] <= event["value"] <= event["high"] for event in made)
    metrics = metrics_of(audit_of(monitor.folder))
    assert metrics["carbon.forecast_error"]["value"] < 0.1
    assert metrics["carbon.forecast_error"]["n"] == len(made)


@pytest.mark.usefixtures("scripted")
def test_energy_belongs_to_phases_and_to_epochs(tmp_path: Path) -> None:
    class Validating(L.Callback):
        def on_validation_batch_end(self, *_: Any) -> None:
            time.sleep(0.01)

    monitor = CarbonMonitor()
    fit(trainer(tmp_path, monitor, Validating(), max_epochs=2), Classifier())
    audit = audit_of(monitor.folder)
    phases = {m["labels"]["phase"]: m for m in audit["metrics"] if "phase" in m["labels"]}
    metrics = metrics_of(audit)
    assert set(phases) >= {"training", "validation", "overhead"}
    assert phases["validation"]["value"] > 0
    assert phases["validation"]["quality"] == "modelled"
    assert metrics["carbon.energy_per_epoch_kwh"]["value"] == pytest.approx(metrics["carbon.energy_kwh"]["value"] / 2)


@pytest.mark.slow
def test_a_meter_without_totals_is_unknown_and_not_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead(Scripted):
        def take(self) -> list[Reading]:
            return []

        def stop(self, patience_s: float) -> str:
            return "codecarbon could not measure on this machine"

    monkeypatch.setattr(carbon, "Meter", Dead)
    audit = _run(tmp_path)
    assert monitors_of(audit)["carbon"]["status"] == "error"
    metric = metrics_of(audit)["carbon.energy_kwh"]
    assert (metric["value"], metric["quality"]) == (None, "unknown")
    assert "codecarbon could not measure" in metric["reason"]


@pytest.mark.slow
def test_a_kill_leaves_a_reading_behind(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
        "from pathlib import Path\n"
        "from test_carbon_monitor import Slow, CarbonMonitor, Classifier, fit, trainer\n"
        f"monitor = CarbonMonitor(dirpath={str(tmp_path / 'runs')!r}, measure_power_secs=1)\n"
        f"fit(trainer(Path({str(tmp_path)!r}), monitor, Slow(), max_epochs=99), Classifier())\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            time.sleep(0.1)
            if any(b'"energy"' in path.read_bytes() for path in tmp_path.glob("runs/*/events.jsonl")):
                break
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    (folder,) = (tmp_path / "runs").iterdir()
    energy = Record.open(folder).events("energy", replayed=True)
    assert energy[-1]["energy_kwh"] > 0


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"country_iso_code": "FR"}, r"got 'FR'"),
        ({"country_iso_code": "XXX"}, r"got 'XXX'"),
        ({"country_iso_code": "France"}, r"nearest: FRA"),
        ({"country_iso_code": "DUE"}, r"nearest: .*DEU"),
        ({"cloud_provider": "aws"}, "cloud_provider"),
        ({"cloud_provider": "gcp", "cloud_region": "europe-west99"}, "cloud_region must be .*nearest: europe-west"),
        ({"country_iso_code": "USA", "region": "califrnia"}, "region must be one .*nearest: california"),
        ({"pue": 0.5}, "pue must be a number between 1 and 5"),
        ({"pue": 120}, "pue"),
        ({"pue": float("nan")}, "pue"),
        ({"wue": -1}, "wue"),
        ({"intensity_kg_per_kwh": 475}, "intensity_kg_per_kwh must be a number between 0 and 3"),
        ({"measure_power_secs": 0}, "measure_power_secs"),
        ({"price_per_kwh": -1}, "price_per_kwh"),
        ({"currency": "€"}, "currency"),
        ({"embodied_kg": -1}, "embodied_kg"),
        ({"lifetime_years": 0}, "lifetime_years"),
        ({"max_energy_kwh": 0}, "max_energy_kwh"),
        ({"max_emissions_kg": "1"}, "max_emissions_kg"),
        ({"action": "halt"}, "action must be 'warn' or 'stop'"),
        ({"locate": "yes"}, "locate"),
        ({"hourly_intensity": "nowhere.csv"}, "hourly_intensity: "),
    ],
)
def test_wrong_options_are_named(option: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CarbonMonitor(**option)
