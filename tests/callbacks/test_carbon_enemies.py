"""What works against an energy meter: other trackers, ends of every kind, copies, clocks, and wrong configuration."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
from groundwire.audit.ledger import Ledger
from groundwire.audit.model import Quality
from groundwire.audit.record import Record
from groundwire.audit.runfile import Attempt, RunFile, now
from groundwire.callbacks import CarbonMonitor, carbon
from groundwire.callbacks.account import Account, Reading
from groundwire.callbacks.meter import LEAST_S, Meter
from material import Classifier, audit_of, fit, metrics_of, monitors_of, trainer

RAM_W = 3600.0  # so that an hour's energy is known, whatever the machine


def found(cpu: float = 0.0, gpu: float = 0.0, ram: float = 0.0) -> Any:
    return SimpleNamespace(cpu_energy=cpu, gpu_energy=gpu, ram_energy=ram, duration=1.0)


def reading(number: int = 1, **more: Any) -> Reading:
    parts = {"cpu": 0.0, "gpu": float(number), "ram": 0.0}
    return Reading(**{"at": time.monotonic(), "kwh": parts, "duration_s": 10.0 * number, "kg_per_kwh": 0.05} | more)


class Scripted:
    """A meter that reads a kilowatt-hour whenever it is looked at."""

    problem, late = "", ""
    source = "codecarbon 3, mean of a year"

    def __init__(self, options: dict[str, Any], *, period_s: float, look_up: bool = False) -> None:
        self.number, self.asked, self.patience_s = 0, 0, 0.0
        self.facts = {"provenance": {"gpu": "counter"}, "location": "FRA", "intensity_source": self.source,
                      "location_source": "declared", "unmetered_s": 0.0, "version": "3"}  # fmt: skip

    def ask(self) -> None:
        self.asked += 1

    def take(self) -> list[Reading]:
        self.number += 1
        return [reading(self.number, kg_per_kwh=0.05 if self.source else None)]

    def stop(self, patience_s: float) -> str:
        self.patience_s = patience_s
        return self.late


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    monkeypatch.setattr(carbon, "Meter", Scripted)
    return Scripted


def nothing() -> None:
    """Take no action."""


class Slow(L.Callback):
    """Lets the meter see something, and does something at a step."""

    def __init__(self, at: int = 0, action: Callable[[], Any] = nothing) -> None:
        self.at, self.action = at, action

    def on_train_batch_end(self, runner: L.Trainer, *_: Any) -> None:
        time.sleep(0.05)
        if runner.global_step == self.at:
            self.action()


def saver(folder: Path, *callbacks: L.Callback, **options: Any) -> L.Trainer:
    """Return a trainer that saves every six steps."""
    saving = L.pytorch.callbacks.ModelCheckpoint(dirpath=folder, every_n_train_steps=6, save_top_k=-1)
    return trainer(folder, *callbacks, saving, enable_checkpointing=True, **options)


def threads() -> list[str]:
    """Return what runs beside the main thread, once all had the time to end."""
    for _ in range(100):
        left = [t.name for t in threading.enumerate() if t.name.startswith(("groundwire", "Thread-"))]
        if not left:
            break
        time.sleep(0.05)
    return left


def watts(metrics: dict[str, Any]) -> float:
    return 3.6e6 * float(metrics["carbon.energy_kwh"]["value"]) / float(metrics["carbon.duration_s"]["value"])


# The seconds before codecarbon has started


def test_the_start_is_taken_to_have_cost_as_much_as_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.callbacks import meter

    clock = [100.0]
    monkeypatch.setattr(meter.time, "monotonic", lambda: clock[0])
    account = Account(period_s=10)
    account.unmetered_s = 2.0
    clock[0] = 111.0  # it measured a second ago, after eight seconds of metering
    first = account.add(found(cpu=8.0), age_s=1.0)
    assert (first.at, first.duration_s, first.kwh["cpu"]) == (110.0, 10.0, pytest.approx(10.0))
    clock[0] = 121.0
    assert account.add(found(cpu=19.0)).kwh["cpu"] == pytest.approx(21.0)


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
def test_a_fit_that_ends_before_the_meter_has_started_is_not_nearly_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codecarbon import OfflineEmissionsTracker

    start = OfflineEmissionsTracker.start
    monkeypatch.setenv("CODECARBON_FORCE_RAM_POWER", str(RAM_W))
    monkeypatch.setattr(OfflineEmissionsTracker, "start", lambda self: (time.sleep(1), start(self))[1])
    monitor = CarbonMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=1), Classifier())
    metrics = metrics_of(audit_of(monitor.folder))
    assert watts(metrics) == pytest.approx(RAM_W, rel=0.2)
    assert metrics["carbon.duration_s"]["value"] > 1 + LEAST_S / 2
    assert "unmetered, taken to be as those after" in metrics["carbon.energy_kwh"]["method"]


def attempts(*firsts: int) -> RunFile:
    made = [
        Attempt(number=n, started=now(), host="h", pid=1, world_size=1, resumes=n - 1 or None, first_step=first)
        for n, first in enumerate(firsts, start=1)
    ]
    return RunFile(id="r", parent=None, model="M", started=now(), world_size=1, attempts=made,
                   environment={}, configuration={})  # fmt: skip


def energy(attempt: int, step: int, kwh: float, duration_s: float = 100.0) -> dict[str, Any]:
    parts = {"cpu_kwh": kwh, "gpu_kwh": 0.0, "ram_kwh": 0.0, "duration_s": duration_s}
    return {"attempt": attempt, "rank": 0, "at_step": step, "energy_kwh": kwh, **parts}


def meter_of(attempt: int, unmetered_s: float = 0.0) -> dict[str, Any]:
    return {"attempt": attempt, "rank": 0, "provenance": {"cpu": "counter"}, "unmetered_s": unmetered_s}


def test_work_before_the_first_reading_is_lost_where_it_was_not_kept() -> None:
    ledger = Ledger.of(attempts(0, 5), [meter_of(1), meter_of(2)], [energy(1, 100, 10.0), energy(2, 105, 10.0)])
    assert ledger.lost_kwh == pytest.approx(9.5)  # of a hundred steps, five led on
    ledger = Ledger.of(attempts(0, 50, 60), [meter_of(2)], [energy(2, 150, 10.0), energy(3, 70, 1.0)])
    assert ledger.lost_kwh == pytest.approx(9.0)  # the second attempt began at step 50


@pytest.mark.parametrize(("unmetered_s", "expected"), [(2.0, Quality.MEASURED), (20.0, Quality.MODELLED)])
def test_a_short_run_that_was_mostly_unmetered_is_not_called_measured(unmetered_s: float, expected: Quality) -> None:
    assert Ledger.of(attempts(0), [meter_of(1, unmetered_s)], [energy(1, 9, 1.0)]).quality() is expected


# Other trackers


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
@pytest.mark.parametrize("way", ["before", "locked", "task", "within"])
def test_a_tracker_of_the_user_s_own_and_ours_leave_each_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    from codecarbon import OfflineEmissionsTracker

    monkeypatch.setenv("CODECARBON_FORCE_RAM_POWER", str(RAM_W))
    options: dict[str, Any] = {"country_iso_code": "FRA", "output_methods": [], "log_level": "error"}
    own = OfflineEmissionsTracker(measure_power_secs=0.5, allow_multiple_runs=way != "locked", **options)
    level = logging.getLogger("codecarbon").level

    class Theirs(L.Callback):
        def on_train_start(self, *_: Any) -> None:
            if way == "within":
                own.start()

        def on_train_end(self, *_: Any) -> None:
            if way == "within":
                own.stop()

    if way == "task":
        own.start_task("fit")
    elif way != "within":
        own.start()
    monitor = CarbonMonitor()
    fit(trainer(tmp_path, Theirs(), monitor, Slow(), max_epochs=2), Classifier())
    theirs = own.stop_task("fit") if way == "task" else (own.stop(), own.final_emissions_data)[1]
    own.stop()
    assert 3.6e6 * theirs.ram_energy / theirs.duration == pytest.approx(RAM_W, rel=0.02)
    assert watts(metrics_of(audit_of(monitor.folder))) == pytest.approx(RAM_W, rel=0.05)
    assert logging.getLogger("codecarbon").level == level
    assert not threads()


# Ends


def _raise(error: type[BaseException]) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
@pytest.mark.parametrize(
    ("action", "status"),
    [
        (nothing, "finished"),
        (_raise(RuntimeError), "crashed"),
        (_raise(KeyboardInterrupt), "interrupted"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "interrupted"),
    ],
)
def test_every_end_leaves_no_thread(tmp_path: Path, action: Callable[[], None], status: str) -> None:
    monitor = CarbonMonitor()
    try:
        fit(trainer(tmp_path, monitor, Slow(20, action), max_epochs=2), Classifier())
    except BaseException as error:  # noqa: BLE001 - whatever Lightning makes of it
        assert status != "finished", error
    assert not threads()
    audit = audit_of(monitor.folder)
    assert audit["run"]["status"] == status
    assert metrics_of(audit)["carbon.energy_kwh"]["value"] > 0


class Interrupted(Scripted):
    """Does not stop in time."""

    late = "codecarbon did not stop within 0.7 s"


@pytest.mark.slow
@pytest.mark.parametrize(("age_s", "status"), [(0.0, "ran"), (60.0, "error")])
def test_an_interrupted_meter_that_is_slow_to_stop_keeps_what_it_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, status: str
) -> None:
    monkeypatch.setattr(Interrupted, "take", lambda self: [reading(at=time.monotonic() - age_s)])
    monkeypatch.setattr(carbon, "Meter", Interrupted)
    monitor = CarbonMonitor()
    with pytest.raises(BaseException):  # noqa: B017 - Lightning makes it SystemExit
        fit(trainer(tmp_path, monitor, Slow(5, _raise(KeyboardInterrupt))), Classifier())
    audit = audit_of(monitor.folder)
    assert monitors_of(audit)["carbon"]["status"] == status
    assert (metrics_of(audit)["carbon.energy_kwh"]["value"] is None) == (status == "error")
    if status == "ran":
        assert any("interrupted" in item["reason"] for item in audit["not_checked"])


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", [True, False])
def test_an_end_waits_long_and_an_interruption_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(carbon, "Meter", Scripted)
    monkeypatch.setattr(Scripted, "stop", lambda self, patience_s: waited.append(patience_s) or "")
    action = _raise(KeyboardInterrupt) if interrupted else nothing
    try:
        fit(trainer(tmp_path, CarbonMonitor(), Slow(5, action), max_epochs=1), Classifier())
    except BaseException:  # noqa: BLE001 - Lightning makes it SystemExit
        assert interrupted
    assert waited == [carbon.HURRIED_S if interrupted else carbon.START_S]


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
def test_two_fits_at_once_and_one_after_the_other_have_a_record_each(tmp_path: Path) -> None:
    monitors = [CarbonMonitor(dirpath=tmp_path / str(n)) for n in range(2)]

    class Within(L.Callback):
        def on_train_batch_end(self, runner: L.Trainer, *_: Any) -> None:
            time.sleep(0.05)
            if runner.global_step == 6:
                fit(trainer(tmp_path, monitors[1], Slow(), max_epochs=1), Classifier())

    for _ in range(2):
        fit(trainer(tmp_path, monitors[0], Within(), max_epochs=1), Classifier())
    seconds = [metrics_of(audit_of(monitor.folder))["carbon.duration_s"]["value"] for monitor in monitors]
    assert seconds[0] > seconds[1] > 0
    assert [len(list((tmp_path / str(n)).iterdir())) for n in range(2)] == [2, 2]
    assert not threads()


@pytest.mark.slow
def test_totals_are_on_the_disk_a_step_after_a_checkpoint(tmp_path: Path, scripted: type[Scripted]) -> None:
    steps: list[list[int]] = []

    def look() -> None:
        record = Record.open(monitor.folder or "")
        steps.append([event["at_step"] for event in record.events("energy", replayed=True)])

    monitor = CarbonMonitor()
    fit(saver(tmp_path, monitor, Slow(8, look), max_epochs=1), Classifier())
    assert steps == [[1, 7]]  # the first of all, and the first after the checkpoint of step 6


# Copies and processes


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda callback: pickle.loads(pickle.dumps(callback))])
def test_a_copy_made_while_it_measures_measures_a_run_of_its_own(tmp_path: Path, copied: Any) -> None:
    made: list[CarbonMonitor] = []
    monitor = CarbonMonitor(max_energy_kwh=5.0)
    fit(trainer(tmp_path, monitor, Slow(3, lambda: made.append(copied(monitor))), max_epochs=1), Classifier())
    fit(trainer(tmp_path, made[0], Slow(), max_epochs=1), Classifier())
    assert made[0].folder != monitor.folder
    assert metrics_of(audit_of(made[0].folder))["carbon.energy_kwh"]["value"] > 0
    assert not threads()


SPAWNED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_carbon_enemies import CarbonMonitor, Classifier, Slow, fit, trainer

if __name__ == "__main__":
    monitor = CarbonMonitor(dirpath={folder!r})
    fit(trainer(Path({folder!r}), monitor, Slow(), strategy="ddp_spawn", devices=2, max_epochs=2), Classifier())
"""


@pytest.mark.slow
def test_two_processes_of_a_node_have_one_meter(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SPAWNED.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "runs")))
    environment = os.environ | {"CODECARBON_FORCE_RAM_POWER": str(RAM_W)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if (path / "run.json").exists())
    record = Record.open(folder)
    assert {event["rank"] for event in record.events("energy", replayed=True)} == {0}
    assert {event["status"] for event in record.events("monitor", replayed=True)} == {"ran"}
    assert watts(metrics_of(audit_of(str(folder)))) == pytest.approx(RAM_W, rel=0.05)


def test_the_command_line_of_lightning_takes_its_options(tmp_path: Path, scripted: type[Scripted]) -> None:
    pytest.importorskip("jsonargparse")
    from lightning.pytorch.cli import LightningCLI

    config = tmp_path / "config.yaml"
    config.write_text(
        "trainer:\n  accelerator: cpu\n  max_epochs: 1\n  logger: false\n  enable_checkpointing: false\n"
        "  enable_progress_bar: false\n  enable_model_summary: false\n  callbacks:\n"
        "  - class_path: groundwire.callbacks.CarbonMonitor\n    init_args:\n"
        f"      country_iso_code: fra\n      max_energy_kwh: 3\n      action: stop\n      dirpath: {tmp_path}\n"
    )
    cli = LightningCLI(Classifier, args=["--config", str(config)], run=False, save_config_callback=None)
    (monitor,) = (callback for callback in cli.trainer.callbacks if isinstance(callback, CarbonMonitor))
    fit(cli.trainer, cli.model)
    assert monitor.place.country_iso_code == "FRA"
    assert cli.trainer.global_step == 4  # of twelve


# Clocks, and runs of odd shapes


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_changes_no_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    clock, moved = time.time, [0.0]
    monkeypatch.setenv("CODECARBON_FORCE_RAM_POWER", str(RAM_W))
    monkeypatch.setattr(time, "time", lambda: clock() + moved[0])
    monitor = CarbonMonitor()
    jump = Slow(12, lambda: moved.__setitem__(0, jump_s))
    fit(trainer(tmp_path, monitor, jump, max_epochs=2), Classifier())
    metrics = metrics_of(audit_of(monitor.folder))
    assert watts(metrics) == pytest.approx(RAM_W, rel=0.05)
    assert metrics["carbon.duration_s"]["value"] < 60


def test_a_wall_of_validations_asks_for_few_readings(tmp_path: Path, scripted: type[Scripted]) -> None:
    asked: list[int] = []

    class Counting(L.Callback):
        def on_train_end(self, *_: Any) -> None:
            meter: Any = monitor._meter
            asked.append(meter.asked)

    monitor, started = CarbonMonitor(), time.monotonic()
    fit(trainer(tmp_path, Counting(), monitor, val_check_interval=1, max_epochs=4), Classifier())
    assert asked[0] <= (time.monotonic() - started) / carbon.SOON_S
    assert len(Record.open(monitor.folder or "").events("energy", replayed=True)) <= 3


@pytest.mark.parametrize("option", [{"fast_dev_run": True}, {"max_steps": 0}, {"limit_train_batches": 0}])
def test_a_fit_without_steps_is_left_alone(tmp_path: Path, scripted: type[Scripted], option: dict[str, Any]) -> None:
    monitor = CarbonMonitor()
    fit(trainer(tmp_path, monitor, **option), Classifier())
    assert not threads()
    if monitor.folder is not None:
        assert monitors_of(audit_of(monitor.folder))["carbon"]["status"] == "ran"


def test_a_checkpoint_that_is_resumed_twice_makes_two_runs(tmp_path: Path, scripted: type[Scripted]) -> None:
    first = CarbonMonitor()
    fit(saver(tmp_path, first, max_epochs=1), Classifier())
    alone = metrics_of(audit_of(first.folder))["carbon.energy_kwh"]["value"]
    monitors = [CarbonMonitor() for _ in range(2)]
    for monitor in monitors:
        runner = trainer(tmp_path, monitor, max_epochs=2)
        fit(runner, Classifier(), ckpt_path=next(tmp_path.glob("*step=6.ckpt")))
    assert monitors[0].folder == first.folder != monitors[1].folder
    assert audit_of(monitors[1].folder)["run"]["parent"] == Path(first.folder or "").name
    totals = [metrics_of(audit_of(monitor.folder)) for monitor in monitors]
    assert totals[0]["carbon.energy_kwh"]["value"] == alone + totals[1]["carbon.energy_kwh"]["value"]
    assert "carbon.lost_energy_kwh" not in totals[1]


@pytest.mark.slow
def test_an_object_store_keeps_the_ledger_and_the_budget(tmp_path: Path, scripted: type[Scripted]) -> None:
    options: dict[str, Any] = {"dirpath": f"memory://{tmp_path.name}", "max_energy_kwh": 11.5, "action": "stop"}
    with pytest.raises(RuntimeError):
        runner = saver(tmp_path, CarbonMonitor(**options), Slow(9, _raise(RuntimeError)))
        fit(runner, Classifier())
    second = CarbonMonitor(**options)
    runner = trainer(tmp_path, second)
    fit(runner, Classifier(), ckpt_path=next(tmp_path.glob("*step=6.ckpt")))
    assert runner.global_step == 6 + 2  # ten readings of the first attempt, two of the second
    assert len(Ledger.of(*_events(second)).accounts) == 2


def _events(monitor: CarbonMonitor) -> tuple[Any, Any, Any]:
    record = Record.open(monitor.folder or "")
    return record.run, record.events("meter", replayed=True), record.events("energy", replayed=True)


# Budgets of emissions where the place is not known


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
def test_a_budget_of_emissions_that_cannot_be_kept_is_said(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Not known now, or not known in the attempt before this one."""
    monkeypatch.setattr(Scripted, "source", "")
    monitor = CarbonMonitor(max_emissions_kg=1e-9, action="stop")
    runner = saver(tmp_path, monitor, Slow(9, _raise(RuntimeError) if before else nothing))
    if before:
        with pytest.raises(RuntimeError):
            fit(runner, Classifier())
        monkeypatch.setattr(Scripted, "source", "codecarbon 3, mean of a year")
        runner = trainer(tmp_path, monitor, max_epochs=1)
        fit(runner, Classifier(), ckpt_path=next(tmp_path.glob("*step=6.ckpt")))
    else:
        fit(runner, Classifier())
    assert "max_emissions_kg" in {item["what"] for item in audit_of(monitor.folder)["not_checked"]}


# Configuration


def metered(**options: Any) -> Meter:
    made = Meter(options, period_s=10)
    made.stop(20)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "place", "low", "high"),
    [
        ({"cloud_provider": "gcp", "cloud_region": "europe-west9"}, "gcp:europe-west9", 0.0, 0.1),
        ({"cloud_provider": "aws", "cloud_region": "eu-west-3"}, "", None, None),  # it has figures of gcp alone
        ({"cloud_provider": "gcp", "cloud_region": "atlantis"}, "", None, None),
        ({"cloud_provider": "aws", "cloud_region": "eu-west-3", "country_iso_code": "FRA"}, "FRA", 0.0, 0.1),
    ],
)
def test_a_cloud_region_without_figures_is_no_place(options: dict[str, str], place: str, low: Any, high: Any) -> None:
    made = metered(**options)
    assert made.problem == ""
    assert (made.facts or {})["location"] == place
    (read,) = made.take()
    assert read.kg_per_kwh is None if low is None else low < (read.kg_per_kwh or 0) < high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUE", "abc"), ("PUE", "-1"), ("WUE", "-1"), ("COUNTRY_ISO_CODE", "ZZZ"), ("OUTPUT_DIR", "/not/there"),
        ("FORCE_RAM_POWER", "abc"), ("TRACKING_MODE", "galaxy"), ("GPU_IDS", "7,x"), ("LOG_LEVEL", "loud"),
        ("CLOUD_PROVIDER", "aws"), ("FORCE_CARBON_INTENSITY_G_CO2E_KWH", "-5"), ("METADATA", "{"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_of_codecarbon_costs_no_energy_and_makes_no_emissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_meter: None, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CODECARBON_{name}", value)
    monitor = CarbonMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=1), Classifier())
    metrics = metrics_of(audit_of(monitor.folder))
    assert metrics["carbon.energy_kwh"]["value"] > 0
    assert metrics["carbon.emissions_kg"]["value"] is None
    assert "carbon.facility_energy_kwh" not in metrics


def test_a_configuration_that_cannot_be_read_leaves_the_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".codecarbon.config").write_text("pue = 1.2\n")
    monkeypatch.chdir(tmp_path)
    monitor = CarbonMonitor()
    runner = trainer(tmp_path, monitor, max_epochs=1)
    fit(runner, Classifier())
    assert runner.global_step == 12
    audit = audit_of(monitor.folder)
    assert monitors_of(audit)["carbon"]["status"] == "error"
    assert metrics_of(audit)["carbon.energy_kwh"]["quality"] == "unknown"
