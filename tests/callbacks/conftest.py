"""Isolation of the tests of callbacks from the machine."""

from __future__ import annotations

from collections.abc import Iterator

import lightning as L
import pytest
from groundwire.callbacks import carbon, purse


class QuickMeter:
    """Stands in for codecarbon, whose start takes seconds; tests of the real one ask for `real_meter`."""

    def __init__(self, options: dict[str, object]) -> None:
        self.options, self.latest, self.problem = options, None, ""

    def ask(self) -> None:
        pass

    def stop(self, patience_s: float) -> tuple[dict[str, object], str]:
        return {
            "energy_kwh": 1e-6, "cpu_kwh": 1e-6, "gpu_kwh": 0.0, "ram_kwh": 0.0, "emissions_kg": None,
            "duration_s": 1.0, "location": "", "unmetered_s": 0.1, "qualities": {"cpu": "modelled"},
            "pue": 1.0, "version": "0",
        }, ""  # fmt: skip


@pytest.fixture(autouse=True)
def quick_meter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_meter" not in request.fixturenames:
        monkeypatch.setattr(carbon, "Meter", QuickMeter)


@pytest.fixture(autouse=True)
def time_to_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no result depend on how busy the machine is."""
    monkeypatch.setattr(purse, "GRACE_S", 600.0)


@pytest.fixture
def real_meter() -> None:
    """Ask for codecarbon itself."""


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    L.seed_everything(7, verbose=False)
    yield
