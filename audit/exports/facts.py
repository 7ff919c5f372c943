"""What every card reads out of an audit: figures and how they were obtained, the hardware, the boundary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .. import registry
from ..model import Audit, Quality, RunStatus

ENERGY, FACILITY = "carbon.energy_kwh", "carbon.facility_energy_kwh"
EMISSIONS, INTENSITY, EMBODIED = "carbon.emissions_kg", "carbon.intensity", "carbon.embodied_kg"
DURATION, FLOP = "carbon.duration_s", "efficiency.training_flop"

_MAY_BE_ZERO = ("carbon.water_l", "carbon.cost")  # where 0 was declared; elsewhere it is a meter that read nothing
# A country (FRA, CAN:quebec) or a region of a cloud (aws:eu-west-3); behind them stands what the figure is from.
_PLACE = r"(?:[A-Z]{3}(?!\w)(?::[^,;]+)?|[\w-]+:[^,;]+)"
_ZONE = re.compile(rf"grid of ({_PLACE}(?:, {_PLACE})*)")

WITHIN = (
    "Energy of CPU, GPU and memory of the machines that trained, over all attempts of this run,"
    " with validation, checkpoints and the audit itself."
)
WITHOUT = (
    "Not in it: other runs (searches, failed experiments), the training of the weights that this run began with,"
    " preparing the data, storage, network, and the use of the model afterwards."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A number as a card writes it.

    Attributes:
        value: In `unit`; None when it is not known of the whole run.
        unit: From the registry; for a cost the currency.
        quality: How it was obtained.
        how: The method, or why there is no value.
        low: Least that it may be, where that is known.
        high: Most that it may be.
    """

    value: float | None
    unit: str
    quality: Quality
    how: str
    low: float | None = None
    high: float | None = None

    def scaled(self, factor: float, unit: str) -> Figure:
        """Return the same figure in another unit."""
        ends = (self.value, self.low, self.high)
        value, low, high = (None if end is None else end * factor for end in ends)
        return replace(self, value=value, unit=unit, low=low, high=high)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """What a run trained on.

    Attributes:
        count: Devices, or machines where it trained on CPUs.
        name: Of one of them, as the driver prints it: hostile text.
        note: What the record does not say of it.
    """

    count: int
    name: str
    note: str

    def __str__(self) -> str:
        return f"{self.count} × {self.name}"


def unknown(reason: str, unit: str = "") -> Figure:
    """Return a figure that nobody knows, with the reason."""
    return Figure(value=None, unit=unit, quality=Quality.UNKNOWN, how=reason)


def figure(audit: Audit, name: str, labels: Mapping[str, str] | None = None) -> Figure:
    """Return a metric as a figure; a value of unknown quality (a part of the run) is none."""
    quantity, metric = registry.metric(name), audit.metric(name, labels)
    unit = quantity.unit if quantity else ""
    if metric is None:
        return unknown(f"{name} was not measured", unit)
    if metric.value is None or metric.quality is Quality.UNKNOWN:
        return unknown(metric.reason or f"not known of the whole run: {metric.method}", metric.unit)
    if metric.value < 0 or (metric.value == 0 and not labels and name not in _MAY_BE_ZERO):
        return unknown(f"the meter read {metric.value:g} {metric.unit}, which no run uses", metric.unit)
    return Figure(
        value=metric.value, unit=metric.unit, quality=metric.quality, how=metric.method, low=metric.low,
        high=metric.high,
    )  # fmt: skip


def seconds(audit: Audit) -> Figure:
    """Return the wall-clock time of all attempts; of a run that was killed, the time that was metered."""
    if audit.run.duration_s:
        how = "wall clock from the start to the end of each attempt, summed"
        return Figure(value=audit.run.duration_s, unit="s", quality=Quality.MEASURED, how=how)
    return figure(audit, DURATION)


def zone(audit: Audit) -> str:
    """Return the grid that the emissions were computed with, as the method of the metric names it; else empty."""
    for name in (INTENSITY, EMISSIONS):
        metric = audit.metric(name)
        found = _ZONE.search(metric.method) if metric is not None and metric.value is not None else None
        if found:
            return found[1].strip()
    return ""


def hardware(audit: Audit) -> Hardware:
    """Return the devices of a run: one for each process where it saw GPUs, else the machines."""
    told = audit.environment
    gpus = told.get("gpus")
    names = list(dict.fromkeys(map(str, gpus))) if isinstance(gpus, list) else []
    if names and "cpu" not in str(told.get("accelerator", "")).lower():
        note = "that each process of the run used one of the GPUs that it saw is assumed"
        return Hardware(count=_number(told.get("world_size")), name=" or ".join(names), note=note)
    cores = told.get("cpus")
    name = str(told.get("cpu") or "CPU of unrecorded model") + (f" with {cores} cores" if cores else "")
    several = "nodes" not in told and _number(told.get("world_size")) > 1
    note = "the number of machines is not recorded: one is assumed" if several else ""
    return Hardware(count=_number(told.get("nodes")), name=name, note=note)


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 1


def unfinished(audit: Audit) -> str:
    """Return what a reader must know of a run that did not finish; empty when it did."""
    run = audit.run
    if run.status is RunStatus.FINISHED:
        return ""
    if run.status is RunStatus.RUNNING:
        ended = "nobody has said that it ended (it still runs, or was killed)"
    else:
        ended = f"it {'was ' if run.status is RunStatus.INTERRUPTED else ''}{run.status} after {run.steps:,} steps"
    return f"THE RUN IS NOT FINISHED: {ended}. The figures are what was spent until the last reading."


def boundary(audit: Audit) -> tuple[str, ...]:
    """Return what the figures hold and what they do not, one sentence each."""
    run = audit.run
    told = [unfinished(audit), WITHIN, WITHOUT]
    if run.attempts > 1:
        told.append(f"The run took {run.attempts} attempts: work that was lost between them was spent, and counts.")
    if run.parent:
        told.append(f"The run goes on from run {run.parent}, whose energy is not in it.")
    return tuple(filter(None, told))
