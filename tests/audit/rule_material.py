"""In-memory runs for the tests of rules: a healthy one, changed where told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from groundwire.audit.model import Metric, Quality
from groundwire.audit.record import Series
from groundwire.audit.rules import RULES
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import Fault

BY_NAME = {rule.name: rule for rule in RULES}
RNG = np.random.default_rng(0)
STEPS = 600
NOISE = np.exp(RNG.normal(0, 0.05, STEPS))


@dataclass
class Tables:
    """An in-memory record."""

    tables: dict[tuple[str, str | None], tuple[Any, Any]] = field(default_factory=dict)
    happened: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    optimizer: int = 0

    def series(self, name: str, column: str | None = None) -> Series:
        step, value = (np.asarray(found) for found in self.tables.get((name, column), ([], [])))
        return Series(
            name=name, column=column, unit="", step=step.astype(np.int64), value=value.astype(np.float64),
            time_s=step.astype(np.float64), optimizer=np.full(len(step), self.optimizer),
        )  # fmt: skip

    def columns(self, name: str) -> tuple[str, ...]:
        return tuple(column or name for found, column in self.tables if found == name)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return self.happened.get(kind, [])


def metric(name: str, value: float | None, **more: Any) -> Metric:
    reason = "not measured" if value is None else None
    options: dict[str, Any] = {"quality": Quality.MEASURED, "method": "m", "monitor": "x", "unit": ""} | more
    return Metric(name=name, value=value, reason=reason, **options)


def case(
    *,
    metrics: list[Metric] | None = None,
    events: dict[str, list[dict[str, Any]]] | None = None,
    configuration: dict[str, Any] | None = None,
    **series: Any,
) -> Case:
    """Return a healthy run of `STEPS` steps, changed where told; `name__of` means a dotted name."""
    every = np.arange(1, STEPS + 1)
    healthy = {
        "train__loss": (0.5 + 2 * np.exp(-every / 100)) * NOISE,
        "gradient__norm": NOISE * 0.7,
        "optimizer__lr": np.full(STEPS, 0.01),
    }
    tables: dict[tuple[str, str | None], tuple[Any, Any]] = {}
    for name, value in (healthy | series).items():
        dotted = name.replace("__", ".")
        for column, found in value.items() if isinstance(value, dict) else [(None, value)]:
            tables[dotted, column] = (np.linspace(1, STEPS, len(found)).astype(int), found)
    settings = {"optimizer": {"lr": 0.01, "weight_decay": 0.0, "count": 1}, "model": {"dropout": 0.1}}
    return Case(
        Tables(tables, events or {}), steps=STEPS, metrics=metrics or [], configuration=configuration or settings
    )


def ask(name: str, found: Case) -> Fault | None:
    rule = BY_NAME[name]
    return rule.judge(found, rule.threshold)


def settings_of(name: str, found: Case) -> list[dict[str, Any]]:
    fault = ask(name, found)
    assert fault is not None
    remedies = [remedy(found, fault) for remedy in BY_NAME[name].remedies]
    return [remedy.settings for remedy in remedies if remedy is not None]


def layers(*values: float, samples: int = 60) -> dict[str, Any]:
    return {f"layer{place}": np.full(samples, value) for place, value in enumerate(values)}


def spiked(base: Any, places: list[int], factor: float) -> Any:
    value = np.array(base, dtype=float)
    value[places] *= factor
    return value
