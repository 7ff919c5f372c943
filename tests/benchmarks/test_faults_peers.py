"""Peers say what their descriptions say, and what they look at is kept without touching the run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.faults.cases import all_cases, plan_of
from benchmarks.faults.peers import PEERS
from benchmarks.faults.peers.observed import FILE, Observed
from benchmarks.faults.peers.recording import EVERY, PeerRecorder
from benchmarks.faults.side_by_side import OURS, Said, Watcher, markdown

CASES = {case.id: case for case in all_cases()}
SAMPLES, WEIGHTS, BATCHES = 40, 3, 400
BY_NAME = {peer.name: peer for peer in PEERS}


def healthy() -> Observed:
    """Return a run on which no peer has anything to say."""
    table, active = np.ones((SAMPLES, WEIGHTS)), np.ones((SAMPLES, 2))
    asked = np.full(BATCHES, 32.0)
    share = np.linspace(0.1, 0.95, 10).repeat(40)
    return Observed(
        step=np.arange(SAMPLES) * EVERY + 1,
        rate=np.full(SAMPLES, 0.01),
        gradient_mean=0.01 * table,
        gradient_norm=table,
        gradient_zeros=0 * table,
        gradient_range=0.1 * table,
        weight_norm=3 * table,
        weight_variance=0.01 * table,
        weight_change=0.003 * table,
        kind=np.array(["ReLU", "Tanh"]),
        input_variance=active,
        input_beyond=0 * active,
        saturated=0 * active,
        silent=0.5 * active,
        dead=0 * active,
        loss=3 * 0.99 ** np.arange(BATCHES),
        batch=np.tile(np.arange(40), 10),
        epoch=np.arange(10).repeat(40),
        right=asked * share,
        asked=asked,
        val_step=np.array([100, 200, 300, 400]),
        val_right=np.array([0.3, 0.5, 0.7, 0.9]),
        labels=np.full(10, 1280.0),
        hits=np.full(10, 1000.0),
        input_mean=np.array(0.0),
    )


def with_spike(length: int, factor: float) -> Observed:
    run = healthy()
    loss = np.ones(BATCHES)
    loss[201 : 201 + length] *= factor  # not the first batch of an epoch, which Lightning passes over
    return replace(run, loss=loss)


def never_learned(**changes: Any) -> Observed:
    return replace(healthy(), right=np.full(BATCHES, 3.2), val_right=np.full(4, 0.1), **changes)


def one_layer(value: float, elsewhere: float) -> np.ndarray:
    table = np.full((SAMPLES, WEIGHTS), float(elsewhere))
    table[:, 0] = value
    return table


TABLE = np.ones((SAMPLES, WEIGHTS))
ACTIVE = np.ones((SAMPLES, 2))
BAD: list[tuple[str, str, Callable[[], Observed]]] = [
    ("SageMaker Debugger", "VanishingGradient", lambda: replace(healthy(), gradient_mean=one_layer(1e-8, 0.1))),
    ("SageMaker Debugger", "ExplodingTensor", lambda: replace(healthy(), gradient_norm=one_layer(np.inf, 1))),
    ("SageMaker Debugger", "ExplodingTensor", lambda: replace(healthy(), loss=np.full(BATCHES, np.nan))),
    ("SageMaker Debugger", "DeadRelu", lambda: replace(healthy(), dead=0.6 * ACTIVE)),
    ("SageMaker Debugger", "SaturatedActivation", lambda: replace(healthy(), saturated=0.6 * ACTIVE)),
    ("SageMaker Debugger", "PoorWeightInitialization", lambda: replace(healthy(), gradient_range=1e-4 * TABLE)),
    ("SageMaker Debugger", "PoorWeightInitialization",
     lambda: replace(healthy(), input_variance=ACTIVE * np.array([1, 20]))),
    ("SageMaker Debugger", "WeightUpdateRatio", lambda: replace(healthy(), weight_change=one_layer(40, 0.01))),
    ("SageMaker Debugger", "AllZero", lambda: replace(healthy(), gradient_zeros=one_layer(1, 0))),
    ("SageMaker Debugger", "UnchangedTensor", lambda: replace(healthy(), weight_change=one_layer(0, 0.01))),
    ("SageMaker Debugger", "LossNotDecreasing", lambda: replace(healthy(), loss=np.ones(BATCHES))),
    ("SageMaker Debugger", "ClassImbalance",
     lambda: replace(healthy(), labels=np.array([1e4, 500.0]), hits=np.array([9e3, 10.0]))),
    ("SageMaker Debugger", "CheckInputImages", lambda: replace(healthy(), input_mean=np.array(80.0))),
    ("AUTOTRAINER", "exploding gradient", lambda: replace(healthy(), loss=np.full(BATCHES, np.nan))),
    ("AUTOTRAINER", "exploding gradient", lambda: never_learned(gradient_norm=one_layer(90, 1))),
    ("AUTOTRAINER", "vanishing gradient", lambda: never_learned(gradient_norm=one_layer(1e-6, 1))),
    ("AUTOTRAINER", "dying ReLU", lambda: never_learned(gradient_zeros=0.8 * TABLE)),
    ("AUTOTRAINER", "slow convergence", never_learned),
    ("AUTOTRAINER", "oscillating loss",
     lambda: replace(healthy(), right=32 * np.tile([0.8, 0.9], 5).repeat(40), val_right=np.full(4, 0.9))),
    ("DeepDiagnosis", "numerical error", lambda: replace(healthy(), loss=np.full(BATCHES, np.nan))),
    ("DeepDiagnosis", "vanishing gradient", lambda: replace(healthy(), gradient_mean=one_layer(1e-8, 0.1))),
    ("DeepDiagnosis", "dead node", lambda: replace(healthy(), silent=0.8 * ACTIVE)),
    ("DeepDiagnosis", "saturated activation", lambda: replace(healthy(), input_beyond=0.6 * ACTIVE)),
    ("DeepDiagnosis", "exploding tensor", lambda: replace(healthy(), gradient_norm=100 * TABLE)),
    ("DeepDiagnosis", "improper weights", lambda: replace(healthy(), weight_variance=11 * TABLE)),
    ("DeepDiagnosis", "unchanged weight", lambda: replace(healthy(), rate=np.full(SAMPLES, 1e-9))),
    ("llm-foundry KillLossSpike", "loss spike", lambda: with_spike(5, 2.5)),
    ("llm-foundry KillLossSpike", "high loss", lambda: replace(healthy(), loss=np.full(BATCHES, 11.0))),
    ("Lightning SpikeDetection", "loss spike", lambda: with_spike(1, 3.5)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "make"), BAD, ids=[f"{peer}-{rule}" for peer, rule, _ in BAD])
def test_a_rule_fires_on_what_it_describes(name: str, rule: str, make: Callable[[], Observed]) -> None:
    peer = BY_NAME[name]
    alarms = peer.alarms(make())
    assert rule in {alarm.rule for alarm in alarms}
    assert peer.names(alarms) <= peer.claims


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_nobody_alarms_on_a_healthy_run_and_every_rule_has_bad_evidence_here(peer: Any) -> None:
    assert peer.alarms(healthy()) == ()
    assert {rule for name, rule, _ in BAD if name == peer.name} == set(peer.means)


@pytest.mark.parametrize(("length", "factor"), [(4, 2.5), (5, 1.9)])
def test_llm_foundry_tolerates_four_outliers_and_what_is_less_than_double(length: int, factor: float) -> None:
    assert BY_NAME["llm-foundry KillLossSpike"].alarms(with_spike(length, factor)) == ()


def test_lightning_tolerates_less_than_three_times_the_mean() -> None:
    assert BY_NAME["Lightning SpikeDetection"].alarms(with_spike(1, 2.5)) == ()


def test_a_run_of_few_epochs_is_cut_into_fifths() -> None:
    ends, accuracy = replace(healthy(), epoch=np.zeros(BATCHES, dtype=int)).accuracy()
    assert ends.tolist() == [80, 160, 240, 320, 400]
    assert np.all(np.diff(accuracy) > 0)


def test_what_is_observed_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = healthy()
    run.save(tmp_path / FILE)
    again = Observed.load(tmp_path / FILE)
    assert all(np.array_equal(getattr(run, name), getattr(again, name)) for name in Observed.__slots__)


def trained(name: str, *callbacks: Any) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    plan = plan_of(CASES[name])
    plan.recipe = replace(plan.recipe, steps=25)
    plan.module.recipe = plan.recipe
    plan.fit(*callbacks)
    return plan.module.state_dict(), torch.get_rng_state()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dead-units-cnn-1", "healthy-gan-adam-1", "clip-saturation-lstm-1"])
def test_observing_changes_neither_weights_nor_random_numbers(name: str) -> None:
    recorder = PeerRecorder()
    plain, seen = trained(name), trained(name, recorder)
    assert all(torch.equal(seen[0][key], value) for key, value in plain[0].items())
    assert torch.equal(plain[1], seen[1])
    run = recorder.observed()
    assert run.step[0] in {1, 2}
    assert run.gradient_norm.shape[0] == run.silent.shape[0] == len(run.step) >= 3
    assert np.isfinite(run.weight_change).all()


def test_the_table_counts_names_and_false_alarms() -> None:
    fault, twin = CASES["divergence-mlp-0"], CASES["divergence-mlp-0-twin"]
    alarm = (frozenset({"divergence"}), 7)
    said = {fault.id: Said(case=fault, alarms=((frozenset({"loss-spike"}), 3), alarm), rules=("a", "b")),
            twin.id: Said(case=twin, alarms=(alarm,), rules=("b",))}  # fmt: skip
    text = markdown([Watcher(name=OURS, claims=frozenset({"divergence"}), said=said)], [fault.split])
    assert f"| {OURS} | 1 (100.0%) of 1 | 1 (100.0%) of 1 | 0 (0.0%) of 1 | – | 1 (100.0%) of 1 | – |" in text
    assert "| divergence | 1 | 1 (1) |" in text
