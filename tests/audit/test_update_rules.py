"""How large steps may be: the first ones more than later ones, which are judged where there are enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import CannotTellError
from rule_material import STEPS, ask, case

FIRST, LAST = 6, 54  # samples of the first fifty steps, and of those after them


def trained(early: float, late: float, name: str = "AdamW", *, steps: int = STEPS, **model: Any) -> Case:
    """Return a run whose updates are so large in the first fifty steps and after them."""
    ratio = {"layer": np.array([early] * FIRST + [late] * LAST)}
    found = case(
        gradient__update_ratio=ratio, configuration={"optimizer": {"name": name, "lr": 0.01}, "model": model}
    )
    found.steps = steps
    return found


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (trained(0.25, 0.001), "first steps"),
        (trained(0.02, 0.013), "later steps"),
        (trained(0.055, 0.01), "first steps that do not come down"),
        (trained(0.09, 0.001, "Lion"), "first steps of others than Adam"),
        (trained(0.09, 0.09, steps=100), "first steps of a short run"),
        (trained(0.11, 0.001, "SGD"), "first steps of plain descent"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_large_updates_are_named(found: Case, why: str) -> None:
    assert ask("updates-too-large", found) is not None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (trained(0.12, 0.003), "first steps that come down"),
        (trained(0.045, 0.011), "a little large all the time"),
        (trained(0.057, 0.008), "embeddings that begin small"),
        (trained(0.07, 0.07, steps=100), "small weights in a short run, where nothing is late"),
        (trained(0.03, 0.03, "SGD"), "plain descent, which slows down by itself"),
        (trained(0.03, 0.03, "Adafactor"), "steps relative to the weights"),
        (trained(0.09, 0.01, parameters=1000, trainable_parameters=10), "adapters beside frozen weights"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_updates_that_go_well_are_left_alone(found: Case, why: str) -> None:
    assert ask("updates-too-large", found) is None


def test_the_reason_says_which_steps_it_means() -> None:
    late = ask("updates-too-large", trained(0.02, 0.013))
    assert late is not None and "later steps" in late.summary
    early = ask("updates-too-large", trained(0.055, 0.01))
    assert early is not None and "first 50 steps" in early.summary
    assert early.evidence[0].limit == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("rule", "found", "why"),
    [
        ("updates-too-small", trained(0.0, 0.0, "LBFGS"), "LBFGS steps as far"),
        ("updates-too-large", trained(0.5, 0.5, "LBFGS"), "LBFGS steps as far"),
        ("updates-too-large", trained(0.2, 0.012, "Adagrad"), "shrink by themselves"),
    ],
)
def test_steps_whose_length_means_something_else_are_unknown_and_not_clear(rule: str, found: Case, why: str) -> None:
    with pytest.raises(CannotTellError, match=why):
        ask(rule, found)
