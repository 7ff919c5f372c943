"""Planted curves are what they say, and forecasts of them are counted as they came."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from groundwire.audit.schedule_area import Schedule

from benchmarks.forecasts.__main__ import arguments, chosen
from benchmarks.forecasts.annealing import Law, Rates, constant, cosine, late, linear
from benchmarks.forecasts.families import FAMILIES, Family
from benchmarks.forecasts.scoring import CHANGED, DECAYED, Outcome, Result, afterwards, during, measure
from benchmarks.forecasts.table import markdown

NAMED = {family.name: family for family in FAMILIES}


def law(**other: object) -> Law:
    return Law(**{"floor": 1.0, "left": 0.5, "slope": 0.4, "gain": 0.2, "multi": None} | other)  # type: ignore[arg-type]


def test_families_have_names_of_their_own_and_runs_that_can_be_drawn_again() -> None:
    assert len(NAMED) == len(FAMILIES) >= 20
    for family in FAMILIES:
        first, again, other = family.run(0), family.run(0), family.run(1)
        assert np.array_equal(first.loss, again.loss)
        assert not np.array_equal(first.loss, other.loss)
        assert np.isfinite(first.loss).all()
        assert first.step[-1] in (1600, 8000, 48000)


def test_areas_of_a_planted_schedule_are_those_that_the_product_sums_on_a_grid() -> None:
    end, rates = 8000, Rates(shape=cosine, warm=0.05, low=0.1)
    rate, at = rates.over(end), np.array([1000, 4000, 8000])
    s1, s2 = law()._areas(rate, end)
    found = Schedule.of(np.arange(1, end + 1), rate).areas(at.astype(float))
    assert found[0] == pytest.approx(s1[at - 1], rel=0.01)
    assert found[1] == pytest.approx(s2[at - 1], rel=0.05, abs=20)


@pytest.mark.parametrize("shape", [cosine, linear, late])
@pytest.mark.parametrize("multi", [None, (0.5, 0.5, 20.0)])
def test_annealing_lowers_the_loss_by_what_is_planted(shape: object, multi: object) -> None:
    at, rates = np.array([2000]), Rates(shape=shape, warm=0.05, low=0.0)  # type: ignore[arg-type]
    annealed, plain = (law(gain=gain, multi=multi).losses(rates, 2000, 2000, at) for gain in (0.2, 0.0))
    assert plain - annealed == pytest.approx(0.2)
    assert plain == pytest.approx(1.5)


@pytest.mark.slow
def test_a_forecast_of_the_law_itself_holds_and_of_a_changed_rate_is_not_compared() -> None:
    exact = during(NAMED["power law, no noise"].run(3), 0.5)
    assert exact.held
    assert exact.error < 1e-3
    reasons = {during(NAMED["stable, then decay"].run(repeat), 0.5).refused for repeat in range(8)}
    assert CHANGED in reasons
    assert during(NAMED["linear decay"].run(0), 0.5).refused == DECAYED
    told = [afterwards(NAMED["cosine"].run(repeat)) for repeat in range(6)]
    assert any(one.held for one in told if not one.refused)


@pytest.mark.slow
def test_a_run_that_turns_after_the_forecast_is_not_held() -> None:
    found = [during(NAMED["sudden fall at 30 to 45 %"].run(repeat), 0.25) for repeat in range(12)]
    assert any(not one.refused and not one.held for one in found)


def test_the_table_counts_what_held_and_names_what_did_not() -> None:
    family = Family(name="x", law=True)
    held = Outcome(held=True, error=0.01, half=0.04, percent=True)
    lost, none = Outcome(error=0.03, half=0.02, percent=False), Outcome(refused="the interval is ± 30 % wide, more")
    text = markdown([Result(family=family, place="25 %", outcomes=[held, held, lost, none])])
    assert "| x | 25 % | 66.7 % (9.4–99.2) of 3 | 25 %: too wide | 1.00 % | 4.00 % | 2 of 3 |" in text
    assert "Held in less than 93 %: x at 25 % (67 % of 3)." in text
    assert "Held where another holds (*): none told." in text


def test_the_command_line_chooses_families(capsys: pytest.CaptureFixture[str]) -> None:
    assert [family.name for family in chosen(arguments(["--only", "plat"]))] == ["plateau"]
    with pytest.raises(SystemExit):
        arguments(["--only", "nothing like it"])
    assert "choose one of" in capsys.readouterr().err


def test_a_tiny_setting_runs_through() -> None:
    found = measure(NAMED["power law after a warm-up"], 2) + measure(NAMED["cosine, multi-power law"], 2)
    assert [one.place for one in found] == ["25 %", "50 %", "25 %", "50 %", "whole, stretched"]
    assert len(markdown(found).splitlines()) == 2 + 5 + 1 + 3
    assert constant(np.ones(3), 0.0).tolist() == [1, 1, 1]
