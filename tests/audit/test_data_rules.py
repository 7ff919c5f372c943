"""How sure the rules of the data are, and what they recommend."""

from __future__ import annotations

import numpy as np
import pytest
from data_cases import LOST, REPEATED, VARIED, column, examples, features, losses
from groundwire.audit.model import Confidence, Severity
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import CannotTellError, Fault
from rule_cases import gaps
from rule_material import BY_NAME, ask, case, layers, settings_of


def fault_of(name: str, found: Case) -> Fault:
    fault = ask(name, found)
    assert fault is not None
    return fault


@pytest.mark.parametrize(
    ("found", "how", "sure"),
    [
        (features(LOST), "1 of 30 input features (3) is constant in training and not in validation", True),
        (features(column(3, 0.0, nan=1.0, value=np.nan)), "is NaN", True),
        (features(column(3, 0.004, val={"usual": 1.0, "nan": 0.0, "value": 0.0})), "zero in validation", False),
        (features(column(3, 1.0), column(4, 1.0)), "2 of 30 input features (3, 4) are constant", False),
        (features(column(1, 1.0), of="channels", columns=3), "input channels (1) is constant", False),
        (features(LOST, of="sequence"), "constant in training and not in validation", True),
        (features(column(3, 1.0), examples={"train": 800, "val": 0}), "is constant", False),
    ],
)
def test_what_is_lost_on_one_side_is_sure(found: Case, how: str, sure: bool) -> None:
    fault = fault_of("constant-features", found)
    assert how in fault.summary
    assert fault.confidence is (Confidence.HIGH if sure else Confidence.MEDIUM)
    remedy = BY_NAME["constant-features"].remedies[0](found, fault)
    assert remedy is not None
    assert "x[:, " in remedy.text


def test_few_examples_say_nothing_of_features() -> None:
    with pytest.raises(CannotTellError, match="300 of 512"):
        ask("constant-features", features(LOST, examples={"train": 300, "val": 140}))
    tiny = {"train": 800, "val": 20}
    assert ask("constant-features", features(column(3, 1.0, val=VARIED), examples=tiny, frequent=[9, 0])) is None


def test_inputs_that_hardly_matter_are_a_low_finding_that_follows_from_others() -> None:
    exact, little = losses(2.0, 2.0, 2.2), losses(2.0, [2.01, 2.012, 2.008, 2.01], 2.2)
    assert (fault_of("input-ignored", exact).severity, fault_of("input-ignored", exact).step) == (None, None)
    fault = fault_of("input-ignored", little)
    assert (fault.severity, fault.step) == (Severity.LOW, 600)
    dead = losses(2.0, 2.0, 2.2, activation__dead_share=layers(1.0))
    assert fault_of("input-ignored", dead).step == 600
    lost = {"activation.first_step": [{"layers": [{"in_std": 0.0}]}]}
    assert (
        fault_of("input-ignored", losses(2.0, 2.0, 2.2, activation__dead_share=layers(1.0), events=lost)).step is None
    )
    assert ask("input-ignored", losses(2.0, [2.01, 2.012, 2.008, 2.03], [2.2, 2.2, 2.2, np.nan])) is None
    with pytest.raises(CannotTellError, match="no validation"):
        ask("input-ignored", losses(2.0, [2.0, 2.0, 2.0, np.nan], 2.2))


def test_streams_and_generators_have_remedies_of_their_own() -> None:
    stream, rng, both = examples(**REPEATED), examples("dataset.rng"), examples("dataset.rng", across_workers=600)
    rule = BY_NAME["duplicate-augmentation"]
    texts = [rule.remedies[0](found, fault_of(rule.name, found)).text for found in (stream, rng)]  # type: ignore[union-attr]
    assert "info.num_workers" in texts[0]
    assert "dataset.rng" in texts[1]
    sure = [fault_of(rule.name, found).confidence for found in (stream, rng, both)]
    assert sure == [Confidence.HIGH, Confidence.MEDIUM, Confidence.HIGH]
    assert settings_of(rule.name, stream)[-1] == {"data.num_workers": 0}


def test_examples_on_both_sides_are_leakage_whatever_the_gap() -> None:
    fault = fault_of("train-validation-leakage", examples(shared=60, twins=10))
    assert "60 of 300 validation examples (20 %)" in fault.summary
    assert fault.severity is Severity.HIGH
    remedies = [r(examples(shared=60), fault) for r in BY_NAME["train-validation-leakage"].remedies]
    assert all(remedies)
    assert "isdisjoint" in remedies[0].text  # type: ignore[union-attr]
    seen = {"inputs.examples": examples().events("inputs.examples")}
    probed = {"probe": [{"source": "train_eval_dataloader"}]}
    below = gaps(-0.3, 0.1, overfitting__train_loss=np.full(40, 1.0), events=probed | seen)
    assert "below the training loss" in fault_of("train-validation-leakage", below).summary
    assert BY_NAME["train-validation-leakage"].remedies[0](below, fault) is None
    short = case(overfitting__gap_high=[1.0], overfitting__train_loss=[1.0], events=seen)
    assert ask("train-validation-leakage", short) is None  # too few validations, but no example on both sides
