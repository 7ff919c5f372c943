"""Recommendations that the benchmark of faults has followed: what stands first, and with which value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from groundwire.audit.model import Mitigation
from groundwire.audit.rules.case import Case
from rule_cases import BAD, HURT, JUMP, LONGER
from rule_material import BY_NAME, NOISE, STEPS, ask, case, layers, spiked

EVERY = np.arange(1, STEPS + 1)
MOMENTS = [200, 300, 400, 500]


def cures(name: str, found: Case) -> list[Mitigation]:
    fault = ask(name, found)
    assert fault is not None
    given = [remedy(found, fault) for remedy in BY_NAME[name].remedies]
    return [mitigation for mitigation in given if mitigation is not None]


def growing(**weights: float) -> dict[str, Any]:
    """Return weight norms of 1 that are, from the step before the first jump on, that many times as large."""
    return {name: np.where(EVERY > 190, factor, 1.0) for name, factor in weights.items()}


def test_a_rate_that_was_raised_suddenly_is_taken_back() -> None:
    raised = case(train__loss=JUMP, gradient__norm=LONGER, optimizer__lr=np.where(EVERY >= 300, 1.0, 0.01))
    first, second, _ = cures("divergence", raised)
    assert first.settings == {"optimizer.lr": 1e-4}
    assert "from 0.01 to 1 at step 300" in first.text
    assert second.settings == {"optimizer.lr": 0.003}


@pytest.mark.parametrize("rate", [np.full(STEPS, 0.01), np.minimum(1, EVERY / 20) * 0.01])
def test_without_a_sudden_rise_the_rate_is_lowered(rate: Any) -> None:
    found = case(train__loss=JUMP, gradient__norm=LONGER, optimizer__lr=rate)
    assert cures("divergence", found)[0].settings == {"optimizer.lr": 0.003}


def test_a_batch_that_spikes_is_looked_at_before_gradients_are_clipped() -> None:
    first, second = cures("loss-spike", BAD["loss-spike"]())
    assert first.settings == {}
    assert "up to step 301 and look at that batch" in first.text
    assert set(second.settings) == {"trainer.gradient_clip_val"}


def test_sorted_data_are_shuffled() -> None:
    assert {"data.shuffle": True} in [cure.settings for cure in cures("oscillation", BAD["oscillation"]())]


def test_weights_that_no_step_made_so_large_are_named() -> None:
    norms = spiked(NOISE, MOMENTS, 40)
    found = case(gradient__norm=norms, gradient__layer_norm={"a": NOISE, "b": NOISE},
                 gradient__weight_norm=growing(a=1.1, b=4.0), train__loss=HURT)  # fmt: skip
    first = cures("exploding-gradient", found)[0]
    assert first.settings == {}
    assert "b before step 201: its weights grew 4-fold" in first.text


def test_without_such_weights_gradients_are_clipped_at_what_was_normal_before() -> None:
    norms = spiked(np.where(EVERY > 200, 5.0, 1.0) * NOISE, MOMENTS, 40)
    found = case(gradient__norm=norms, gradient__layer_norm={"a": NOISE}, gradient__weight_norm=growing(a=1.2))
    assert cures("exploding-gradient", found)[0].settings == {"trainer.gradient_clip_val": 1.1}


def test_a_steep_start_needs_other_weights() -> None:
    norms = {"a": np.full(60, 1.0), "b": np.full(60, 900.0)}
    found = case(gradient__norm=900 * NOISE, gradient__layer_norm=norms, gradient__weight_norm=layers(9, 9))
    assert "gradient_clip_val" in cures("exploding-gradient", found)[0].settings.popitem()[0]
    known = case(gradient__norm=900 * NOISE, gradient__layer_norm=norms, gradient__weight_norm={"a": norms["a"] * 9,
                 "b": norms["a"] * 9})  # fmt: skip
    first = cures("exploding-gradient", known)[0]
    assert first.settings == {}
    assert "first weights of b smaller" in first.text
