"""What measuring may take, account by account."""

from __future__ import annotations

import time

import pytest
from groundwire.callbacks.gradients import GradientMonitor
from groundwire.callbacks.optimizers import OptimizerMonitor
from groundwire.callbacks.purse import PROBES, SAMPLES, SHARES, UPDATES, Purse

GRACE_S = 0.1


@pytest.fixture(autouse=True)
def _grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwire.callbacks.purse.GRACE_S", GRACE_S)


def purse(budget: float, *, fixed: float = 0.0, seconds: float = 100.0) -> Purse:
    """Return the purse of a run of so many seconds, with so many spent on what is never left out."""
    made = Purse(budget, lambda: fixed + sum(made.spent.values()))
    made.started = time.monotonic() - seconds
    return made


def test_the_accounts_share_the_budget() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)
    found = purse(0.01)
    for kind, share in SHARES.items():
        assert found.left(kind) == pytest.approx(share * 1.0 + GRACE_S, rel=0.01)


def test_what_one_account_spends_is_not_taken_from_another() -> None:
    found = purse(0.01)
    before = found.left(UPDATES)
    found.spent[SAMPLES] += 5.0
    found.spent[PROBES] += 5.0
    assert found.left(SAMPLES) < 0 and found.left(PROBES) < 0
    assert found.left(UPDATES) == pytest.approx(before, rel=0.01)


def test_a_quarter_is_left_where_every_step_costs_too_much() -> None:
    assert purse(0.01, fixed=50.0).left(UPDATES) == pytest.approx(SHARES[UPDATES] * 0.25 + GRACE_S, rel=0.01)


def test_updates_are_paid_from_an_account_of_their_own() -> None:
    assert GradientMonitor.account == UPDATES
    assert OptimizerMonitor.account == SAMPLES
