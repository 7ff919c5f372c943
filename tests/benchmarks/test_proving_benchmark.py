"""The trials of single rules have the fault that they say, and the table counts what was named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.generalisation import proving, setups_leaking, truths
from benchmarks.generalisation.__main__ import RULES_CALIBRATION, RULES_REPORT, arguments, chosen_proofs
from benchmarks.generalisation.data import load
from benchmarks.generalisation.proof_table import markdown
from benchmarks.generalisation.proving import Proved, proofs, prove, train
from benchmarks.generalisation.setups import Setup
from benchmarks.generalisation.trials import Proof, Trial
from benchmarks.generalisation.truths import Told


def told(loss: np.ndarray, *, epochs: float = 10.0, val: float = 1.0, reached: float = 1.0) -> Told:
    step = np.linspace(25, 1000, loss.size).astype(np.int64)
    return Told(step=step, loss=loss, val=val, reached=reached, epochs=epochs)


def test_there_are_six_of_each_for_every_rule_and_the_report_has_seeds_of_its_own() -> None:
    found = proofs([1])
    assert len({proof.id for proof in found}) == len(found) == 60
    for rule in proving.TRIALS:
        kinds = [proof.faulty for proof in found if proof.rule == rule]
        assert (kinds.count(True), kinds.count(False)) == (6, 6)
    assert not set(RULES_CALIBRATION) & set(RULES_REPORT)
    options = arguments(["rules", "--only", "GEN006", "--seeds", "5"])
    assert {proof.rule for proof in chosen_proofs(options)} == {"GEN006"}


def test_leaked_examples_are_in_both_sets_and_healthy_ones_are_not() -> None:
    data = load("teacher", 0, train=200, val=40, noise=0.0)
    draw = torch.Generator().manual_seed(0)
    shares = {"frequent": 1.0, "half_frequent": 0.5, "plain_copies": 1.0, "clean_validation": 0.0}
    for name, share in shares.items():
        arranged = getattr(setups_leaking, name)(data, draw)
        among = (arranged.val[0][:, None] == arranged.train[0][None]).all(dim=2).any(dim=1)
        assert float(among.float().mean()) == share


@pytest.mark.parametrize(
    ("measure", "found", "least", "most"),
    [
        (truths.still_falls, told(np.ones(40)), 0, 0),
        (truths.still_falls, told(np.linspace(2, 1, 40)), 15, 30),
        (truths.above_reach, told(np.full(40, 1.5)), 50, 50.1),
        (truths.flattery, told(np.full(40, 2.0)), 50, 50),
        (truths.jumps, told(np.linspace(2, 1, 40)), 0, 1e-9),
        (truths.jumps, told(np.random.default_rng(0).normal(1, 0.1, 40)), 5, 15),
        (truths.further_epochs, told(np.r_[np.linspace(3, 2, 16), np.linspace(2, 3, 24)]), -50, -20),
    ],
)
def test_the_test_set_tells_whether_a_run_has_the_fault(
    measure: object, found: Told, least: float, most: float
) -> None:
    assert least <= measure(found) <= most  # type: ignore[operator]


def test_what_still_learns_or_has_not_repeated_has_no_measure() -> None:
    assert np.isnan(truths.above_reach(told(np.linspace(3, 1, 40))))
    assert np.isnan(truths.further_epochs(told(np.ones(40), epochs=3)))


@pytest.mark.slow
def test_a_trial_is_trained_and_judged(tmp_path: Path) -> None:
    setup = Setup(
        name="tiny", data="wide", train=310, net="linear", optimizer="sgd", lr=0.1, steps=400, validations=20
    )
    proof = Proof(rule="GEN007", faulty=True, trial=Trial(setup=setup, better=setup, reference=True), seed=0)
    train(proof, tmp_path)
    found = prove(proof, tmp_path)
    assert found.as_built
    assert found.named
    assert found.truth < 1


def test_the_table_counts_named_runs_false_alarms_and_what_cannot_be_told() -> None:
    def of(name: str, *, faulty: bool, fired: tuple[str, ...], truth: float, reason: str = "") -> Proved:
        trial = Trial(setup=Setup(name=name, data="teacher", train=10))
        proof = Proof(rule="GEN006", faulty=faulty, trial=trial, seed=1)
        return Proved(proof=proof, fired=fired, open=reason, truth=truth)

    text = markdown(
        [
            of("a", faulty=True, fired=("GEN006", "GEN001"), truth=12.4),
            of("b", faulty=True, fired=(), truth=3.0, reason="too few"),
            of("c", faulty=False, fired=("GEN006",), truth=0.5),
        ]
    )
    assert "| GEN006 | 1 of 2 | 1 | 1 of 1 | 0 |" in text
    assert "| fault: a | 12 % | 1 of 1 | 0 | GEN001 |" in text
    assert "Missed: GEN006-fault-b-1 (3.0 %; too few)." in text
    assert "Falsely named: GEN006-healthy-c-1 (0.5 %)." in text
    assert "Not as meant, by the test set: none." in text
