"""What a card reads out of an audit."""

from __future__ import annotations

import pytest
from card_material import metric, training
from groundwire.audit.exports.facts import ENERGY, boundary, figure, hardware, seconds, unfinished, zone
from groundwire.audit.model import Quality, RunStatus


def test_a_value_of_a_part_of_the_run_is_none() -> None:
    lost = metric(ENERGY, 3.0, "kWh", Quality.UNKNOWN, method="attempt 2 broke before its first reading")
    found = figure(training((), lost), ENERGY)
    assert found.value is None
    assert "attempt 2 broke" in found.how


def test_a_meter_that_read_nothing_is_unknown_and_a_gpu_without_energy_is_not() -> None:
    part = metric(ENERGY, 0.0, "kWh", labels={"component": "gpu"})
    audit = training((), metric(ENERGY, 0.0, "kWh"), part)
    assert figure(audit, ENERGY).value is None
    assert figure(audit, ENERGY, {"component": "gpu"}).value == 0


def test_what_was_not_measured_has_its_unit_and_says_so() -> None:
    found = figure(training(("carbon.energy_kwh",)), ENERGY)
    assert (found.value, found.unit, found.quality) == (None, "kWh", Quality.UNKNOWN)
    assert found.how == "carbon.energy_kwh was not measured"


def test_a_run_that_was_killed_has_the_time_that_was_metered() -> None:
    assert seconds(training()).value == 43_200
    assert seconds(training(duration_s=None)).value == 36_000


def test_the_zone_is_that_of_known_emissions_only() -> None:
    assert zone(training()) == "FRA"
    nowhere = metric("carbon.emissions_kg", None, "kg", Quality.UNKNOWN, reason="?", method="x; grid of FRA")
    assert zone(training(("carbon.intensity",), nowhere)) == ""


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        ("grid of FRA, codecarbon 3.3.2, mean of a year", "FRA"),
        (
            "x; grid of CAN:quebec, aws:eu-west-3, Electricity Maps by codecarbon 3.3.2; with PUE 1.2",
            "CAN:quebec, aws:eu-west-3",
        ),
        ("grid of FRA, DEU; more", "FRA, DEU"),
        ("grid of FRA, codecarbon 3.3.2, mean of a year; without PUE: none declared", "FRA"),
        ("grid as declared, declared in codecarbon's configuration", ""),
    ],
)
def test_the_zone_ends_where_its_source_begins(grid: str, told: str) -> None:
    assert zone(training((), metric("carbon.intensity", 0.05, "kg/kWh", method=grid))) == (told or "FRA")


def test_hardware_is_a_gpu_for_each_process() -> None:
    assert str(hardware(training())) == "2 × NVIDIA H200"
    mixed = hardware(training(environment={"gpus": ["NVIDIA H200", "NVIDIA A100"]}))
    assert mixed.name == "NVIDIA H200 or NVIDIA A100"
    assert "assumed" in mixed.note


@pytest.mark.parametrize("environment", [{"gpus": []}, {"accelerator": "CPUAccelerator"}, {"gpus": None}])
def test_hardware_without_gpus_is_the_machine(environment: dict[str, object]) -> None:
    found = hardware(training(environment=environment))
    assert (found.count, found.name) == (1, "CPU of unrecorded model with 32 cores")
    assert "one is assumed" in found.note  # two processes may be two machines


def test_machines_are_counted_where_they_are_recorded() -> None:
    found = hardware(training(environment={"gpus": [], "nodes": 4, "cpu": "EPYC 9654"}))
    assert (str(found), found.note) == ("4 × EPYC 9654 with 32 cores", "")


def test_hardware_is_told_of_an_environment_that_says_nothing_or_nonsense() -> None:
    nonsense = {"gpus": "many", "world_size": "2", "cpus": None}
    assert str(hardware(training(environment=nonsense))) == "1 × CPU of unrecorded model"


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.INTERRUPTED, RunStatus.CRASHED])
def test_an_unfinished_run_is_named_first(status: RunStatus) -> None:
    told = boundary(training(status=status))
    assert told[0].startswith("THE RUN IS NOT FINISHED")
    assert told[0] == unfinished(training(status=status))
    assert unfinished(training()) == ""


def test_the_boundary_names_attempts_and_the_run_before() -> None:
    told = " ".join(boundary(training(attempts=3, parent="20261120T0000-aaaa")))
    assert "3 attempts" in told
    assert "goes on from run 20261120T0000-aaaa" in told
