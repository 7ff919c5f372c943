"""Every rule fires on bad evidence, is silent on good, and recommends what the evidence says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from groundwire.audit import registry
from groundwire.audit.model import Quality, Severity
from groundwire.audit.rules import RULES
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import HEADINGS, CannotTellError, Rule
from rule_cases import BAD, FLAT, GAP, GOOD, RISING, UNFAIR
from rule_material import BY_NAME, STEPS, ask, case, metric, settings_of


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
    assert settings_of("updates-too-large", BAD["updates-too-large"]()) == [{"optimizer.lr": 0.0004}]
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


def test_a_difference_between_groups_names_them() -> None:
    fault = ask("group-disparity", BAD["group-disparity"]())
    assert fault is not None
    assert "by gender" in fault.summary
    assert "most of all about men" in fault.summary
    assert any("men against women" in item.summary for item in fault.evidence)
    unsure = UNFAIR.model_copy(update={"p": 0.3, "low": 0.0})
    with pytest.raises(CannotTellError, match="prompts a group would tell"):
        ask("group-disparity", case(metrics=[unsure]))
    unqualified = UNFAIR.model_copy(update={"quality": Quality.UNKNOWN, "reason": "the scorer may not"})
    with pytest.raises(CannotTellError, match="the scorer may not"):
        ask("group-disparity", case(metrics=[unqualified]))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_is_declared_whole(rule: Rule) -> None:
    assert tuple(rule.sections) == HEADINGS
    assert all(rule.sections.values())
    assert rule.flaw.endswith(".")
    assert rule.needs
    known = {q.name for q in (*registry.METRICS, *registry.SERIES)} | set(registry.EVENTS)
    assert set(rule.needs) <= known
    assert np.isfinite(rule.threshold)
    assert set(rule.follows_from) <= set(BY_NAME)
    if rule.code.startswith("CO2") and rule.name != "budget-exceeded":  # which the user has set
        assert rule.severity in {Severity.LOW, Severity.INFO}


def test_codes_and_names_are_never_shared() -> None:
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
