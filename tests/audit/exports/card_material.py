"""An audit of a training on two GPUs whose energy, grid and computation are known."""

from __future__ import annotations

from typing import Any

from groundwire.audit.model import Audit, Metric, Quality, Run, RunStatus

METER = "codecarbon 3.3.2 offline, whole machine: cpu modelled, gpu measured, ram modelled"
HOSTILE = "Tiny<!-- /groundwire -->\u202e\n---\n| [x](http://evil) @all: GPT"

# name: value, unit, quality
KNOWN: dict[str, tuple[float, str, Quality]] = {
    "carbon.energy_kwh": (10.0, "kWh", Quality.MODELLED),
    "carbon.facility_energy_kwh": (12.0, "kWh", Quality.DECLARED),
    "carbon.intensity": (0.05, "kg/kWh", Quality.MODELLED),
    "carbon.emissions_kg": (0.6, "kg", Quality.MODELLED),
    "carbon.duration_s": (36_000.0, "s", Quality.MEASURED),
    "carbon.energy_per_token": (0.009, "J", Quality.MODELLED),
    "efficiency.training_flop": (3.456e21, "FLOP", Quality.MEASURED),
}


def metric(
    name: str, value: float | None, unit: str = "", quality: Quality = Quality.MEASURED, **more: Any
) -> Metric:
    fields: dict[str, Any] = {"method": METER, "monitor": "carbon"} | more
    return Metric(name=name, value=value, unit=unit, quality=quality, **fields)


def training(
    without: tuple[str, ...] = (), *more: Metric, environment: dict[str, Any] | None = None, **run: Any
) -> Audit:
    """Return an audit; metrics in `more` replace those of the same name, `run` changes the run."""
    gone = {*without, *(each.name for each in more if not each.labels)}
    found = [metric(name, *told) for name, told in KNOWN.items() if name not in gone]
    grid = f"{METER}; grid of FRA"
    located = ("carbon.intensity", "carbon.emissions_kg")
    found = [each.model_copy(update={"method": grid}) if each.name in located else each for each in found]
    told: dict[str, Any] = {
        "id": "20261121T0059-7f3a", "status": RunStatus.FINISHED, "model": "TinyGPT", "steps": 1000, "epochs": 4,
        "started": "2026-11-21T00:00:00Z", "ended": "2026-11-21T12:00:00Z", "duration_s": 43_200.0,
    }  # fmt: skip
    hardware = {"gpus": ["NVIDIA H200", "NVIDIA H200"], "world_size": 2, "cpus": 32}
    return Audit(run=Run(**told | run), metrics=[*found, *more], environment=hardware | (environment or {}))


def unlocated(**run: Any) -> Audit:
    """Return an audit whose emissions are unknown, as where nobody said where the machine stands."""
    why: dict[str, Any] = {"quality": Quality.UNKNOWN, "reason": "location unknown: name it"}
    lost = [
        metric(name, None, unit, **why)
        for name, unit in (("carbon.intensity", "kg/kWh"), ("carbon.emissions_kg", "kg"))
    ]
    return training((), *lost, **run)
