"""What the rules of single steps say beside that they fire."""

from __future__ import annotations

import numpy as np
import pytest
from groundwire.audit.model import Mitigation
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import CannotTellError
from rule_material import BY_NAME, STEPS, ask, case, layers
from step_cases import BAD, HALTED, SMALL, STILL, SWAPPED, USUAL, WIDE, moments, rounded, stood


def cure(name: str, found: Case) -> Mitigation:
    fault = ask(name, found)
    assert fault is not None
    (best,) = [remedy(found, fault) for remedy in BY_NAME[name].remedies]
    assert best is not None
    return best


def test_a_step_that_does_nothing_is_told_apart_by_what_the_optimizer_holds() -> None:
    fault = ask("no-op-step", BAD["no-op-step"]())
    assert fault is not None
    assert (fault.step, "no optimizer holds any" in fault.summary) == (0, True)
    assert "self.parameters()" in cure("no-op-step", BAD["no-op-step"]()).text
    overridden = case(optimizer__moved_share=STILL, optimizer__unheld_share=STILL)
    assert "override of optimizer_step" in cure("no-op-step", overridden).text


def test_a_step_that_stops_doing_anything_is_dated() -> None:
    fault = ask("no-op-step", case(optimizer__moved_share=HALTED))
    assert fault is not None
    assert fault.step == pytest.approx(STEPS / 2, abs=10)


def test_few_samples_and_lbfgs_cannot_tell() -> None:
    with pytest.raises(CannotTellError, match="4 of 5 samples"):
        ask("no-op-step", case(optimizer__moved_share=np.zeros(4)))
    with pytest.raises(CannotTellError, match="LBFGS"):
        ask("no-op-step", case(optimizer__moved_share=STILL, configuration={"optimizer": {"name": "LBFGS"}}))
    with pytest.raises(CannotTellError, match="1 of 2 windows"):
        ask("lost-updates", rounded(0.9))


def test_epsilon_becomes_small_beside_what_it_is_added_to() -> None:
    assert cure("bad-optimizer-epsilon", moments(0.05, 200.0, WIDE)).settings == {"optimizer.eps": 1e-8}
    tiny = moments(0.3, 50.0, USUAL)  # gradients of a large model, √v̂ of 2e-10
    assert cure("bad-optimizer-epsilon", tiny).settings == {"optimizer.eps": 2e-12}


def test_a_rate_that_was_raised_with_epsilon_is_lowered_with_it() -> None:
    raised = moments(0.05, 200.0, WIDE | {"lr": 0.5}, gradient__update_ratio=layers(5e-4, 5e-4, 5e-4))
    assert cure("bad-optimizer-epsilon", raised).settings == {"optimizer.eps": 1e-8, "optimizer.lr": 0.02}


def test_exchanged_decays_are_put_right() -> None:
    settings = cure("bad-optimizer-epsilon", moments(300.0, 1e-6, SWAPPED)).settings
    assert settings == {"optimizer.beta1": 0.9, "optimizer.beta2": 0.999}
    calm = moments(0.8, 1e-6, SWAPPED)  # steps that stayed short so far
    assert cure("bad-optimizer-epsilon", calm).settings == settings
    rounded_state = moments(300.0, 1e-6, USUAL)
    assert cure("bad-optimizer-epsilon", rounded_state).settings == {"optimizer.eps": 1e-6}


def test_lost_updates_are_kept_in_float32() -> None:
    assert cure("lost-updates", rounded(0.8, 0.9)).settings == {"trainer.precision": "bf16-mixed"}


def test_of_several_ranks_the_one_counts_that_stood_still_longest() -> None:
    fault = ask("stall", stood(ranks=(1.0,) * 12))
    assert fault is not None
    assert "12 times, 12 s or 27 %" in fault.summary


def test_a_pause_of_half_an_hour_counts_alone() -> None:
    assert ask("stall", stood(2000.0, batches=2_000_000)) is not None
    assert ask("stall", stood(1000.0, batches=2_000_000)) is None


def test_where_it_stood_still_decides_what_to_do() -> None:
    late = cure("stall", stood(*[1.0] * 12))
    assert (late.settings, "Batches came late" in late.text) == ({"data.num_workers": 1}, True)
    assert cure("stall", stood(*[1.0] * 12, workers=4)).settings == {}
    inside = cure("stall", stood(*[1.0] * 12, loading=0.0))
    assert "The steps themselves" in inside.text


def test_a_record_without_pauses_cannot_tell() -> None:
    facts = {"efficiency.facts": [{"attempt": 1, "rank": 0}], "efficiency": [{"attempt": 1, "rank": 0, "batches": 9}]}
    with pytest.raises(CannotTellError, match="no totals with pauses"):
        ask("stall", case(gradient__update_ratio=SMALL, events=facts))
