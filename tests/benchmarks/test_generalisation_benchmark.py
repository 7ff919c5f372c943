"""The runs of the generalisation benchmark are what they say, and the table counts what was found."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.generalisation import coverage
from benchmarks.generalisation.__main__ import CALIBRATION, REPORT, arguments, chosen
from benchmarks.generalisation.data import SETS, load
from benchmarks.generalisation.models import rate
from benchmarks.generalisation.running import Case, cases, train, train_all
from benchmarks.generalisation.setups import Setup
from benchmarks.generalisation.table import Judged, course, judge_case, markdown

TRAPS = """
double-descent double-descent-still-falling grokking grokking-still-rising both-losses-rise validation-of-8
strong-dropout strong-augmentation label-smoothing early-stop noisy-plateau cosine restarts
repetition-that-helps underfit
"""


def test_there_are_twenty_of_each_or_more_with_every_trap_and_the_report_has_seeds_of_its_own() -> None:
    found = cases(REPORT)
    assert len({case.id for case in found}) == len(found) == 42 * len(REPORT)
    kinds = [case.kind for case in cases([0])]
    assert (kinds.count("overfit"), kinds.count("healthy")) == (20, 22)
    assert set(TRAPS.split()) <= {case.setup.name for case in found if case.kind == "healthy"}
    assert not set(CALIBRATION) & set(REPORT)


def test_the_command_line_chooses_runs() -> None:
    found = chosen(arguments(["runs", "--only", "grokking", "--seeds", "3", "4"]))
    assert [case.id for case in found] == ["healthy-grokking-3", "healthy-grokking-4"]


@pytest.mark.parametrize("name", SETS)
def test_data_are_drawn_by_their_seed_and_parts_share_no_example(name: str) -> None:
    first, again, other = (load(name, seed, train=30, val=20, noise=0.1) for seed in (1, 1, 2))
    assert torch.equal(first.train[0], again.train[0])
    assert torch.equal(first.test[1], again.test[1])
    assert not torch.equal(first.train[0], other.train[0])
    assert (len(first.train[0]), len(first.val[0])) == (30, 20)
    assert len(first.test[0]) >= 400


@pytest.mark.parametrize(
    ("losses", "risen", "falling"),
    [
        (np.linspace(3, 2, 40), 0, False),
        (np.r_[np.linspace(3, 2, 20), np.full(20, 3.0)], 50, False),
        (np.r_[np.linspace(3, 2, 20), np.linspace(2, 3, 10), np.linspace(3, 2.3, 10)], 25, True),
    ],
)
def test_the_test_set_tells_what_a_run_was(losses: np.ndarray, risen: float, falling: bool) -> None:
    found = course(losses)
    assert found[0] == pytest.approx(risen, abs=8)
    assert found[1] is falling


def test_schedules_end_where_they_should() -> None:
    setup = Setup(name="x", data="teacher", train=10, steps=100, schedule="restarts")
    assert rate(setup, 25) == pytest.approx(1.0)
    assert rate(setup, 100) == pytest.approx(0.02)
    raised = Setup(name="x", data="teacher", train=10, steps=100, schedule="raise")
    assert (rate(raised, 59), rate(raised, 60)) == (0.02, 1.0)


@pytest.mark.slow
def test_a_run_that_overfits_is_trained_once_judged_and_named(tmp_path: Path) -> None:
    (case,) = chosen(arguments(["runs", "--only", "few-points", "--seeds", "0"]))
    train(case, tmp_path)
    before = (tmp_path / case.id / "truth.json").read_text()
    train_all([case], tmp_path, jobs=1)
    assert (tmp_path / case.id / "truth.json").read_text() == before
    found = judge_case(case, tmp_path)
    assert found.named
    assert found.as_built
    assert found.risen > 5


def test_the_table_counts_named_runs_false_alarms_and_what_cannot_be_told() -> None:
    overfit, healthy, other = (
        Case(kind=kind, setup=Setup(name=name, data="teacher", train=10), seed=1)
        for kind, name in (("overfit", "a"), ("healthy", "b"), ("healthy", "c"))
    )
    common = {"falling": False, "seconds": 1.0}
    text = markdown(
        [
            Judged(case=overfit, fired=("GEN001", "GEN007"), open={}, risen=30.0, **common),
            Judged(case=healthy, fired=("GEN003",), open={"GEN002": "too noisy"}, risen=0.0, **common),
            Judged(case=other, fired=("GEN002",), open={}, risen=9.0, **common),
        ]
    )
    assert "| overfit | 1 | 1 | 1 | 0 | 0 |" in text
    assert "| healthy | 2 | 1 | 0 | 1 | 1 |" in text
    assert "| healthy: b | 0 % | 0 of 1 | 1 | GEN003 1 |" in text
    assert "Falsely named: healthy-c-1 (9.0 %; GEN002)." in text
    assert "Missed: none." in text
    assert "Not as meant, by the test set: healthy-c-1" in text


def test_the_interval_covers_the_truth_of_mild_losses() -> None:
    found = coverage.simulate((1, 64), (1, 64), 2.0, examples=True, repeats=100)
    assert found.missing == 0
    assert 0.88 <= found.held / found.of <= 1.0
    assert coverage.simulate((1, 256), (1, 256), 2.0, examples=True, repeats=20).width < 0.6 * found.width
