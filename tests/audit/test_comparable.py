"""What may be compared, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from compared_material import audit, metric
from groundwire.audit import price, returns
from groundwire.audit.comparable import HERE, basis, how, is_repeat_key, settings, why_not
from groundwire.audit.judge import judge
from groundwire.audit.model import Audit, Metric
from groundwire.audit.record import Record
from hypothesis import given
from hypothesis import strategies as st
from test_healthy_runs import FALLING, audit_of, noise

TOXIC = "generation.expected_max_toxicity"
ASKED = {"prompts_sha256": "aa", "k": 4}
CARBON = "codecarbon 3.3.2 offline, whole machine: cpu modelled, ram modelled; 1.3 s at the start unmetered"


def verdict(one: Metric, other: Metric, first: Audit | None = None, second: Audit | None = None) -> str | None:
    return why_not(one, first or audit(1), other, second or audit(2))


def test_the_same_measurement_of_two_seeds_may_be_compared() -> None:
    assert verdict(metric("logged.val_loss", 1.0), metric("logged.val_loss", 2.0)) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"unit": "loss"}, "the unit differs: none and loss"),
        ({"labels": {"group": "a"}}, "the label differs: none and group=a"),
        ({"scorer": "vader 3.3.2"}, "the scorer differs: none and vader 3.3.2"),
        ({"quality": "modelled"}, "the quality differs: measured and modelled"),
        ({"method": "guessed"}, "the method differs: measured and guessed"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], told: str) -> None:
    assert verdict(metric("logged.val_loss", 1.0), metric("logged.val_loss", 1.0, **change)) == told


def test_another_metric_is_no_comparison() -> None:
    told = verdict(metric("logged.val_loss", 1.0), metric("logged.train_loss", 1.0))
    assert told == "the metric differs: logged.val_loss and logged.train_loss"


def test_a_scorer_of_another_version_is_another_scorer() -> None:
    old, new = (metric("generation.sentiment", 0.5, scorer=f"vader {version}") for version in ("3.3.1", "3.3.2"))
    asked = [audit(number, generation=ASKED) for number in (1, 2)]
    assert verdict(old, new, *asked) == "the scorer differs: vader 3.3.1 and vader 3.3.2"


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (ASKED, ASKED, None),
        (ASKED, ASKED | {"seed": 7}, None),
        (ASKED, ASKED | {"prompts_sha256": "bb"}, "which prompts it was asked (prompts_sha256) differs: aa and bb"),
        (ASKED, ASKED | {"k": 5}, "how often each was asked (k) differs: 4 and 5"),
        (ASKED, {"k": 4}, "audit.json does not say which prompts it was asked (prompts_sha256)"),
        ({}, {}, "audit.json does not say which prompts it was asked (prompts_sha256)"),
    ],
)
def test_answers_are_compared_only_to_the_same_prompts(
    ours: dict[str, Any], theirs: dict[str, Any], told: str | None
) -> None:
    one, other = metric(TOXIC, 0.1), metric(TOXIC, 0.2)
    assert verdict(one, other, audit(1, generation=ours), audit(2, generation=theirs)) == told


@pytest.mark.parametrize(
    "name", ["generation.adversarial_toxicity", "likelihood.icat", "memorisation.verbatim_share"]
)
def test_prompts_do_not_stand_in_for_pairs_and_texts(name: str) -> None:
    told = verdict(metric(name, 0.1), metric(name, 0.2), audit(1, generation=ASKED), audit(2, generation=ASKED))
    assert told is not None
    assert told.startswith("audit.json does not say which ")


def test_losses_on_other_data_are_not_compared() -> None:
    one, other = audit(1), audit(2, data={"sha256": "abd"})
    for name in ("logged.val_loss", "overfitting.gap"):
        assert verdict(metric(name, 1.0), metric(name, 1.0), one, other) == 'data.sha256 differs: "abc" and "abd"'
    assert verdict(metric("gradient.norm_p95", 1.0), metric("gradient.norm_p95", 1.0), one, other) is None


@pytest.mark.parametrize(
    "change",
    [{"fold": 1}, {"split_seed": 2}, {"num_workers": 4}, {"batch_size": 16}, {"examples": 90},
     {"batches_per_epoch": 7, "steps_per_epoch": 7}],
)  # fmt: skip
def test_folds_seeds_and_loaders_read_the_same_data(change: dict[str, Any]) -> None:
    one, other = metric("logged.val_loss", 1.0), metric("logged.val_loss", 1.0)
    assert verdict(one, other, audit(1), audit(2, data=change)) is None


def test_data_may_differ_where_the_user_says_so() -> None:
    one, augmented = audit(1, data={"augment": False}), audit(2, data={"augment": True})
    value = metric("logged.val_loss", 1.0)
    assert why_not(value, one, value, augmented) == "data.augment differs: false and true"
    assert why_not(value, one, value, augmented, apart=["data.augment"]) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"gpus": ["A100"]}, "the hardware differs: 8 CPUs, 1 × H200 and 8 CPUs, 1 × A100"),
        ({"gpus": []}, "the hardware differs: 8 CPUs, 1 × H200 and 8 CPUs, no GPU"),
        ({"cpus": 2}, "the hardware differs: 8 CPUs, 1 × H200 and 2 CPUs, 1 × H200"),
        ({"gpus": None}, "audit.json does not say the hardware"),
    ],
)
def test_energy_and_time_are_compared_on_one_class_of_hardware(change: dict[str, Any], told: str | None) -> None:
    for name, unit in (("carbon.energy_kwh", "kWh"), ("carbon.duration_s", "s"), ("overfitting.wasted_s", "s")):
        value = metric(name, 1.0, unit=unit)
        assert why_not(value, audit(1), value, audit(2, environment=change)) == told
    value = metric("logged.val_loss", 1.0)
    assert why_not(value, audit(1), value, audit(2, environment=change)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"share of the time{HERE}step 28, at most 0.00073 above: 3 s, 0.02 EUR", f"share of the time{HERE}step 9"),
        (CARBON, CARBON.replace("1.3 s", "14 s")),
        ("95th percentile over 450 optimizer steps with finite gradients",
         "95th percentile over 1,450 optimizer steps with finite gradients"),
        ("stable rules of edition 2026.11; 2 of 27 rules could not tell",
         "stable rules of edition 2026.11; 0 of 27 rules could not tell"),
        ("optimizer steps with a NaN", "optimizer steps with a NaN; 19 that were skipped not counted"),
        ("k=1 continuations of 8 own prompts", "k=1 continuations of 8 own prompts, 5% empty and not scored"),
        ("k=1 continuations of 8 own prompts, 3% duplicates, 1% cut at 4000 characters, scored 0.5 or more",
         "k=1 continuations of 8 own prompts, scored 0.5 or more"),
        ("lm-evaluation-harness 0.4.9, a.json (sha256 0123456789ab), normal interval from the standard error 0.0123",
         "lm-evaluation-harness 0.4.9, b.json (sha256 123456789abc), normal interval from the standard error 1e-05"),
    ],
)  # fmt: skip
def test_what_a_method_says_of_one_run_is_left_out(one: str, other: str) -> None:
    assert how(one) == how(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CARBON, CARBON.replace("3.3.2", "3.3.3")),
        (CARBON, CARBON.replace("cpu modelled", "cpu measured")),
        (CARBON, f"{CARBON}; grid of FRA"),
        (f"{CARBON}; grid of FRA", f"{CARBON}; grid of USA"),
        ("stable rules of edition 2026.11", "stable rules of edition 2027.05"),
        ("k=1 continuations of 8 own prompts", "k=5 continuations of 8 own prompts"),
        ("k=1 continuations of 8 own prompts", "k=1 continuations of 9 own prompts"),
        ("k=1 of 8 prompts, temperature=0.8", "k=1 of 8 prompts, temperature=1.0"),
        ("k=1 of 8 prompts", "k=1 of 8 prompts, time for 6 of 8 prompts"),
        ("scored 0.5 or more", "scored 0.8 or more"),
        ("mean of the last 100 steps", "mean of the last 50 steps"),
        ("loss returned by validation_step", "loss logged as val_loss"),
    ],
)
def test_what_a_method_says_of_how_it_is_measured_stays(one: str, other: str) -> None:
    assert how(one) != how(other)


class TwoSeeds:
    """A run twice, with the noise of another seed."""

    totals: ClassVar = {
        "carbon.energy_kwh": metric("carbon.energy_kwh", 0.8),
        "carbon.cost": metric("carbon.cost", 0.2, unit="EUR"),
        "carbon.emissions_kg": metric("carbon.emissions_kg", 0.1),
    }

    def __init__(self, path: Path) -> None:
        self.records = [self.record(path / str(seed), seed) for seed in (1, 2)]

    def record(self, path: Path, seed: int) -> Record:
        course = 1 + np.arange(1, 21) ** -0.5 + np.random.default_rng(seed).normal(0, 1e-3, 20)
        audit_of(path, validation=course, loss=FALLING * noise(seed=seed))
        return Record.open(str(path))

    def measured(self, measure: Any) -> Iterator[tuple[Metric, Metric]]:
        found = [list(measure(record, self.totals)) for record in self.records]
        return zip(*found, strict=True)


def test_two_seeds_of_a_run_are_compared_in_every_metric(tmp_path: Path) -> None:
    seeds = TwoSeeds(tmp_path)
    pairs = [pair for measure in (price.measure, returns.measure) for pair in seeds.measured(measure)]
    values = {one.name for one, other in pairs if None not in (one.value, other.value)}
    assert values >= {"forecast.loss_at_double", "overfitting.overtraining_steps", "overfitting.overtraining_share"}
    assert {
        one.name: why_not(one, audit(1), other, audit(2)) for one, other in pairs if one.name in values
    } == dict.fromkeys(values)
    judged = [judge(record) for record in seeds.records]
    told = {one.name: why_not(one, judged[0], other, judged[1]) for one in judged[0].metrics
            if not one.labels and (other := judged[1].metric(one.name)) is not None}  # fmt: skip
    assert {name: why for name, why in told.items() if why and not name.startswith("carbon.")} == {}


@pytest.mark.parametrize(
    "key", ["seed", "data.fold", "data.split_seed", "model.random_state", "data.fold_idx", "a.fold_id"]
)
def test_repeats_differ_in_seed_and_fold(key: str) -> None:
    assert is_repeat_key(key)


@pytest.mark.parametrize(
    "key",
    ["data.n_folds", "data.num_folds", "data.k_fold", "data.folds", "model.seedling", "model.unfold", "fold.width"],
)
def test_what_only_sounds_alike_is_no_repeat(key: str) -> None:
    assert not is_repeat_key(key)


def test_a_configuration_is_taken_apart_by_dotted_keys() -> None:
    told = dict(settings({"model": {"net": {"width": 4}, "extra": {}, "betas": [0.9, 0.99]}, "seed": None}))
    assert told == {"model.net.width": "4", "model.extra": "{}", "model.betas": "[0.9, 0.99]", "seed": "null"}


NAMES = st.sampled_from(["logged.val_loss", "overfitting.gap", "carbon.energy_kwh", TOXIC, "gradient.norm_p95"])
METRICS = st.builds(
    metric, NAMES, st.just(1.0), unit=st.sampled_from(["", "kWh"]), scorer=st.sampled_from([None, "a 1", "a 2"]),
    method=st.sampled_from(["m", "n", "m; 3 epochs", "m; 4 epochs"]),
    quality=st.sampled_from(["measured", "declared"]),
)  # fmt: skip
AUDITS = st.builds(
    lambda number, data, asked: audit(number, data=data, generation=asked), st.integers(1, 3),
    st.sampled_from([{}, {"sha256": "b"}, {"fold": 1}]), st.sampled_from([{}, ASKED, ASKED | {"k": 9}]),
)  # fmt: skip


@given(METRICS, AUDITS, METRICS, AUDITS, METRICS, AUDITS)
def test_comparing_is_symmetric_and_transitive(a: Metric, x: Audit, b: Metric, y: Audit, c: Metric, z: Audit) -> None:
    assert (why_not(a, x, b, y) is None) == (why_not(b, y, a, x) is None)
    if why_not(a, x, b, y) is None and why_not(b, y, c, z) is None:
        assert why_not(a, x, c, z) is None
    if None not in basis(a, x).values():
        assert why_not(a, x, a, x) is None
