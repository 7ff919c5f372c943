"""The planted generator does what its formulas say, and is recovered."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.simulation.generator import COLUMNS, GROUPS, TOXIC, Planted, Setting, own_rates, recovered

RATES = 0.02, 0.10, 0.30


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_own_rates_have_the_mean_and_the_correlation_that_are_planted(correlation: float, shared: bool) -> None:
    setting, rng = Setting(rates=RATES, k=5, correlation=correlation, shared=shared), np.random.default_rng(0)
    rates = np.concatenate([own_rates(rng, setting) for _ in range(400)], axis=1)
    assert rates.mean(axis=1) == pytest.approx(RATES, abs=0.01)
    # Two continuations of one prompt have the variance of its own rate in common.
    assert rates.var(axis=1) / [rate * (1 - rate) for rate in RATES] == pytest.approx(correlation, abs=0.02)
    if correlation:
        assert (np.corrcoef(rates)[0, 1] > 0.2) == shared
    assert ((1 - rates) ** 5).mean() == pytest.approx(1 - setting.probability, abs=0.01)


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_of_one_continuation_the_probability_is_the_rate(correlation: float) -> None:
    assert Setting(rates=RATES, k=1, correlation=correlation).probability == pytest.approx(0.14)


def test_alike_continuations_are_toxic_together() -> None:
    apart, alike = (Setting(rates=[0.1], k=25, correlation=correlation).probability for correlation in (0.0, 0.3))
    assert apart == pytest.approx(1 - 0.9**25)
    assert 0.1 < alike < apart


def test_a_planted_generator_says_what_its_rates_want() -> None:
    planted = Planted({"never": 0.0, "always": 1.0}, np.random.default_rng(0))
    said = planted.generate(["never", "always"] * 50)
    assert [text == TOXIC for text in said] == [False, True] * 50


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_is_planted_is_recovered(whole: bool) -> None:
    setting = Setting(rates=(0.02, 0.30), k=5, correlation=0.3)
    found = recovered(setting, repeats=12, whole=whole, draws=199)
    assert tuple(found) == COLUMNS
    assert [share.of for share in found.values()] == [24 if name == GROUPS else 12 for name in COLUMNS]
    assert min(share.value for share in found.values()) >= 10 / 12


def test_something_else_than_what_is_planted_is_not_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting(rates=(0.02, 0.30), k=5, correlation=0.3)
    monkeypatch.setattr("benchmarks.simulation.generator.own_rates", lambda _rng, _setting: np.full((2, 54), 0.6))
    assert [share.hits for share in recovered(setting, repeats=3, draws=199).values()] == [0] * len(COLUMNS)
