"""Runs that differ in what a test says, as audit.json alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from groundwire.audit.model import Audit, Metric, Run, RunStatus, dump

ENVIRONMENT: dict[str, Any] = {"cpus": 8, "gpus": ["H200"], "world_size": 1, "packages": {"torch": "2.13.0"}}
CONFIGURATION: dict[str, Any] = {
    "trainer": {"max_steps": 100},
    "optimizer": {"name": "AdamW", "lr": 0.01},
    "data": {"batch_size": 8, "sha256": "abc"},
    "model": {"dropout": 0.0},
}


def metric(name: str, value: float | None, **more: Any) -> Metric:
    fields: dict[str, Any] = {"unit": "", "quality": "measured", "method": "measured", "monitor": "test"} | more
    return Metric.model_validate({"name": name, "value": value} | fields, strict=False)


def audit(
    number: int = 1, *metrics: Metric, seed: object = None, status: str = "finished", parent: str | None = None,
    damage: tuple[str, ...] = (), environment: dict[str, Any] | None = None, **configuration: dict[str, Any],
) -> Audit:  # fmt: skip
    """Return an audit; `seed` is its number where none is given, and `model=…` adds to the configuration's model."""
    found = {key: CONFIGURATION.get(key, {}) | configuration.get(key, {}) for key in (*CONFIGURATION, *configuration)}
    told = str(number if seed is None else seed)
    run = Run(
        id=f"20261121T0059-run{number:03d}", parent=parent, status=RunStatus(status), model="TinyGPT",
        started="2026-11-21T00:59:00Z", steps=100, damage=list(damage),
    )  # fmt: skip
    return Audit(
        run=run,
        metrics=list(metrics),
        configuration=found,
        environment=ENVIRONMENT | {"seed": told} | (environment or {}),
    )


def write(folder: Path, *audits: Audit) -> list[Path]:
    """Write each audit into a folder of its own."""
    places = []
    for found in audits:
        place = folder / found.run.id
        place.mkdir(parents=True)
        (place / "audit.json").write_text(dump(found))
        (place / "run.json").write_text("{}")
        places.append(place)
    return places


def losses(*values: float, name: str = "logged.val_loss", **more: Any) -> list[Audit]:
    """Return audits with one logged value each, seeds 1, 2, …"""
    return [audit(place, metric(name, value), **more) for place, value in enumerate(values, start=1)]
