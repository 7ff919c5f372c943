"""What rules of the loss and of classes say and recommend."""

from __future__ import annotations

import numpy as np
import pytest
from groundwire.audit.model import Severity
from groundwire.audit.rules.declaration import CannotTellError
from objective_cases import FALLING, MAXIMISING, RISING, called, counted
from rule_material import BY_NAME, ask, case, settings_of


@pytest.mark.parametrize("function", ["cross_entropy", "nll_loss", "kl_div", "binary_cross_entropy_with_logits"])
def test_probabilities_are_told_for_each_function_that_takes_something_else(function: str) -> None:
    found = called(f"{function}+1", probabilities=1.0)
    fault = ask("double-softmax", found)
    assert fault is not None
    assert fault.summary.startswith(f"{function} was given")
    (remedy,) = BY_NAME["double-softmax"].remedies
    told = remedy(found, fault)
    assert told is not None
    assert function in told.text


def test_what_is_maximised_by_the_optimizer_is_a_sign_flip_with_a_setting() -> None:
    found = called(value=RISING, settings=MAXIMISING)
    assert settings_of("sign-flip", found) == [{"optimizer.maximize": False}]
    assert ask("sign-flip", called(value=RISING, returned=3 - RISING)) is None  # positive at first
    assert ask("sign-flip", called(value=RISING, returned=-1 - RISING)) is not None  # minus it, and a constant


def test_a_sign_cannot_be_told_by_hand_or_in_a_game() -> None:
    with pytest.raises(CannotTellError, match="not known"):
        ask("sign-flip", called(returned=np.full(len(FALLING), np.nan)))
    with pytest.raises(CannotTellError, match="several optimizers"):
        ask("sign-flip", called(returned=-FALLING, settings={"optimizer": {"count": 2}}))
    with pytest.raises(CannotTellError, match="5 steps"):
        ask("double-softmax", case(objective__probabilities={"cross_entropy": np.ones(4)}))


@pytest.mark.parametrize(
    ("function", "fact", "severity", "word"),
    [
        ("mse_loss", "one_hot", Severity.MEDIUM, "one-hot"),
        ("mse_loss", "broadcast", None, "every target"),
        ("cross_entropy", "improper", None, "single column"),
        ("nll_loss", "improper", None, "logarithms"),
        ("binary_cross_entropy_with_logits", "improper", None, "yes or no"),
    ],
)
def test_each_wrong_loss_is_told_apart(function: str, fact: str, severity: Severity | None, word: str) -> None:
    found = called(function, **{fact: 1.0})
    fault = ask("wrong-loss", found)
    assert fault is not None
    assert (fault.severity, word in fault.summary) == (severity, True)
    assert settings_of("wrong-loss", found) == [{}]


def test_weights_are_those_of_the_counts() -> None:
    found = counted([40, 39, 1], [40, 30, 1], [38, 28, 0])
    fault = ask("class-imbalance", found)
    assert fault is not None
    weigh, collect = (remedy(found, fault) for remedy in BY_NAME["class-imbalance"].remedies)
    assert weigh is not None
    assert "weight=torch.tensor([0.67, 0.68, 27])" in weigh.text
    assert weigh.text.startswith("Weigh classes by their counts")
    assert collect is not None
    assert "class 2" in collect.text


def test_recall_is_of_the_training_where_nothing_is_held_out_and_unknown_of_few() -> None:
    fault = ask("class-imbalance", counted([40, 30, 2], [], [38, 28, 0], held_out=False))
    assert fault is not None
    assert "in training" in fault.summary
    with pytest.raises(CannotTellError, match="0 of 10 examples"):
        ask("class-imbalance", counted([40, 30, 1], [40, 30, 0], [38, 28, 0]))
    with pytest.raises(CannotTellError, match="200 examples"):
        ask("class-imbalance", counted([4, 3, 0], [40, 30, 1], [38, 28, 0]))


def test_a_class_that_was_never_trained_on_is_rare_where_it_is_held_out() -> None:
    fault = ask("class-imbalance", counted([40, 30, 0], [40, 30, 9], [38, 28, 0]))
    assert fault is not None
    assert "class 2" in fault.summary
    assert ask("class-imbalance", counted([40, 30, 0], [40, 30, 0], [38, 28, 0])) is None  # an output without use
