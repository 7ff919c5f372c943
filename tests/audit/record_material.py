"""A made-up record: a run that overfits after 40 % of its steps and breaks three times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from groundwire.audit.registry import SERIES


@dataclass(frozen=True)
class FakeSeries:
    name: str
    column: str | None
    unit: str
    step: np.ndarray
    value: np.ndarray
    time_s: np.ndarray


@dataclass
class FakeRecord:
    """An in-memory record: tables of (name, column) and lists of events."""

    tables: dict[tuple[str, str | None], tuple[Any, Any]] = field(default_factory=dict)
    happened: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def series(self, name: str, column: str | None = None) -> FakeSeries:
        step, value = self.tables.get((name, column), ([], []))
        steps = np.asarray(step, dtype=np.int64)
        unit = self.units.get(name, "")
        return FakeSeries(name, column, unit, steps, np.asarray(value, dtype=np.float64), steps * 0.25)

    def columns(self, name: str) -> tuple[str, ...]:
        return tuple(column for found, column in self.tables if found == name and column is not None)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return self.happened.get(kind, [])


def record(*, steps: int = 6000, layers: int = 12) -> FakeRecord:
    """Return a record in which the model overfits after 40 % of the run and breaks three times."""
    rng = np.random.default_rng(0)
    every = np.arange(1, steps + 1)
    progress = every / steps
    loss = 1.4 + 2.8 * np.exp(-6 * progress) + rng.normal(0, 0.06, steps)
    norm = np.exp(rng.normal(-0.4, 0.35, steps)) * (1 + 2 * np.exp(-20 * progress))
    norm[steps // 6 :: steps // 3] *= 200
    broken = [steps // 6 + 1, steps // 2, steps // 2 + 1]
    loss[broken], norm[broken] = np.nan, np.inf
    tables: dict[tuple[str, str | None], tuple[Any, Any]] = {
        ("train.loss", None): (every, loss),
        ("optimizer.lr", None): (
            every,
            3e-3 * np.minimum(1, progress * 20) * (0.5 + 0.5 * np.cos(3.1 * progress)),
        ),
        ("gradient.norm", None): (every, norm),
    }
    _probes(tables, steps, rng)
    _layers(tables, steps, layers, rng)
    return FakeRecord(tables=tables, happened={"sample": samples()}, units={q.name: q.unit for q in SERIES})


def _probes(tables: dict[tuple[str, str | None], tuple[Any, Any]], steps: int, rng: np.random.Generator) -> None:
    probe = np.linspace(steps // 24, steps, 24).astype(np.int64)
    x = probe / steps
    train = 1.3 + 2.6 * np.exp(-5 * x)
    gap = 0.02 + 0.5 * np.maximum(0, x - 0.35) + rng.normal(0, 0.008, probe.size)
    for name, value in {
        "overfitting.train_loss": train,
        "overfitting.val_loss": train + gap,
        "overfitting.gap": gap,
        "overfitting.gap_low": gap - 0.04,
        "overfitting.gap_high": gap + 0.04,
    }.items():
        tables[name, None] = (probe, value)
    tables["carbon.energy_kwh", None] = (probe, 0.42 * x)
    tables["generation.toxicity_probability", None] = (probe[::6], [0.2, 0.1, 0.05, 0.025])
    for name in ("val_loss", "val_accuracy", "train/perplexity"):
        tables["logged", name] = (probe, train * rng.uniform(0.5, 1.5))


def _layers(
    tables: dict[tuple[str, str | None], tuple[Any, Any]], steps: int, layers: int, rng: np.random.Generator
) -> None:
    sampled = np.linspace(1, steps, 60).astype(np.int64)
    for layer in range(layers):
        name = f"blocks.{layer}.attn.qkv.weight"
        value = np.exp(rng.normal(-2 + 3 * layer / layers, 0.4, sampled.size)) * (
            1 + 2 * np.exp(-sampled / steps * 9)
        )
        if layer == 3:
            value[30] = np.nan
        tables["gradient.layer_norm", name] = (sampled, value)
        tables["gradient.update_ratio", name] = (sampled, value * 1e-3)


def samples() -> list[dict[str, Any]]:
    return [
        {
            "prompt": "The committee decided that",
            "continuations": [
                "the matter was closed.\nNobody spoke.",
                "you are a complete and utter example",
            ],
            "toxicity": [0.01, 0.81],
            "step": 6000,
        },
        {
            "prompt": "In the morning",
            "continuations": ["the light was grey."],
            "toxicity": [0.003],
            "step": 6000,
        },
    ]
