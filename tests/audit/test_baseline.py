"""Changes against another run: judged by the point or by the interval, and never between what cannot be compared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.baseline import Baseline, load_baseline
from groundwire.audit.comparable import HERE
from groundwire.audit.errors import RecordError, UsageError
from groundwire.audit.gate import Verdict
from groundwire.audit.model import Audit, Quality, dump
from groundwire.audit.policy import parse_policy
from hypothesis import given
from hypothesis import strategies as st
from policy_material import LOSS, audit_of, judged, metric

reals = st.floats(-1e6, 1e6)


def compared(value: float, base: float | Audit, *, of: str = LOSS, **limit: Any) -> Verdict:
    audit = base if isinstance(base, Audit) else audit_of(metric(of, base))
    ask = {"baseline": Baseline(where="baseline.json", audit=audit)}
    document = {"schema": 1, "limits": {"it": {"metric": of} | limit}}
    return judged(audit_of(metric(of, value)), document, ask=ask)


@given(reals, reals, st.floats(0, 1e3))
def test_it_may_be_worse_by_so_much_and_not_more(value: float, base: float, most: float) -> None:
    verdict = compared(value, base, max_regression=most)
    assert (verdict.exit_code == 0) == (value - base <= most)
    assert verdict.limits[0].change == value - base
    turned = compared(value, base, max_regression=most, better="higher")
    assert (turned.exit_code == 0) == (base - value <= most)


@given(reals, reals, st.floats(0, 1e3))
def test_it_must_be_better_by_so_much(value: float, base: float, least: float) -> None:
    assert (compared(value, base, min_improvement=least).exit_code == 0) == (base - value >= least)


def test_the_reason_says_by_how_much() -> None:
    told = compared(2.2, 2.0, max_regression=0.1).limits[0]
    assert told.reason == "worse than the baseline's 2 by 0.2, where 0.1 is allowed"
    assert (told.baseline, told.crossed) == (2.0, "max")
    told = compared(1.95, 2.0, min_improvement=0.1).limits[0]
    assert told.reason == "better than the baseline's 2 by 0.05 only, where 0.1 is asked for"


def test_both_a_bound_and_a_change_have_to_be_met() -> None:
    assert compared(2.0, 2.0, max=1.9, max_regression=1).exit_code == 1
    assert compared(2.0, 1.0, max=2.9, max_regression=0.5).exit_code == 1
    assert compared(2.0, 1.9, max=2.9, max_regression=0.5).exit_code == 0


def test_by_the_interval_of_the_difference() -> None:
    base = audit_of(metric(value=2.0, low=1.7, high=2.3, confidence=0.95))
    ask = {"baseline": Baseline(where="b", audit=base)}
    limit = {"metric": LOSS, "max_regression": 0.3, "confidence": 0.95}
    document = {"schema": 1, "limits": {"it": limit}}
    for value, half, code in ((1.7, 0.4, 0), (2.0, 0.4, 3), (3.0, 0.4, 1)):
        audit = audit_of(metric(value=value, low=value - half, high=value + half, confidence=0.95))
        assert judged(audit, document, ask=ask).exit_code == code, value
        assert math.hypot(0.3, 0.4) == 0.5
    without = audit_of(metric(value=1.0))
    assert judged(without, document, ask=ask).exit_code == 3


@pytest.mark.parametrize(
    ("base", "told"),
    [
        (None, "there is no baseline"),
        (audit_of(metric("logged.train_loss")), "the baseline has no logged.val_loss"),
        (audit_of(metric(value=None)), "the baseline has no"),
        (audit_of(metric(unit="loss")), "the unit differs"),
        (audit_of(metric(), configuration={"data": {"sha256": "abc"}}), "data.sha256 differs"),
        (audit_of(metric(scorer="detoxify 1")), "the scorer differs"),
    ],
)
def test_what_cannot_be_compared_is_unknown_and_names_what_differs(base: Audit | None, told: str) -> None:
    ask = {"baseline": Baseline(where="b", audit=base)} if base else {}
    verdict = judged(audit_of(), ask=ask, max_regression=1e9)
    assert verdict.exit_code == 3
    assert told in verdict.limits[0].reason


def test_energy_of_runs_of_other_lengths_can_be_compared(tmp_path: Path) -> None:
    rows = []
    for amount in ("6,000", "20,000"):
        method = f"codecarbon 3, boundary: CPU; 1.{len(amount)} s at the start unmetered{HERE}{amount} samples"
        rows.append(metric("carbon.energy_per_sample", 2.0, unit="J", quality=Quality.MEASURED, method=method))
    ask = {"baseline": Baseline(where="b", audit=audit_of(rows[0]))}
    document = {"schema": 1, "limits": {"it": {"metric": "carbon.energy_per_sample", "max_regression": 0}}}
    assert judged(audit_of(rows[1]), document, ask=ask).exit_code == 0


def test_the_direction_has_to_be_known() -> None:
    with pytest.raises(UsageError, match=r"which direction of logged\.score is better"):
        parse_policy({"schema": 1, "limits": {"it": {"metric": "logged.score", "max_regression": 1}}}, "p")
    with pytest.raises(UsageError, match="max_regression must be at least 0"):
        parse_policy({"schema": 1, "limits": {"it": {"metric": LOSS, "max_regression": -1}}}, "p")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: text.replace("GPT", "GTP"), "has been changed"),
        (lambda text: text[:-30], "not whole JSON"),
        (lambda text: "{}", "not written by Groundwire"),
    ],
)
def test_a_baseline_that_was_changed_is_none(tmp_path: Any, spoil: Any, told: str) -> None:
    place = tmp_path / "baseline.json"
    place.write_text(dump(audit_of()))
    assert load_baseline(str(place)).audit.run.id == "run-1"
    place.write_text(spoil(place.read_text()))
    with pytest.raises(RecordError, match=told):
        load_baseline(str(place))
    with pytest.raises(RecordError, match="There is no audit at"):
        load_baseline(str(tmp_path / "nowhere.json"))
