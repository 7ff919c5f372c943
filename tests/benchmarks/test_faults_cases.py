"""The cases of the fault benchmark are what they say, and are trained once."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from groundwire.audit.record import Record

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.faults import readme, table
from benchmarks.faults.__main__ import arguments, chosen
from benchmarks.faults.cases import SEEDS, Case, all_cases, plan_of, quick_cases
from benchmarks.faults.running import DONE, is_done, record_of, train, train_all
from benchmarks.faults.table import Judged, markdown

ISSUE = """
non-finite skipped-steps exploding-gradient vanishing-gradient dead-units saturated-units stagnant-loss divergence
loss-spike oscillation updates-too-large updates-too-small parameter-never-updated missing-zero-grad symmetric-init
bad-init-scale no-nonlinearity unscaled-input eval-mode scheduler-mistake over-regularised clip-saturation
no-op-step double-softmax sign-flip wrong-loss constant-features class-imbalance label-noise input-ignored
train-validation-leakage batch-norm-mismatch underfitting bad-optimizer-epsilon logit-growth representation-collapse
duplicate-augmentation stall lost-updates
"""
CASES = {case.id: case for case in all_cases()}


def test_ids_are_unique_and_fit_for_folders() -> None:
    assert len(CASES) == len(all_cases())
    assert all(name.replace("-", "").isalnum() for name in CASES)


def test_every_fault_is_on_two_architectures_and_five_seeds_with_a_twin_each() -> None:
    runs: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for case in all_cases():
        if case.fault:
            runs[case.fault][case.architecture].add(case.seed)
            twin = CASES[f"{case.id}-twin"]
            assert (twin.kind, twin.optimizer, twin.seed, twin.split) == (
                "twin",
                case.optimizer,
                case.seed,
                case.split,
            )
    assert set(runs) == set(ISSUE.split())
    assert all(len(architectures) >= 2 for architectures in runs.values())
    assert {len(seeds) for architectures in runs.values() for seeds in architectures.values()} == {SEEDS}


def test_healthy_runs_suffice_to_claim_one_percent_and_negatives_have_five_seeds() -> None:
    assert sum(case.kind == "healthy" for case in all_cases()) >= 300
    names = Counter(case.name for case in all_cases() if case.kind == "negative")
    assert len(names) >= 14
    assert set(names.values()) == {5}


@pytest.mark.parametrize("kind", ["fault", "twin", "negative", "healthy"])
def test_a_third_is_for_calibration(kind: str) -> None:
    splits = Counter(case.split for case in all_cases() if case.kind == kind)
    assert splits["calibration"] / splits.total() == pytest.approx(1 / 3, abs=0.02)


def test_calibration_and_report_share_no_run() -> None:
    recipes = {split: {plan_of(case).recipe for case in all_cases() if case.kind == "healthy" and case.split == split}
               for split in ("calibration", "report")}  # fmt: skip
    assert not recipes["calibration"] & recipes["report"]


def test_the_quick_subset_has_every_fault_and_every_negative() -> None:
    names = {case.name for case in quick_cases()}
    assert names >= {case.name for case in all_cases()}
    assert len(quick_cases()) < 80


def test_the_command_line_chooses_cases() -> None:
    only = chosen(arguments(["--only", "divergence", "--split", "report"]))
    assert {case.name for case in only} == {"divergence"}
    assert {case.split for case in only} == {"report"}


def losses(case: Case, folder: Path) -> np.ndarray:
    place = record_of(case, folder)
    assert place is not None
    return Record.open(place).series("train.loss").value


@pytest.mark.slow
def test_a_fault_and_its_twin_start_alike_and_end_apart_and_are_not_trained_again(tmp_path: Path) -> None:
    fault, twin = CASES["divergence-mlp-1"], CASES["divergence-mlp-1-twin"]
    for case in (fault, twin):
        train(case, tmp_path)
    sick, sound = losses(fault, tmp_path), losses(twin, tmp_path)
    assert sick[: fault.injected_at] == pytest.approx(sound[: fault.injected_at])
    assert sick[-50:].mean() > 2 * sick[fault.injected_at - 50 : fault.injected_at].mean()
    assert sound[-50:].mean() < 0.5 * sound[:50].mean()
    assert train_all([fault, twin], tmp_path, jobs=1) == []


def test_a_case_that_was_cut_off_is_trained_again_and_a_crash_is_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["stagnant-loss-mlp-1"]
    (tmp_path / case.id / "half").mkdir(parents=True)
    assert not is_done(case, tmp_path)
    monkeypatch.setattr("benchmarks.faults.plan.Plan.fit", lambda *_: 1 / 0)
    train(case, tmp_path)
    assert is_done(case, tmp_path)
    assert "ZeroDivisionError" in (tmp_path / case.id / DONE).read_text()
    assert record_of(case, tmp_path) is None
    assert table.judge_case(case, tmp_path).alarms == ()


def test_the_table_counts_detection_naming_and_false_alarms() -> None:
    fault = CASES["divergence-mlp-0"]
    judged = [
        Judged(case=fault, alarms=(("loss-spike", 1), ("divergence", fault.injected_at + 7))),
        Judged(case=CASES["divergence-mlp-0-twin"], alarms=(("overfitting", None),)),
        Judged(case=CASES["healthy-mlp-sgd-1"], alarms=(("oscillation", None),)),
    ]
    text = markdown(judged)
    assert "| divergence | 1 | 1 (100.0%) | 0 (0.0%) | 7 |" in text
    assert "| clean twins | 1 | 0 (0.0%) | 95.0% | 1 |" in text
    assert "False alarms: healthy-mlp-sgd-1 (oscillation)." in text


def test_tables_come_to_stand_in_the_readme(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Faults\n\n<!-- table -->\nold\n<!-- end of table -->\n\nWhy.\n")
    for _ in range(2):  # again is the same
        readme.put("table", "## Report\n\n| a |\n", page)
        assert page.read_text() == (
            "# Faults\n\n<!-- table -->\n\n### Report\n\n| a |\n\n<!-- end of table -->\n\nWhy.\n"
        )
    with pytest.raises(ValueError, match="needs the lines <!-- peers --> and <!-- end of peers -->"):
        readme.put("peers", "## Side by side\n", page)


def test_the_readme_has_a_place_for_every_table() -> None:
    text = readme.PAGE.read_text(encoding="utf-8")
    for step in ("table", "repair", "peers"):
        assert text.count(f"<!-- {step} -->\n") == text.count(f"<!-- end of {step} -->\n") == 1


def test_a_part_of_the_cases_is_no_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--readme", "--quick"])
    assert "--readme takes the tables of all cases" in capsys.readouterr().err
