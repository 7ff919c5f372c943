"""Known powers integrate to what they should, and what the ledger and the forecasts make of them is compared."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.energy.__main__ import PARTS, arguments
from benchmarks.energy.accuracy import HOWS, Outcome, broken_and_resumed
from benchmarks.energy.courses import KINDS, SPANS, simulate, table
from benchmarks.energy.power import WAVES, Truth, Wave

NAMED = {kind.name: kind for kind in KINDS}


@pytest.mark.parametrize("kind", WAVES)
def test_energy_on_paper_is_the_integral_of_power(kind: str) -> None:
    at = np.linspace(3.0, 17.0, 20_001)
    watts = [WAVES[kind].power("training", when) for when in at]
    assert WAVES[kind].energy("training", 3.0, 17.0) == pytest.approx(np.trapezoid(watts, at), rel=1e-6)


def test_each_phase_gets_the_energy_of_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.energy import power

    clock = [100.0]
    monkeypatch.setattr(power.time, "monotonic", lambda: clock[0])
    monkeypatch.setitem(power.WAVES, "gpu", Wave(watts={"training": 3.0, "validation": 2.0, "generation": 1.0}))
    truth = Truth()
    for clock[0], phase in ((110.0, "validation"), (114.0, "training"), (120.0, "generation")):
        truth.switch(phase)
    clock[0] = 125.0
    assert truth.joules("gpu") == {"training": 48.0, "validation": 8.0, "generation": 5.0}
    assert truth.joules("gpu", 112.0) == {"training": 30.0, "validation": 4.0, "generation": 0.0}
    assert truth.watts("gpu") == 1.0


def test_an_error_is_relative_to_the_truth() -> None:
    found = Outcome(how="SIGTERM", seconds=60.0, true={"total": 2.0}, told={"total": 1.9})
    assert found.error("total") == pytest.approx(-0.05)


@pytest.mark.slow
def test_a_short_course_that_breaks_and_is_resumed_is_compared() -> None:
    found = broken_and_resumed(next(iter(HOWS)), span=10, step_s=0.05)
    assert set(found.told) >= {"total", "cpu", "gpu", "ram", "training", "validation", "generation"}
    assert abs(found.error("total")) < 0.5  # seconds of starting weigh much in a course this short
    assert found.told["total"] == pytest.approx(sum(found.told[kind] for kind in WAVES))


def test_simulated_runs_are_what_their_name_says() -> None:
    steady, throttled = (
        [made for seed in range(6) for made in simulate(NAMED[name], seed)]
        for name in ("steady", "25 % more from half-way on (throttled)")
    )
    assert np.median([made.error for made in steady]) < 0.02
    assert sum(made.held for made in steady) > len(steady) / 2
    early = [made for made in throttled if made.done < 0.4]
    assert not any(made.held for made in early)
    assert np.median([made.error for made in early]) == pytest.approx(1 - 1 / 1.125, abs=0.03)
    assert simulate(NAMED["steady"], 3) == simulate(NAMED["steady"], 3)


def test_the_table_has_a_row_for_each_kind_of_run() -> None:
    lines = list(table(1))
    assert len(lines) == 2 + len(KINDS)
    assert all(line.count("|") == 3 + len(SPANS) for line in lines)


def test_the_command_line_chooses_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert arguments(["forecasts"]).part == ["forecasts"]
    assert arguments([]).part == []
    with pytest.raises(SystemExit):
        arguments(["nothing like it"])
    told = capsys.readouterr().err
    assert all(name in told for name in PARTS)
