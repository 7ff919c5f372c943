"""Overfitting is told from double descent, repetition from what still helps, and leakage from augmentation."""

from __future__ import annotations

import numpy as np
import pytest
from groundwire.audit.rules.declaration import CannotTellError
from hypothesis import given
from hypothesis import strategies as st
from rule_cases import BAD, GAP, MEMORISING, PLATEAU, RISING, SHORT_BATCHES, WAVERING, gaps
from rule_material import STEPS, ask, case, metric, settings_of


def descent(end: float, size: int = 20) -> np.ndarray:
    """Return a loss that falls to 2, rises to 3 and comes down to `end`."""
    return np.concatenate([RISING, np.linspace(3, end, size)])


@pytest.mark.parametrize("name", ["overfitting", "overtraining"])
@pytest.mark.parametrize("end", [2.7, 2.5, 2.2])
def test_a_loss_that_falls_again_cannot_tell(name: str, end: float) -> None:
    with pytest.raises(CannotTellError, match="double descent"):
        ask(name, case(metrics=[GAP], overfitting__val_loss=descent(end)))


def test_a_loss_that_rose_and_came_to_rest_high_up_is_overfit() -> None:
    rested = np.concatenate([RISING, np.linspace(3, 2.8, 5), np.full(15, 2.8)])
    fault = ask("overfitting", case(metrics=[GAP], overfitting__val_loss=rested))
    assert fault is not None
    assert fault.evidence[0].value == pytest.approx(40)


@given(st.integers(0, 10_000))
def test_noise_around_a_plateau_is_hardly_ever_a_rise(seed: int) -> None:
    loss = 2 + np.exp(-np.arange(40) / 4) + np.random.default_rng(seed).normal(0, 0.005, 40)
    assert ask("overtraining", case(overfitting__val_loss=loss)) is None
    assert ask("overfitting", case(metrics=[GAP], overfitting__val_loss=loss)) is None


def test_strips_that_rise_by_luck_are_no_overfitting() -> None:
    noisy = 2 + np.array([0.5, 0.3, 0.1, -0.15, 0.0, 0.02, -0.04, 0.05, 0.01, 0.0, 0.06, 0.02, 0.05, 0.12])
    assert ask("overfitting", case(metrics=[GAP], overfitting__val_loss=noisy)) is None
    few = np.array([3.0, 2.0, 2.1, 2.2, 2.3])
    assert ask("overfitting", case(metrics=[GAP], overfitting__val_loss=few)) is not None


def test_a_rise_on_a_tiny_validation_set_cannot_tell() -> None:
    unsure = metric("overfitting.gap", 0.1, low=-0.2, high=0.4)
    with pytest.raises(CannotTellError, match="larger validation set"):
        ask("overtraining", case(metrics=[unsure], overfitting__val_loss=RISING))
    assert ask("overtraining", case(metrics=[GAP], overfitting__val_loss=RISING)) is not None


def test_a_validation_loss_below_that_of_augmented_batches_cannot_tell() -> None:
    augmented = gaps(-0.3, 0.1, overfitting__train_loss=np.full(40, 1.0), events={"probe": [{"train": 8}]})
    with pytest.raises(CannotTellError, match="train_eval_dataloader"):
        ask("train-validation-leakage", augmented)


def test_few_validations_with_an_interval_cannot_tell() -> None:
    for name in ("train-validation-leakage", "unstable-validation", "underfitting"):
        with pytest.raises(CannotTellError, match="it takes 8"):
            ask(name, case(overfitting__train_loss=[1.0], overfitting__val_loss=[1.0], overfitting__gap=[0.1]))


def test_epochs_that_the_record_does_not_tell_cannot_be_judged() -> None:
    with pytest.raises(CannotTellError, match="how long an epoch is"):
        ask("data-constrained-repetition", gaps(MEMORISING, 0.1, overfitting__val_loss=PLATEAU))


def test_epochs_are_read_from_the_last_batches_or_the_trainer() -> None:
    told = {"trainer": {"max_epochs": 12}, "optimizer": {}, "model": {}}
    known = {"trainer": {}, "optimizer": {}, "model": {}, "data": {"steps_per_epoch": STEPS / 15}}
    for found, epochs in (
        (gaps(MEMORISING, 0.1, overfitting__val_loss=PLATEAU, configuration=known), 15),
        (BAD["data-constrained-repetition"](), 20),
        (gaps(MEMORISING, 0.1, overfitting__val_loss=PLATEAU, configuration=told), 12),
    ):
        fault = ask("data-constrained-repetition", found)
        assert fault is not None
        assert fault.evidence[0].value == pytest.approx(epochs)


def test_values_come_from_the_evidence() -> None:
    regularised, larger = settings_of("underfitting", BAD["underfitting"]())
    assert regularised == {"model.dropout": 0.1, "optimizer.weight_decay": 0.01}
    assert larger == {"model.width": 64}
    rising = gaps(MEMORISING, 0.1, overfitting__val_loss=np.r_[np.linspace(3, 2, 10), np.linspace(2, 3, 30)],
                  data__batch_size=SHORT_BATCHES)  # fmt: skip
    lowest = np.linspace(1, STEPS, 40)[9]
    assert settings_of("data-constrained-repetition", rising)[0] == {"trainer.max_epochs": int(np.ceil(lowest / 30))}
    lower, *_ = settings_of("unstable-validation", gaps(0.1, 0.05, overfitting__val_loss=WAVERING))
    assert lower == {"optimizer.lr": 0.003}
