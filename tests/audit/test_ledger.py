"""The energy ledger: attempts and nodes add up once, lost work is named, and what is unknown stays unknown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from groundwire.audit.energy_forecast import TooEarlyError, energy_forecast, scored
from groundwire.audit.ledger import Ledger
from groundwire.audit.model import Quality
from hypothesis import given
from hypothesis import strategies as st
from run_material import attempt, run_file

kwh = st.floats(0, 1e6, allow_nan=False)


def meter(number: int = 1, rank: int = 0, **more: Any) -> dict[str, Any]:
    facts = {"provenance": {"gpu": "counter", "ram": "constant"}, "location": "FRA", "pue": None}
    return {"attempt": number, "rank": rank, **facts, **more}


def reading(total: float, step: int = 10, number: int = 1, rank: int = 0, **more: Any) -> dict[str, Any]:
    parts = {"cpu_kwh": 0.0, "gpu_kwh": 0.75 * total, "ram_kwh": 0.25 * total}
    told = {
        "energy_kwh": total,
        "at_step": step,
        "duration_s": 60.0,
        "kg_per_kwh": 0.05,
        "phases": {"training": total},
    }
    return {"attempt": number, "rank": rank, **parts, **told, **more}


def two_attempts(first: list[tuple[int, float]], resumed_at: int, second: float) -> Ledger:
    run = run_file(attempt(1), attempt(2, first_step=resumed_at))
    read = [*(reading(total, step) for step, total in first), reading(second, 100, number=2)]
    return Ledger.of(run, [meter(), meter(2)], read)


@given(st.lists(kwh, min_size=1, max_size=6), st.lists(kwh, max_size=3))
def test_each_attempt_and_node_counts_once_with_its_last_reading(totals: list[float], earlier: list[float]) -> None:
    numbers = range(1, len(totals) + 1)
    run = run_file(*(attempt(number) for number in numbers))
    readings = [
        reading(min(early, total), number=n) for n, total in zip(numbers, totals, strict=True) for early in earlier
    ]
    readings += [reading(total, number=n) for n, total in zip(numbers, totals, strict=True)]
    ledger = Ledger.of(run, [meter(n) for n in numbers], readings)
    assert ledger.kwh == pytest.approx(math.fsum(totals))
    assert ledger.emissions == pytest.approx(0.05 * math.fsum(totals))
    assert (ledger.by_component("gpu") or 0) + (ledger.by_component("ram") or 0) == pytest.approx(ledger.kwh)
    assert ledger.by_component("cpu") is None
    assert 0 <= ledger.lost_kwh <= ledger.kwh * (1 + 1e-9)


def test_work_after_the_checkpoint_that_was_resumed_is_lost() -> None:
    ledger = two_attempts([(10, 1.0), (20, 2.0), (30, 3.0)], 25, 5.0)
    assert ledger.kwh == 8.0
    assert ledger.lost_kwh == pytest.approx(0.5)
    assert two_attempts([(30, 3.0)], 30, 5.0).lost_kwh == 0.0


def test_an_attempt_without_a_reading_makes_the_whole_unknown() -> None:
    ledger = Ledger.of(run_file(attempt(1), attempt(2)), [meter(2)], [reading(1.0, number=2)])
    assert ledger.unread == (1,)
    assert ledger.quality() is Quality.UNKNOWN


@pytest.mark.parametrize(
    ("how", "quality", "error"),
    [
        ({"gpu": "counter"}, Quality.MEASURED, 0.05 * 0.75),
        ({"gpu": "counter", "ram": "constant"}, Quality.MODELLED, 0.05 * 0.75 + 0.4 * 0.25),
        ({"gpu": "counter", "ram": "declared"}, Quality.DECLARED, 0.05 * 0.75),
        ({"gpu": "a dream"}, Quality.UNKNOWN, 0.75),
        ({}, Quality.UNKNOWN, 0.0),
    ],
)
def test_the_whole_is_known_as_well_as_its_weakest_part(how: dict[str, str], quality: Quality, error: float) -> None:
    ledger = Ledger.of(run_file(attempt()), [meter(provenance=how)], [reading(1.0)])
    assert ledger.quality() is quality
    assert ledger.accounts[0].error == pytest.approx(error)


def test_one_unknown_place_makes_all_emissions_unknown_and_pue_is_of_each_node() -> None:
    run = run_file(attempt(), world_size=2)
    known = Ledger.of(run, [meter(pue=1.5), meter(rank=1)], [reading(2.0), reading(4.0, rank=1)])
    assert known.facility_kwh == pytest.approx(7.0)
    assert known.emissions == pytest.approx(0.05 * 7.0)
    half = Ledger.of(run, [meter(), meter(rank=1)], [reading(2.0), reading(4.0, rank=1, kg_per_kwh=None)])
    assert half.kwh == 6.0
    assert half.emissions is None


def test_a_steady_run_is_forecast_with_its_validations() -> None:
    steps = list(range(0, 110, 10))
    training = [0.5, *(0.5 + 0.1 * s for s in steps[1:])]  # half a kilowatt-hour to warm up
    others = [0.02 * s for s in steps]
    found = energy_forecast(steps, training, others, last=1000)
    assert found.kwh == pytest.approx(0.5 + 100 + 20)
    assert found.low == pytest.approx(found.high)


def test_the_band_of_a_noisy_run_holds_what_it_comes_to_in_four_of_five() -> None:
    rng, held, widths = np.random.default_rng(5), 0, []
    for _ in range(300):
        total = np.cumsum(rng.normal(1, 0.2, 400).clip(0.1))
        found = energy_forecast(list(range(1, 101)), total[:100].tolist(), [0.0] * 100, last=400)
        held += found.low <= total[-1] <= found.high
        widths.append((found.high - found.low) / total[-1])
    assert 0.74 <= held / 300 <= 0.9
    assert np.median(widths) < 0.1


def test_a_trend_is_carried_on() -> None:
    rates = np.linspace(1, 1.3, 400)
    total = np.cumsum(rates)
    found = energy_forecast(list(range(1, 201)), total[:200].tolist(), [0.0] * 200, last=400)
    assert found.low <= total[-1] <= found.high


@pytest.mark.parametrize(("steps", "last"), [([1, 2, 3], 100), ([5] * 20, 100), (list(range(20)), 19)])
def test_what_cannot_be_forecast_is_refused(steps: list[int], last: int) -> None:
    with pytest.raises(TooEarlyError):
        energy_forecast(steps, [float(i) for i in range(len(steps))], [0.0] * len(steps), last=last)


def test_forecasts_are_scored_where_the_step_was_reached() -> None:
    made = [
        {"attempt": 1, "rank": 0, "for_step": 10, "value": 1.1, "low": 0.9, "high": 1.2},
        {"attempt": 1, "rank": 0, "for_step": 10, "value": 2.0, "low": 1.9, "high": 2.1},
        {"attempt": 2, "rank": 0, "for_step": 10, "value": 1.0, "low": 1.0, "high": 1.0},
    ]
    coverage, error, number = scored(made, [reading(1.0, 10)]) or (0, 0, 0)
    assert (coverage, number) == (0.5, 2)
    assert error == pytest.approx(0.55)
    assert scored(made, [reading(1.0, 9)]) is None
