"""Isolation of the tests of callbacks from the machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import lightning as L
import pytest
from groundwire.callbacks import carbon, purse
from groundwire.callbacks.account import Reading


class QuickMeter:
    """Stands in for codecarbon, whose start takes seconds; tests of the real one ask for `real_meter`."""

    def __init__(self, options: dict[str, object], *, period_s: float, look_up: bool = False) -> None:
        self.options, self.look_up, self.problem = options, look_up, ""
        self.readings: list[Reading] = []
        self.facts = {
            "provenance": {"cpu": "load-model"}, "location": "", "location_source": "unknown",
            "intensity_source": "", "unmetered_s": 0.1, "version": "0",
        }  # fmt: skip

    def ask(self) -> None:
        pass

    def take(self) -> list[Reading]:
        return [self.readings.pop(0) for _ in range(len(self.readings))]

    def stop(self, patience_s: float) -> str:
        if not self.problem:
            kwh = {"cpu": 1e-6, "gpu": 0.0, "ram": 0.0}
            self.readings.append(Reading(at=time.monotonic(), kwh=kwh, duration_s=1.0))
        return self.problem


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


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    """Forget what a test has compiled: monitors keep away from a process that compiles."""
    yield
    if dynamo := sys.modules.get("torch._dynamo"):
        dynamo.reset()
        dynamo.utils.counters.clear()
