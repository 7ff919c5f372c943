"""First recommendations are applied as they are, and judged by what comes of them."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.faults.__main__ import STEPS, arguments
from benchmarks.faults.applying import MendedPlan, UnknownSettingError, apply, fields_of
from benchmarks.faults.cases import all_cases, plan_of
from benchmarks.faults.repair import MENDED, Repair, repair
from benchmarks.faults.repair_table import markdown
from benchmarks.faults.running import train

CASES = {case.id: case for case in all_cases()}
FAULTY = CASES["divergence-mlp-0"]


def test_what_is_set_holds_against_the_fault() -> None:
    case = CASES["over-regularised-mlp-1"]
    assert plan_of(case).recipe.dropout == 0.95
    plan = plan_of(case, lambda recipe, **rest: MendedPlan(recipe, **rest, fixed={"dropout": 0.3}))
    assert plan.recipe.dropout == 0.3
    plan.change(lr=0.5)
    assert plan.recipe.lr == 0.5


def test_a_rate_that_a_schedule_has_scaled_scales_the_recipe() -> None:
    plan = plan_of(FAULTY)
    plan.recipe = replace(plan.recipe, lr=0.1)
    assert fields_of({"optimizer.lr": 0.001}, plan, {"lr": 0.004})["lr"] == pytest.approx(0.025)
    assert fields_of({"optimizer.lr": 0.001, "data.batch_size": 8}, plan, {"lr": 0.1}) == {
        "lr": pytest.approx(0.001),
        "batch_size": 8,
    }


def test_trainer_and_loader_are_set() -> None:
    plan = plan_of(CASES["skipped-steps-mlp-0"])
    assert "plugins" in plan.options
    apply({"trainer.precision": "bf16-mixed", "data.shuffle": True, "trainer.gradient_clip_val": 0.5}, plan)
    assert plan.options == {"precision": "bf16-mixed", "gradient_clip_val": 0.5}
    assert plan.shuffle


@pytest.mark.parametrize("key", ["trainer.max_epoch", "data.tokens", "model.heads", "lr"])
def test_a_setting_that_means_nothing_is_named(key: str) -> None:
    with pytest.raises(UnknownSettingError, match=key):
        apply({key: 1}, plan_of(FAULTY))


def test_optimizers_are_set_before_the_first_step_and_unknown_options_named() -> None:
    plan = plan_of(FAULTY)
    plan.recipe = replace(plan.recipe, steps=2)
    plan.module.recipe = plan.recipe
    apply({"optimizer.eps": 1e-3}, plan)
    plan.fit()
    assert plan.module.trainer.optimizers[0].param_groups[0]["eps"] == 1e-3
    apply({"optimizer.momentum": 0.5}, plan)
    with pytest.raises(UnknownSettingError, match=r"optimizer\.momentum"):
        plan.fit()


def done(**changes: Any) -> Repair:
    found = {"case": FAULTY, "finding": "divergence", "settings": {"optimizer.lr": 0.1}, "gone": True,
             "before": 2.0, "after": 1.0, "noise": 0.1}  # fmt: skip
    return Repair(**(found | changes))


@pytest.mark.parametrize(
    ("changes", "story"),
    [
        ({"gone": False}, "divergence stays"),
        ({"new": ("overfitting",)}, "new: overfitting"),
        ({"after": 2.2}, "loss 2.2 after 2"),
        ({"after": 2.2, "twin": 2.3}, "loss 2.2 after 2 (clean twin 2.3)"),
        ({"after": math.nan}, "loss nan after 2"),
        ({"unknown": "data.tokens"}, "unknown setting data.tokens"),
        ({"crash": "ValueError: no"}, "ValueError: no"),
    ],
)
def test_a_repair_that_failed_says_why_and_counts(changes: dict[str, Any], story: str) -> None:
    failed = done(**changes)
    assert not failed.repaired
    text = markdown([done(), failed, done(settings={})], [FAULTY.split])
    assert "2 of 3 faulty runs" in text
    assert f"optimizer.lr = 0.1: {story}" in text
    assert "| divergence | 3 | 2 |" in text
    assert "1 (50.0%) |" in text


@pytest.mark.parametrize("changes", [{}, {"after": 2.05}, {"before": math.nan, "after": 9.0}])
def test_a_loss_within_noise_or_finite_again_is_no_worse(changes: dict[str, Any]) -> None:
    assert done(**changes).repaired


def test_the_command_line_chooses_steps() -> None:
    assert arguments([]).steps == list(STEPS)
    assert arguments(["repair", "peers"]).steps == ["repair", "peers"]
    with pytest.raises(SystemExit):
        arguments(["mend"])


@pytest.mark.slow
def test_advice_is_followed_and_not_trained_for_twice(tmp_path: Path) -> None:
    case = CASES["over-regularised-mlp-1"]
    train(case, tmp_path)
    first = repair(case, tmp_path)
    assert first.settings == {"model.dropout": 0.3}
    assert first.gone
    assert first.after < first.before
    stamp = next((tmp_path / MENDED / case.id).glob("*/run.json")).stat().st_mtime_ns
    assert repair(case, tmp_path) == first
    assert next((tmp_path / MENDED / case.id).glob("*/run.json")).stat().st_mtime_ns == stamp
