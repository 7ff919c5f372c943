"""Whole runs that look ill and are not: no rule fires on them, and none breaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from groundwire.audit.judge import judge
from groundwire.audit.model import Audit, Outcome
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.runfile import NAME
from groundwire.audit.series import Rows
from groundwire.audit.storage import Folder, open_folder
from run_material import CONFIGURATION, STEPS, run_file

LENGTH = 800
EVERY = np.arange(1, LENGTH + 1)
SAMPLED = np.arange(10, LENGTH + 1, 10)
PROBED = np.arange(40, LENGTH + 1, 40)
FALLING = 0.5 + 2 * np.exp(-EVERY / 150)


def noise(size: int = LENGTH, *, spread: float = 0.05, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, spread, size))


def audit_of(
    path: Path,
    *,
    loss: Any = None,
    norm: Any = None,
    rate: Any = None,
    optimizer: Any = 0,
    layers: dict[str, tuple[float, Any]] | None = None,
    validation: Any = None,
    gap: Any = 0.05,
    optimizers: int = 1,
    skipped: tuple[int, ...] = (),
) -> Audit:
    """Write a healthy run of `LENGTH` steps, changed where told, and return its audit.

    `layers` maps names to a layer's gradient norm and its update ratio, one number or one a sample.
    """
    folder = open_folder(path)
    settings = {"optimizer": CONFIGURATION["optimizer"] | {"count": optimizers}}
    folder.write(NAME, run_file(configuration=CONFIGURATION | settings).text())
    recorder = Recorder(folder, attempt=1, rank=0)
    for name in ("gradient", "overfitting"):
        recorder.event("monitor", name=name, status="ran", reason=None, seconds=0.1)
    for step in skipped:
        recorder.event("skipped_step", step=step)
    recorder.flush_events()
    columns = (
        FALLING * noise() if loss is None else loss,
        0.01 if rate is None else rate,
        noise(seed=1) if norm is None else norm,
    )
    values = np.stack([np.broadcast_to(column, LENGTH) for column in columns], axis=1)
    chosen = np.broadcast_to(optimizer, LENGTH)
    keys = [(int(s), int(s), int(o), 0.1 * s) for s, o in zip(EVERY, chosen, strict=True)]
    recorder.rows("steps", Rows.of(STEPS, keys, values))
    _layers(recorder, layers or {"first": (0.5, 1e-3), "middle": (0.7, 2e-3), "last": (1.0, 1e-3)})
    _probes(recorder, 1 + np.exp(-PROBED / 200) if validation is None else validation, gap)
    return judge(Record.open(folder.url))


def _layers(recorder: Recorder, layers: dict[str, tuple[float, Any]]) -> None:
    keys = [(int(step), int(step), 0, 0.1 * step) for step in SAMPLED]
    for place, table in enumerate(("gradient.layer_norm", "gradient.update_ratio")):
        found = [np.broadcast_to(values[place], len(SAMPLED)) for values in layers.values()]
        recorder.rows(table, Rows.of(tuple(layers), keys, np.stack(found, axis=1)))


def _probes(recorder: Recorder, validation: Any, gap: Any) -> None:
    names = [f"overfitting.{name}" for name in ("train_loss", "val_loss", "gap", "gap_low", "gap_high")]
    found = np.broadcast_to(gap, len(PROBED))
    columns = (validation - found, validation, found, found - 0.1, found + 0.1)
    keys = [(int(step), int(step), 0, 0.1 * step) for step in PROBED]
    recorder.rows("overfitting", Rows.of(names, keys, np.stack(columns, axis=1)))


def changed(value: Any, places: list[int], factor: float) -> np.ndarray:
    found = np.array(value, dtype=float)
    found[places] *= factor
    return found


COSINE = 0.01 * (0.5 + 0.5 * np.cos(np.pi * EVERY / LENGTH))
GAME = EVERY % 2
HEALTHY: dict[str, dict[str, Any]] = {
    "nothing special": {},
    "warm-up": {
        "rate": 0.01 * np.minimum(1, EVERY / 200),
        "norm": noise(seed=1) * (1 + 20 * np.exp(-EVERY / 20)),
        "loss": (0.5 + 2 * np.minimum(1, np.exp((150 - EVERY) / 150))) * noise(),
    },
    "the tail of a cosine": {
        "rate": COSINE,
        "layers": {name: (1.0, 1e-3 * np.interp(SAMPLED, EVERY, COSINE) / 0.01 + 1e-12) for name in ("a", "b", "c")},
    },
    "a game of two optimizers": {
        "optimizers": 2,
        "optimizer": GAME,
        "norm": np.where(GAME == 0, 0.01, 5.0) * noise(spread=0.2),
        "loss": np.where(GAME == 0, 0.7, 3.0) * noise(),
    },
    "convergence to zero": {
        "loss": 2 * np.exp(-EVERY / 60) * noise() + 1e-6 * noise(seed=3),
        "norm": np.exp(-EVERY / 60) * noise(seed=1) + 1e-6,
        "layers": {"first": (1e-9, 1e-5), "middle": (1e-6, 1e-4), "last": (1e-3, 1e-1 / SAMPLED)},
    },
    "a matrix that began at zero": {
        "layers": {"a": (1.0, 1e-3), "b": (1.0, 2e-3), "lora_B": (1.0, 5 / SAMPLED)},
    },
    "one rare batch": {"norm": changed(noise(seed=1), [400], 50)},
    "two rare batches": {"norm": changed(noise(seed=1), [300, 600], 50)},
    "rare batches that are clipped": {"norm": changed(noise(seed=1), [300, 400, 500], 50)},
    "losses with heavy tails": {"loss": FALLING * noise(spread=0.3)},
    "validation better than training": {"gap": -0.2, "validation": 1 + np.exp(-PROBED / 100)},
    "a tiny validation set": {"validation": 1.2 + 0.01 * np.sin(7.0 * PROBED), "gap": 0.05},
    "double descent that came down": {
        "validation": np.concatenate([np.linspace(2, 1, 6), np.linspace(1, 1.6, 7), np.linspace(1.6, 0.9, 7)]),
        "gap": 0.3,
    },
    "half precision that looks for its scale": {
        "norm": np.where(EVERY <= 3, np.inf, noise(seed=1)),
        "skipped": (1, 2, 3),
    },
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_has_no_finding_and_no_broken_rule(tmp_path: Path, name: str) -> None:
    audit = audit_of(tmp_path, **HEALTHY[name])
    assert [finding.summary for finding in audit.findings] == []
    assert [rule for rule in audit.rules if rule.outcome is Outcome.ERROR] == []


FAULTY: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "learning by heart": (
        "overfitting",
        {
            "validation": np.concatenate([np.linspace(2, 1, 8), np.linspace(1.1, 2, 12)]),
            "gap": np.linspace(0.2, 1.8, 20),
        },
        {"model.dropout": 0.2, "optimizer.weight_decay": 0.1},
    ),
    "norms that jump": (
        "exploding-gradient",
        {
            "norm": changed(noise(seed=1), [300, 400, 500], 50),
            "loss": changed(FALLING * noise(), [at + more for at in (300, 400, 500) for more in (1, 2)], 3),
        },
        {"trainer.gradient_clip_val": 1.1},
    ),
    "a rate far too low": (
        "updates-too-small",
        {"layers": dict.fromkeys("abc", (1.0, 1e-07))},
        {"optimizer.lr": 10.0},
    ),
    "a rate far too high": (
        "updates-too-large",
        {"layers": dict.fromkeys("abc", (1.0, 0.1))},
        {"optimizer.lr": 0.0004},
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_the_same_run_with_a_fault_is_found_and_told_what_to_set(tmp_path: Path, name: str) -> None:
    rule, options, settings = FAULTY[name]
    findings = {finding.name: finding for finding in audit_of(tmp_path, **options).findings}
    assert findings[rule].mitigations[0].settings == settings


@pytest.mark.parametrize("micro_batches", [2, 8])
def test_accumulation_makes_no_steps_of_its_own(tmp_path: Path, micro_batches: int) -> None:
    folder: Folder = open_folder(tmp_path)
    folder.write(NAME, run_file().text())
    recorder = Recorder(folder, attempt=1, rank=0)
    losses = FALLING[:300] * noise(300)
    rows = [(step, last) for step in range(1, 301) for last in (*[-1] * (micro_batches - 1), 0)]
    keys = [(batch, step, last, 0.1 * batch) for batch, (step, last) in enumerate(rows, start=1)]
    values = [[losses[step - 1], 0.01, 1.0 if last == 0 else np.nan] for step, last in rows]
    recorder.rows("steps", Rows.of(STEPS, keys, values))
    record = Record.open(tmp_path)
    assert record.series("train.loss").value == pytest.approx(losses, rel=1e-5)
    assert record.series("gradient.norm").value.tolist() == [1.0] * 300
    assert judge(record).findings == []


def test_several_optimizers_keep_their_steps_apart(tmp_path: Path) -> None:
    audit_of(tmp_path, **HEALTHY["a game of two optimizers"])
    norm = Record.open(tmp_path).series("gradient.norm")
    assert len(norm) == LENGTH
    assert norm.optimizer.tolist() == GAME.tolist()
    assert np.median(norm.value[norm.optimizer == 1]) > 100 * np.median(norm.value[norm.optimizer == 0])


@pytest.mark.parametrize(
    "options",
    [
        {"loss": np.nan},
        {"loss": np.inf, "norm": np.inf, "skipped": tuple(range(1, LENGTH + 1))},
        {"loss": 0.0, "norm": 0.0, "rate": 0.0},
        {"loss": -FALLING, "gap": np.nan},
        {"validation": np.full(len(PROBED), np.nan)},
        {"validation": np.zeros(len(PROBED))},
        {"layers": {"only": (np.nan, np.nan)}},
        {"layers": dict.fromkeys("abc", (0.0, 0.0))},
    ],
)
def test_series_without_sense_break_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    audit = audit_of(tmp_path, **options)
    assert [rule for rule in audit.rules if rule.outcome is Outcome.ERROR] == []
    assert all(metric.value is not None or metric.reason for metric in audit.metrics)


def test_the_best_step_of_losses_that_are_all_nan_is_unknown(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, validation=np.full(len(PROBED), np.nan))
    best = audit.metric("overfitting.best_step")
    assert best is not None
    assert (best.value, best.reason) == (None, "no validation loss was finite")


def test_a_validation_loss_that_hovers_is_no_overtraining(tmp_path: Path) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hovering = 1 + np.exp(-PROBED / 100) + rng.uniform(-0.017, 0.017, len(PROBED))
        audit = audit_of(tmp_path / str(seed), validation=hovering)
        assert "overtraining" not in [finding.name for finding in audit.findings]


def test_a_loss_without_a_logarithm_cannot_be_judged_for_spikes(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, loss=FALLING - 10)
    (outcome,) = [rule for rule in audit.rules if rule.name == "loss-spike"]
    assert (outcome.outcome, outcome.reason) == (
        Outcome.UNKNOWN, "the loss is mostly not positive: it has no logarithm",
    )  # fmt: skip


def test_infinite_norms_of_skipped_steps_break_no_rule(tmp_path: Path) -> None:
    norm = noise(seed=1)
    norm[[200, 300, 301, 302]] = np.inf
    audit = audit_of(tmp_path, norm=norm, skipped=(201, 301, 302, 303))
    assert audit.findings == []
    assert not [rule for rule in audit.rules if rule.outcome is Outcome.ERROR]


@pytest.mark.filterwarnings("error")
def test_figures_near_the_end_of_the_number_range_break_no_rule(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, loss=FALLING * 1e38, norm=noise(seed=1) * 1e38)
    assert not [rule for rule in audit.rules if rule.outcome is Outcome.ERROR]
