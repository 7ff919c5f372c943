"""What the rules about representations and labels recommend, and when they cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from groundwire.audit.model import Severity
from groundwire.audit.rules.declaration import CannotTellError
from representation_cases import BAD, SETTINGS, alike, compared, labelled, narrow, normed
from rule_material import BY_NAME, ask, case, settings_of


def texts_of(name: str, found: Any) -> list[str]:
    fault = ask(name, found)
    assert fault is not None
    return [remedy.text for rule in BY_NAME[name].remedies if (remedy := rule(found, fault)) is not None]


def test_a_momentum_that_is_too_slow_is_set_where_the_model_has_a_setting_for_it() -> None:
    slow = BAD["batch-norm-mismatch"]()
    assert settings_of("batch-norm-mismatch", slow)[0] == {"model.norm_momentum": 0.1}
    assert "last 10,000 batches" in texts_of("batch-norm-mismatch", slow)[0]
    frozen = case(events=normed((2.0, 0.5), momentum=0.0))
    assert "never move" in texts_of("batch-norm-mismatch", frozen)[0]
    assert settings_of("batch-norm-mismatch", frozen)[0] == {}


def test_tiny_batches_are_made_larger() -> None:
    tiny = case(events=normed((2.0, 0.5), size=2))
    assert settings_of("batch-norm-mismatch", tiny)[0] == {"data.batch_size": 32}
    assert "GroupNorm" in texts_of("batch-norm-mismatch", tiny)[0]


def test_the_mismatch_names_the_step_at_which_it_showed_first() -> None:
    fault = ask("batch-norm-mismatch", case(events=normed((0.9, 0.9), (2.0, 0.5), (1.9, 0.4))))
    assert fault is not None
    assert fault.step == 200


def test_losses_that_are_no_numbers_cannot_tell() -> None:
    looks = normed((2.0, 0.5))
    looks["representation"][0]["batch_norm"]["eval_loss"] = None
    with pytest.raises(CannotTellError, match="not finite"):
        ask("batch-norm-mismatch", case(events=looks))
    with pytest.raises(CannotTellError, match="not positive"):
        ask("batch-norm-mismatch", case(events=normed((-1.0, -2.0))))


def test_inputs_that_are_alike_cannot_tell_of_a_collapse() -> None:
    with pytest.raises(CannotTellError, match="3 different examples"):
        ask("representation-collapse", case(events=alike(0.0, distinct=3)))


def test_the_remedy_of_a_collapse_fits_the_objective() -> None:
    assert "negatives" in texts_of("representation-collapse", case(events=alike(0.0)))[0]
    assert "KL" in texts_of("representation-collapse", case(events=alike(0.0, supervised=True)))[0]
    heavy = {"optimizer": {"weight_decay": 5.0, "count": 1}}
    decayed = case(events=alike(0.0), configuration=heavy)
    assert settings_of("representation-collapse", decayed)[0] == {"optimizer.weight_decay": 0.01}


@pytest.mark.parametrize("more", [{}, {"supervised": True, "target_rank": 20.0}])
def test_one_direction_of_many_is_a_collapse_where_more_are_wanted(more: Any) -> None:
    fault = ask("representation-collapse", case(events=narrow(**more)))
    assert fault is not None
    assert "1.2 of 64 directions" in fault.summary


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (labelled(0.8), "learned too little"),
        (labelled(0.3, relabelled=0.5), "other labels each time"),
        (labelled(0.3, observations=1100), "met again"),
        (labelled(0.3, examples=100), "met again"),
    ],
)
def test_labels_that_cannot_be_judged(told: Any, why: str) -> None:
    with pytest.raises(CannotTellError, match=why):
        ask("label-noise", case(events=told))


def test_a_reference_that_errs_as_well_makes_surer() -> None:
    noisy = labelled(0.1, auc=0.72)
    assert ask("label-noise", case(events=noisy)) is not None
    with pytest.raises(CannotTellError, match="no simple method could be asked"):  # as of words
        ask("label-noise", case(events=noisy | {"reference": []}))


def test_losses_that_compare_the_examples_of_a_batch_have_no_mismatch() -> None:
    with pytest.raises(CannotTellError, match="nothing is predicted"):
        ask("batch-norm-mismatch", case(events=normed((2.0, 0.9), (1.9, 0.5), supervised=False)))


def test_numbers_that_differ_and_are_predicted_alike_are_a_collapse() -> None:
    told = alike(0.002, supervised=True, target_rank=20.0, target_turn=0.4)
    assert ask("representation-collapse", case(events=told)) is not None


def test_outputs_for_places_and_predictions_are_not_called_representations() -> None:
    with pytest.raises(CannotTellError, match="each place of an image"):
        ask("representation-collapse", case(events=alike(0.002, dense=True)))
    one = alike(0.002, supervised=True)
    one["representation"][0]["output"]["dimension"] = 1
    assert ask("representation-collapse", case(events=one)) is None
    short = case(events=alike(0.002))
    short.steps = 40
    with pytest.raises(CannotTellError, match="40 of 100 steps"):
        ask("representation-collapse", short)


def test_the_labels_that_are_contradicted_most_are_named_and_smoothing_is_set() -> None:
    settings = {"optimizer": {"count": 1}, "model": {"label_smoothing": 0.0}}
    noisy = case(events=labelled(0.28), configuration=settings)
    assert "3 taken for 8 (20)" in texts_of("label-noise", noisy)[0]
    assert settings_of("label-noise", noisy)[1] == {"model.label_smoothing": 0.28}


def test_a_model_that_a_simple_method_beats_underfits_and_is_made_wide_enough_at_once() -> None:
    narrow = compared(0.5, hidden=2)
    fault = ask("underfitting", narrow)
    assert fault is not None
    assert fault.severity is Severity.MEDIUM
    assert settings_of("underfitting", narrow) == [{"model.width": 40}]  # four units for each of ten outputs


def test_a_narrow_last_layer_is_judged_more_strictly() -> None:
    falling = {"overfitting__train_loss": np.linspace(2.2, 2.0, 12)}
    assert ask("underfitting", compared(0.3, **falling)) is None
    assert ask("underfitting", compared(0.3, hidden=4, **falling)) is not None


def test_adapters_are_not_compared_with_a_reference() -> None:
    with pytest.raises(CannotTellError, match="0 validations with an interval"):
        ask("underfitting", compared(0.8, frozen=0.9))


def test_a_loss_that_no_longer_moves_at_full_rate_is_judged_more_strictly() -> None:
    assert ask("underfitting", compared(0.3, optimizer__lr=np.linspace(1e-2, 0, 600))) is None
    assert ask("underfitting", compared(0.3)) is not None


def test_a_wide_model_that_underfits_is_regularised_less_first() -> None:
    wide = compared(0.7, outputs=0)
    assert SETTINGS["model"]["dropout"] == 0.3
    assert settings_of("underfitting", wide) == [{"model.dropout": 0.075}, {"model.width": 4}]


def test_of_two_validations_it_is_not_known_whether_the_loss_still_falls() -> None:
    with pytest.raises(CannotTellError, match="2 of 3 validations"):
        ask("underfitting", compared(0.7, overfitting__train_loss=np.full(2, 2.0)))
