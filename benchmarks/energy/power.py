"""Hardware whose power is known at every moment, in the place of what codecarbon finds on the machine."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JOULES = 3.6e6  # in a kilowatt-hour
PHASES = ("training", "validation", "generation")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """Power that swings about a level of its own in each phase.

    Attributes:
        watts: Level of each phase (W).
        swing: Amplitude, as a share of the level.
        period_s: Of the swing (s).
    """

    watts: Mapping[str, float]
    swing: float = 0.0
    period_s: float = 1.0

    def power(self, phase: str, at: float) -> float:
        """Return the power at a time (W)."""
        return self.watts[phase] * (1 + self.swing * math.sin(2 * math.pi * at / self.period_s))

    def energy(self, phase: str, start: float, end: float) -> float:
        """Return the energy between two times, integrated on paper (J)."""
        turns = 2 * math.pi / self.period_s
        swung = self.swing / turns * (math.cos(turns * start) - math.cos(turns * end))
        return self.watts[phase] * (end - start + swung)


WAVES = {
    "gpu": Wave(watts={"training": 300.0, "validation": 180.0, "generation": 380.0}, swing=0.2, period_s=7.0),
    "cpu": Wave(watts={"training": 60.0, "validation": 90.0, "generation": 40.0}, swing=0.1, period_s=11.0),
    "ram": Wave(watts=dict.fromkeys(PHASES, 20.0)),
}


class Truth:
    """Which phase it really was, and what it really took.

    Attributes:
        switches: When each phase began, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.switches: list[tuple[float, str]] = [(time.monotonic(), PHASES[0])]

    def switch(self, phase: str) -> None:
        """Begin a phase."""
        if phase != self.switches[-1][1]:
            self.switches.append((time.monotonic(), phase))

    def joules(self, kind: str, until: float | None = None) -> dict[str, float]:
        """Return the energy of a component in each phase until a time, else until now (J)."""
        end, found = time.monotonic() if until is None else until, dict.fromkeys(PHASES, 0.0)
        ends = [*(begin for begin, _ in self.switches[1:]), end]
        for (begin, phase), last in zip(self.switches, ends, strict=True):
            if begin < end:
                found[phase] += WAVES[kind].energy(phase, begin, min(last, end))
        return found

    def watts(self, kind: str) -> float:
        """Return the power of a component now (W)."""
        return WAVES[kind].power(self.switches[-1][1], time.monotonic())


def plug(truth: Truth) -> None:
    """Make codecarbon find a GPU with a counter, a CPU that it samples and memory of constant power."""
    from codecarbon.core.resource_tracker import ResourceTracker

    found = ResourceTracker.set_CPU_GPU_ram_tracking

    def setup(self: Any) -> None:
        found(self)
        self.tracker._hardware = hardware(truth)

    ResourceTracker.set_CPU_GPU_ram_tracking = setup


def hardware(truth: Truth) -> list[Any]:
    """Return the three components, as codecarbon asks them."""
    from codecarbon.core.units import Energy, Power
    from codecarbon.external.hardware import CPU, GPU
    from codecarbon.external.ram import RAM

    class SampledCPU(CPU):  # type: ignore[misc] # codecarbon is not typed
        """Read once a second, as a model of the load is."""

        def _get_power_from_cpus(self) -> Any:
            return Power.from_watts(truth.watts("cpu"))

    class Devices:
        """Tells no utilisation."""

        def get_gpu_utilization_list(self) -> list[Any]:
            return []

    class CountedGPU(GPU):  # type: ignore[misc]
        """A counter that never rests."""

        def __init__(self) -> None:
            self.gpu_ids, self.devices, self._read = [0], Devices(), 0.0

        def start(self) -> None:
            self._read = sum(truth.joules("gpu").values())

        def monitor_power(self) -> None:
            pass

        def measure_power_and_energy(self, last_duration: float) -> tuple[Any, Any]:
            before, self._read = self._read, sum(truth.joules("gpu").values())
            return Power.from_watts(truth.watts("gpu")), Energy.from_energy((self._read - before) / JOULES)

        def description(self) -> str:
            return "GPU with a counter"

    watts = WAVES["ram"].watts["training"]
    return [
        RAM(tracking_mode="machine", force_ram_power=watts),
        SampledCPU(output_dir=".", mode="cpu_load", model="known", tdp=100),
        CountedGPU(),
    ]
