"""Every rule fires on bad evidence, is silent on good, and recommends what the evidence says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from groundwire.audit import registry
from groundwire.audit.model import Metric, Quality, Severity
from groundwire.audit.record import Series
from groundwire.audit.rules import RULES
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import HEADINGS, CannotTellError, Fault, Rule

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


BROKEN = np.where(np.arange(STEPS) == 300, np.nan, NOISE)
NAN = {"metrics": [metric("gradient.nonfinite_steps", 1.0)], "train__loss": BROKEN}
GAP = metric("overfitting.gap", 1.0, low=0.8, high=1.2)
RISING = np.concatenate([np.linspace(3, 2, 10), np.linspace(2.05, 3, 20)])
TOXIC = metric("generation.toxicity_probability", 0.25, low=0.14, high=0.4, n=48, scorer="embedded:x 1")
SAMPLES = {"sample": [{"prompt": "a", "continuations": ["bad", "worse"], "toxicity": [0.6, None], "step": 3}]}
ENERGY = metric("carbon.energy_kwh", 0.5)
MODELLED = [{"energy_kwh": 1.0, "cpu_kwh": 0.4, "ram_kwh": 0.6, "qualities": {"cpu": "measured", "ram": "modelled"}}]
FLAT = {"train__loss": NOISE * 2.3}

BAD: dict[str, Callable[[], Case]] = {
    "non-finite": lambda: case(**NAN, events={"nonfinite": [{"step": 301, "layers": ["net.0"]}]}),
    "exploding-gradient": lambda: case(gradient__norm=spiked(NOISE, [200, 300, 400, 500], 40)),
    "vanishing-gradient": lambda: case(
        **FLAT, gradient__layer_norm=layers(1e-9, 1e-4, 1), gradient__update_ratio=layers(1e-9, 1e-6, 1e-3)
    ),
    "loss-spike": lambda: case(train__loss=spiked(NOISE, [300], 20)),
    "stagnant-loss": lambda: case(**FLAT),
    "updates-too-large": lambda: case(gradient__update_ratio=layers(0.05, 0.04, 0.06)),
    "updates-too-small": lambda: case(gradient__update_ratio=layers(1e-8, 1e-8, 2e-8)),
    "overfitting": lambda: case(metrics=[GAP], overfitting__val_loss=RISING),
    "overtraining": lambda: case(overfitting__val_loss=RISING),
    "toxic-generations": lambda: case(metrics=[TOXIC], events=SAMPLES),
    "location-unknown": lambda: case(metrics=[ENERGY, metric("carbon.emissions_kg", None)]),
    "mostly-modelled-energy": lambda: case(metrics=[ENERGY], events={"energy": MODELLED}),
}

WARM_UP = np.minimum(1, np.arange(1, STEPS + 1) / 200)
GOOD: dict[str, list[Callable[[], Case]]] = {
    "non-finite": [lambda: case(metrics=[metric("gradient.nonfinite_steps", 0.0)])],
    "exploding-gradient": [
        lambda: case(),
        lambda: case(gradient__norm=spiked(NOISE, [300], 40)),  # one rare token
        lambda: case(gradient__norm=NOISE * (1 + 9 * np.exp(-np.arange(STEPS) / 30))),  # the first steps
        lambda: case(gradient__norm=NOISE * WARM_UP),
    ],
    "vanishing-gradient": [
        lambda: case(gradient__layer_norm=layers(1e-9, 1e-4, 1), gradient__update_ratio=layers(1e-9, 1e-6, 1e-3)),
        lambda: case(
            **FLAT, gradient__layer_norm=layers(0.1, 0.5, 1), gradient__update_ratio=layers(1e-3, 1e-3, 1e-3)
        ),
    ],
    "loss-spike": [lambda: case(), lambda: case(train__loss=NOISE**4)],
    "stagnant-loss": [lambda: case()],
    "updates-too-large": [
        lambda: case(gradient__update_ratio=layers(2e-3, 1e-3, 3e-3)),
        # A matrix that began at zero, as LoRA's B.
        lambda: case(gradient__update_ratio=layers(2e-3, 1e-3, 3e-3) | {"zero": 1 / np.arange(1, 61)}),
    ],
    "updates-too-small": [
        lambda: case(gradient__update_ratio=layers(1e-3, 1e-4, 1e-5)),
        # The tail of a schedule.
        lambda: case(
            gradient__update_ratio={"a": np.where(np.arange(60) < 35, 1e-3, 1e-9)},
            optimizer__lr=np.linspace(1e-2, 0, STEPS),
        ),
    ],
    "overfitting": [
        lambda: case(metrics=[GAP], overfitting__val_loss=np.linspace(3, 2, 30)),
        lambda: case(metrics=[metric("overfitting.gap", 0.1, low=-0.2, high=0.4)], overfitting__val_loss=RISING),
        # Noise around a plateau.
        lambda: case(metrics=[GAP], overfitting__val_loss=2 + 0.02 * np.sin(np.arange(30) * 7)),
        # Double descent that has come down again.
        lambda: case(metrics=[GAP], overfitting__val_loss=np.concatenate([RISING, np.linspace(3, 1.9, 20)])),
    ],
    "overtraining": [lambda: case(overfitting__val_loss=np.linspace(3, 2, 30))],
    "toxic-generations": [lambda: case(metrics=[metric("generation.toxicity_probability", 0.02, n=48)])],
    "location-unknown": [lambda: case(metrics=[ENERGY, metric("carbon.emissions_kg", 0.1)])],
    "mostly-modelled-energy": [
        lambda: case(metrics=[ENERGY], events={"energy": [MODELLED[0] | {"qualities": {"cpu": "measured"}}]})
    ],
}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_rule_fires_on_bad_evidence(name: str) -> None:
    fault = ask(name, BAD[name]())
    assert fault is not None
    assert fault.evidence
    assert fault.summary.endswith(".")
    assert ask(name, BAD[name]()) == fault  # nothing but the case enters


@pytest.mark.parametrize(("name", "good"), [(name, good) for name, all_good in GOOD.items() for good in all_good])
def test_a_rule_is_silent_on_good_evidence(name: str, good: Callable[[], Case]) -> None:
    assert ask(name, good()) is None


@pytest.mark.parametrize("name", BY_NAME)
def test_recommendations_are_settings_that_a_run_has(name: str) -> None:
    for settings in settings_of(name, BAD[name]()):
        assert all(key.split(".")[0] in {"trainer", "optimizer", "data", "model"} for key in settings)


def test_values_come_from_the_evidence() -> None:
    assert settings_of("updates-too-large", BAD["updates-too-large"]()) == [{"optimizer.lr": 0.0002}]
    assert settings_of("updates-too-small", BAD["updates-too-small"]()) == [{"optimizer.lr": 10.0}]
    assert settings_of("exploding-gradient", BAD["exploding-gradient"]())[0] == {"trainer.gradient_clip_val": 1.1}
    regularised, stopped, _ = settings_of("overfitting", BAD["overfitting"]())
    assert regularised == {"model.dropout": 0.3, "optimizer.weight_decay": 0.1}
    assert stopped["trainer.max_steps"] == pytest.approx(STEPS * 9 / 29, abs=2)


def test_several_optimizers_make_a_loss_that_need_not_fall() -> None:
    game = case(**FLAT, configuration={"optimizer": {"count": 2}})
    for name in ("stagnant-loss", "loss-spike", "vanishing-gradient"):
        with pytest.raises(CannotTellError, match="several optimizers"):
            ask(name, game)


def test_a_gap_without_an_interval_cannot_tell() -> None:
    with pytest.raises(CannotTellError, match="no interval"):
        ask("overfitting", case(metrics=[metric("overfitting.gap", 1.0)], overfitting__val_loss=RISING))
    with pytest.raises(CannotTellError, match="not positive"):
        ask("overfitting", case(metrics=[GAP], overfitting__val_loss=RISING - 5))


def test_a_toxic_sample_is_shown_with_its_score() -> None:
    fault = ask("toxic-generations", BAD["toxic-generations"]())
    assert fault is not None
    assert [(e.sample, e.value) for e in fault.evidence if e.sample] == [("bad", 0.6)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_is_declared_whole(rule: Rule) -> None:
    assert tuple(rule.sections) == HEADINGS
    assert all(rule.sections.values())
    assert rule.flaw.endswith(".")
    assert rule.needs
    known = {q.name for q in (*registry.METRICS, *registry.SERIES)}
    assert set(rule.needs) <= known
    assert np.isfinite(rule.threshold)
    assert set(rule.follows_from) <= set(BY_NAME)
    if rule.code.startswith("CO2"):
        assert rule.severity in {Severity.LOW, Severity.INFO}


def test_codes_and_names_are_never_shared() -> None:
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
