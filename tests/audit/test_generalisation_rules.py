"""Overfitting is told from double descent, repetition from what still helps, and leakage from augmentation."""

from __future__ import annotations

import numpy as np
import pytest
from groundwire.audit.model import Confidence
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import CannotTellError
from hypothesis import given
from hypothesis import strategies as st
from rule_cases import BAD, GAP, MEMORISING, PLATEAU, RISING, SHORT_BATCHES, WAVERING, gaps, wavering
from rule_material import BY_NAME, STEPS, ask, case, metric, settings_of


def descent(end: float, size: int = 20) -> np.ndarray:
    """Return a loss that falls to 2, rises to 3 and comes down to `end`."""
    return np.concatenate([RISING, np.linspace(3, end, size)])


@pytest.mark.parametrize("name", ["overfitting", "overtraining"])
@pytest.mark.parametrize("end", [2.7, 2.5, 2.2])
def test_a_loss_that_falls_again_cannot_tell(name: str, end: float) -> None:
    with pytest.raises(CannotTellError, match="double descent"):
        ask(name, case(metrics=[GAP], overfitting__val_loss=descent(end)))


def test_epochs_after_which_the_loss_falls_again_cannot_be_told_useless() -> None:
    falling = np.concatenate([RISING, np.linspace(3, 2.5, 10)])
    found = gaps(MEMORISING, 0.1, overfitting__val_loss=falling, data__batch_size=SHORT_BATCHES)
    with pytest.raises(CannotTellError, match="falling again"):
        ask("data-constrained-repetition", found)


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


NAMING = ("overfitting", "overtraining")
NEVER_LEARNED = 4.1 + 4 * np.linspace(0, 1, 30) ** 0.5  # as before grokking, from ln 53 on


NEVER_LEARNED_GAP = np.linspace(0, 7, 40)


def both(train: np.ndarray, val: np.ndarray = RISING, half: float = 0.02) -> Case:
    """Return a run with both losses and the gap between them."""
    gap = val - train
    ends = {"overfitting__gap_low": gap - half, "overfitting__gap_high": gap + half}
    return case(
        metrics=[metric("overfitting.gap", gap[-1], low=gap[-1] - half, high=gap[-1] + half)],
        overfitting__val_loss=val, overfitting__train_loss=train, overfitting__gap=gap, **ends,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMING)
@pytest.mark.parametrize(
    "train",
    [RISING - 0.5, RISING - np.linspace(0.8, 0.1, 30), np.r_[np.linspace(2.5, 1.5, 20), np.linspace(1.5, 1.9, 10)]],
    ids=["the gap stays", "the gap closes", "after it fell"],
)
def test_where_both_losses_rose_it_cannot_be_told(name: str, train: np.ndarray) -> None:
    with pytest.raises(CannotTellError, match="both losses rose since step"):
        ask(name, both(train))


@pytest.mark.parametrize("name", NAMING)
def test_how_sure_it_is_depends_on_how_far_the_gap_grew(name: str) -> None:
    falling = np.linspace(2.5, 1.5, 30)
    for half, sure in ((0.02, Confidence.HIGH), (0.9, Confidence.MEDIUM)):
        fault = ask(name, both(falling, half=half))
        assert fault is not None
        assert fault.confidence is sure


@pytest.mark.parametrize("name", NAMING)
def test_without_a_probe_the_loss_of_the_steps_tells_whether_both_rose(name: str) -> None:
    shape = np.interp(np.arange(STEPS), np.linspace(0, STEPS - 1, 30), RISING)
    with pytest.raises(CannotTellError, match="both losses rose"):
        ask(name, case(metrics=[GAP], overfitting__val_loss=RISING, train__loss=shape))
    with pytest.raises(CannotTellError, match="no training loss"):
        ask(name, case(metrics=[GAP], overfitting__val_loss=RISING, train__loss=np.zeros(0)))


@pytest.mark.parametrize("name", (*NAMING, "data-constrained-repetition"))
def test_before_grokking_it_cannot_be_told(name: str) -> None:
    learned = np.log(53) * np.exp(-np.arange(STEPS) / 100)
    settings = {"trainer": {}, "optimizer": {}, "model": {}, "data": {"steps_per_epoch": STEPS / 30}}
    rising = gaps(NEVER_LEARNED_GAP, 0.1, metrics=[GAP], configuration=settings, train__loss=learned,
                  overfitting__val_loss=NEVER_LEARNED, overfitting__train_loss=learned[::15])  # fmt: skip
    with pytest.raises(CannotTellError, match="never below where training began"):
        ask(name, rising)


def test_a_gap_that_is_not_finite_is_said_to_be_so() -> None:
    lost = metric("overfitting.gap", None).model_copy(update={"reason": "the value is nan"})
    with pytest.raises(CannotTellError, match="the gap is not known: the value is nan"):
        ask("overfitting", case(metrics=[lost], overfitting__val_loss=RISING))


def test_a_pretrained_model_may_have_begun_near_its_end() -> None:
    found = BAD["underfitting"]()
    assert ask("underfitting", found) is not None
    found._configuration["model"] |= {"pretrained": True}  # type: ignore[index]
    with pytest.raises(CannotTellError, match=r"began pretrained \(model.pretrained\)"):
        ask("underfitting", found)


def test_patience_is_counted_past_a_loss_that_was_not_finite() -> None:
    for lost in (np.nan, WAVERING[3]):
        value = WAVERING.copy()
        value[3] = lost
        found = wavering(value, WAVERING)
        fault = ask("unstable-validation", found)
        assert fault is not None
        told = [remedy(found, fault) for remedy in BY_NAME["unstable-validation"].remedies][-1]
        assert told is not None
        assert "patience=9)" in told.text


@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_single_spikes_and_units_make_no_validation_unstable(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    falling = 0.5 + np.exp(-np.arange(40) / 5) + rng.normal(0, 0.002, (2, 40))
    falling[:, rng.integers(0, 40)] *= 3
    started = unit * np.linspace(2, 0.5, STEPS)
    assert ask("unstable-validation", wavering(*(unit * falling), train__loss=started)) is None
    jumping = falling * (1 + rng.uniform(0.08, 0.15, 40) * np.tile([-1, 1], 20))
    assert ask("unstable-validation", wavering(*(unit * jumping), train__loss=started)) is not None


def test_without_a_positive_beginning_wavering_cannot_be_judged() -> None:
    for start in (-1.0, np.nan):
        with pytest.raises(CannotTellError, match="not finite and positive"):
            ask("unstable-validation", wavering(WAVERING, WAVERING, train__loss=np.full(STEPS, start)))


@pytest.mark.parametrize(
    "source", ["the first batches of train_eval_dataloader", "the first batches of an unshuffled training loader"]
)
def test_examples_that_come_first_in_a_set_show_no_leakage(source: str) -> None:
    found = gaps(-0.3, 0.1, overfitting__train_loss=np.full(40, 1.0), events={"probe": [{"source": source}]})
    with pytest.raises(CannotTellError, match=f"which {source} may explain"):
        ask("train-validation-leakage", found)


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
    lower, *_ = settings_of("unstable-validation", wavering(WAVERING, WAVERING))
    assert lower == {"optimizer.lr": 0.003}
