"""Made-up records of energy and audits of efficiency, for the report's tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundwire.audit import energy, registry
from groundwire.audit.model import Audit, Metric, Quality
from groundwire.audit.runfile import RunFile
from record_material import FakeRecord
from report_material import run
from run_material import attempt, run_file

PROVENANCE = {"cpu": "load-model", "gpu": "counter", "ram": "constant"}
DECLARED = {"pue": 1.2, "wue": 0.4, "price_per_kwh": 0.3, "currency": "EUR", "embodied_kg_per_s": 1e-5}


@dataclass
class EnergyRecord(FakeRecord):
    """A record with energy events and the attempts that they belong to."""

    run: RunFile | None = None

    def events(self, kind: str, *, replayed: bool = False) -> list[dict[str, Any]]:
        return self.happened.get(kind, [])


def meter(number: int = 1, rank: int = 0, **more: Any) -> dict[str, Any]:
    facts = {"version": "3.3.2", "provenance": PROVENANCE, "location": "FRA", "location_source": "declared",
             "intensity_source": "codecarbon 3.3.2, mean of a year", "pue": None, "wue": None}  # fmt: skip
    return {"attempt": number, "rank": rank, "unmetered_s": 1.0, **facts, **more}


def reading(total: float, step: int, number: int = 1, rank: int = 0, **more: Any) -> dict[str, Any]:
    parts = {"cpu_kwh": 0.25 * total, "gpu_kwh": 0.5 * total, "ram_kwh": 0.25 * total}
    phases = {"training": 0.8 * total, "validation": 0.15 * total, "generation": 0.05 * total, "checkpoint": 0.0}
    told = {"energy_kwh": total, "at_step": step, "duration_s": 60.0, "kg_per_kwh": 0.05, "phases": phases}
    return {"attempt": number, "rank": rank, **parts, **told, **more}


def foretold(step: int, value: float, **more: Any) -> dict[str, Any]:
    band = {"value": value, "low": 0.9 * value, "high": 1.1 * value, "confidence": 0.8}
    return {"attempt": 1, "rank": 0, "at_step": step, "for_step": 100, **band, **more}


def one_attempt(*, known: bool = True, **declared: Any) -> EnergyRecord:
    """Return a record of one attempt that took 0.4 kWh, with what was declared."""
    place = {} if known else {"location": "", "location_source": "unknown", "intensity_source": ""}
    rate = {} if known else {"kg_per_kwh": None}
    happened = {
        "meter": [meter(**(place | declared))],
        "energy": [reading(0.2, 50, **rate), reading(0.4, 100, **rate)],
        "energy_forecast": [foretold(20, 0.41), foretold(50, 0.3)],
    }
    return EnergyRecord(happened=happened, run=run_file(attempt(epochs=4)))


def resumed(*, unread: bool = False) -> EnergyRecord:
    """Return a record of a crash at step 30, resumed at step 20; `unread`: nothing is known of the first."""
    events = [reading(0.1, 10), reading(0.3, 30), reading(0.5, 100, number=2)]
    happened = {"meter": [meter(1), meter(2)], "energy": events[2:] if unread else events}
    return EnergyRecord(happened=happened, run=run_file(attempt(1), attempt(2, first_step=20)))


def audit_of(record: Any, *more: Metric) -> Audit:
    """Return an audit with the ledger's metrics of a record, and more."""
    attempts = len(record.run.attempts)
    return Audit(run=run(attempts=attempts), metrics=[*energy.measure(record), *more], digest="ab" * 32)


def metric(name: str, value: float | None, method: str = "measured so", **more: Any) -> Metric:
    known = registry.metric(name)
    quality = Quality.UNKNOWN if value is None else Quality.MEASURED
    reason = "nobody told" if value is None else None
    return Metric(
        **{"name": name, "value": value, "unit": known.unit if known else "", "quality": quality, "method": method,
           "monitor": "efficiency", "reason": reason} | more
    )  # fmt: skip


def efficiency(**changes: float | None) -> list[Metric]:
    """Return the metrics of efficiency; changes by the name after `efficiency.`."""
    values: dict[str, float | None] = {
        "samples_per_s": 320.0, "tokens_per_s": 41_000.0, "training_flop": 1.5e15, "mfu": 0.31,
        "data_wait_share": 0.2, "validation_share": 0.1, "checkpoint_share": 0.0004, "peak_memory": 3.0 * 2**30,
        "memory_headroom": 0.75, "gpu_utilisation": 0.97, "wasted_kwh": 0.08,
    }  # fmt: skip
    values |= changes
    methods = {"mfu": "1.5e15 FLOP against a dense peak of 1e12 FLOP/s in bf16 (data sheet); counted in 3 batches",
               "training_flop": "counted in 3 batches"}  # fmt: skip
    found = [metric(f"efficiency.{name}", value, methods.get(name, "so")) for name, value in values.items()]
    return [*found, metric("efficiency.data_wait_share", 0.05, labels={"part": "startup"})]
