"""Metrics are summed, rules are asked, and what nobody knows is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.judge import judge
from groundwire.audit.model import Audit, Outcome, RunStatus, dump
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.rules import RULES
from groundwire.audit.runfile import NAME
from groundwire.audit.series import Rows
from groundwire.audit.storage import open_folder
from run_material import STEPS, attempt, make_run, run_file, write_steps


def energy(recorder: Recorder, kwh: float, location: str = "FRA", how: str = "counter") -> None:
    recorder.event("monitor", name="carbon", status="ran", reason=None, seconds=0.0)
    source = "codecarbon 3, mean of a year" if location else ""
    facts = {"location": location, "intensity_source": source, "version": "3", "unmetered_s": 0.5, "pue": None}
    recorder.event("meter", provenance={"cpu": how}, **facts)
    recorder.event(
        "energy", at_step=5, energy_kwh=kwh, cpu_kwh=kwh, gpu_kwh=0.0, ram_kwh=0.0, duration_s=10.0, asleep_s=0.0,
        kg_per_kwh=0.05 if location else None, phases={"training": kwh},
    )  # fmt: skip
    recorder.flush_events()


def two_attempts(path: Path) -> tuple[Recorder, Recorder]:
    folder = open_folder(path)
    folder.write(NAME, run_file(attempt(status=RunStatus.CRASHED), attempt(2, first_step=5), world_size=2).text())
    recorders = Recorder(folder, attempt=1, rank=0), Recorder(folder, attempt=2, rank=0)
    write_steps(recorders[1], range(6, 50))
    return recorders


def test_energy_is_the_sum_of_last_totals_over_attempts_and_nodes(tmp_path: Path) -> None:
    first, second = two_attempts(tmp_path)
    node = Recorder(open_folder(tmp_path), attempt=2, rank=1)
    energy(first, 1.0)
    energy(first, 2.0)
    energy(second, 4.0, how="load-model")
    energy(node, 8.0)
    audit = judge(Record.open(tmp_path))
    total = audit.metric("carbon.energy_kwh")
    assert total is not None
    assert (total.value, total.quality) == (14.0, "modelled")
    assert audit.metric("carbon.energy_kwh", {"component": "cpu"}) is not None
    emissions, duration = audit.metric("carbon.emissions_kg"), audit.metric("carbon.duration_s")
    assert emissions is not None and emissions.value == pytest.approx(0.7)
    assert duration is not None and duration.value == 20.0


def test_one_unknown_location_makes_all_emissions_unknown(tmp_path: Path) -> None:
    first, second = two_attempts(tmp_path)
    energy(first, 1.0)
    energy(second, 1.0, location="")
    emissions = judge(Record.open(tmp_path)).metric("carbon.emissions_kg")
    assert emissions is not None
    assert emissions.value is None
    assert "location unknown" in (emissions.reason or "")


def test_an_attempt_that_was_killed_unread_makes_the_total_unsure(tmp_path: Path) -> None:
    _, second = two_attempts(tmp_path)
    energy(second, 1.0)
    total = judge(Record.open(tmp_path)).metric("carbon.energy_kwh")
    assert total is not None
    assert total.quality == "unknown"
    assert "its energy is missing" in total.method


def test_a_rule_without_its_evidence_is_unknown_and_a_broken_one_an_error(tmp_path: Path) -> None:
    make_run(tmp_path)

    def broken(case: Any, threshold: float) -> None:
        raise ZeroDivisionError("by zero")

    rules = (replace(RULES[0], judge=broken), *RULES[1:])
    outcomes = {outcome.name: outcome for outcome in judge(Record.open(tmp_path), rules).rules}
    assert outcomes["non-finite"].outcome is Outcome.ERROR
    assert outcomes["updates-too-large"].outcome is Outcome.UNKNOWN
    assert "gradient.update_ratio was not recorded" in (outcomes["updates-too-large"].reason or "")
    assert outcomes["toxic-generations"].outcome is Outcome.UNKNOWN


def test_short_runs_are_too_short_but_for_what_is_not_finite(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write(NAME, run_file().text())
    recorder = Recorder(folder, attempt=1, rank=0)
    recorder.event("monitor", name="gradient", status="ran", reason=None, seconds=0.1)
    recorder.rows("steps", Rows.of(STEPS, [(1, 1, 0, 0.0)], [[float("nan"), 0.1, float("nan")]]))
    recorder.flush_events()
    audit = judge(Record.open(tmp_path))
    assert [finding.name for finding in audit.findings] == ["non-finite"]
    assert "too short to judge" in str({rule.name: rule.reason for rule in audit.rules}["loss-spike"])


def test_steps_that_the_scaler_skipped_are_not_counted(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write(NAME, run_file().text())
    recorder = Recorder(folder, attempt=1, rank=0)
    recorder.event("monitor", name="gradient", status="ran", reason=None, seconds=0.1)
    recorder.event("skipped_step", step=1)
    infinite = [[1.0, 0.1, float("inf")], [1.0, 0.1, float("inf")]]
    recorder.rows("steps", Rows.of(STEPS, [(1, 1, 0, 0.0), (2, 2, 0, 0.0)], infinite))
    recorder.flush_events()
    found = judge(Record.open(tmp_path)).metric("gradient.nonfinite_steps")
    assert found is not None
    assert found.value == 1


def test_a_monitor_that_broke_anywhere_is_an_error(tmp_path: Path) -> None:
    folder = make_run(tmp_path, finished=False)
    folder.write(NAME, run_file(attempt(), attempt(2, first_step=50)).text())
    recorder = Recorder(folder, attempt=2, rank=0)
    recorder.event("monitor", name="gradient", status="error", reason="boom", seconds=1.0)
    recorder.event("monitor", name="gradient", status="ran", reason=None, seconds=2.0)
    recorder.flush_events()
    monitors = {monitor.name: monitor for monitor in judge(Record.open(tmp_path)).monitors}
    assert (monitors["gradient"].status, monitors["gradient"].reason) == ("error", "boom")
    assert monitors["overfitting"].status == "ran"


def test_the_audit_names_what_nobody_checked_and_is_always_the_same(tmp_path: Path) -> None:
    make_run(tmp_path)
    first, second = (judge(Record.open(tmp_path)) for _ in range(2))
    assert dump(first) == dump(second)
    assert {"group disparity", "memorisation of training text"} <= {item.what for item in first.not_checked}
    assert Audit.model_validate_json(dump(first)).metrics == first.metrics
    assert json.loads(dump(first))["run"]["steps"] == 50


def test_damage_and_notes_reach_the_audit(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    events = folder.read("events.jsonl")
    (tmp_path / "events.jsonl").write_bytes(events[:-40])
    assert judge(Record.open(tmp_path)).run.damage
