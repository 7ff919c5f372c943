"""A run's own curve is carried on with intervals that hold, or not at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from groundwire.audit.charts import LineChart
from groundwire.audit.curves import Reader
from groundwire.audit.forecast import LAWS, REACH, Forecast, RefusedError, forecast
from groundwire.audit.forecastcharts import outlook
from groundwire.audit.returns import forecast_of, losses, scored
from groundwire.audit.schedule_area import Schedule
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_material import Tables, metric

END = 4000
CONSTANT = Schedule.of(np.zeros(0, dtype=np.int64), np.zeros(0))
EVERY = np.arange(1, END + 1)


def steps(count: int, end: int = END) -> np.ndarray:
    return np.linspace(end / count, end, count).round().astype(np.int64)


def curve(step: Any, *, floor: float = 2.0, left: float = 0.5, power: float = 0.4) -> np.ndarray:
    return floor + left * (np.asarray(step) / END) ** -power


def wavering(size: int, *, spread: float, near: float, seed: int) -> np.ndarray:
    """Return noise of which each value is correlated with the one before."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=size)
    for place in range(1, size):
        noise[place] = near * noise[place - 1] + np.sqrt(1 - near**2) * noise[place]
    return spread * noise


def fitted(count: int = 40, *, spread: float = 0.004, near: float = 0.0, seed: int = 0) -> Forecast:
    step = steps(count)
    return forecast(step, curve(step) + wavering(count, spread=spread, near=near, seed=seed), CONSTANT)


def test_a_power_law_without_noise_is_found() -> None:
    found = fitted(spread=0.0).at(2.0)
    assert found.value == pytest.approx(curve(2 * END), rel=1e-3)
    assert found.high - found.low < 0.01


def test_the_next_per_cent_costs_what_the_law_says() -> None:
    found = fitted(60, spread=1e-3).next_percent()
    beyond = np.arange(END, 2 * END)
    truth = int((curve(beyond) <= 0.99 * curve(END)).argmax())
    assert found.low <= truth <= found.high
    assert found.value == pytest.approx(truth, rel=0.2)


@pytest.mark.slow
def test_the_next_per_cent_of_an_exponential_is_held() -> None:
    def course(x: Any) -> Any:
        return 2 + np.exp(-1.5 * np.asarray(x) / END)

    beyond = np.arange(END, 2 * END)
    truth = int((course(beyond) <= 0.99 * course(END)).argmax())
    held = []
    for seed in range(20):
        noise = wavering(40, spread=0.005, near=0.3, seed=seed)
        found = forecast(steps(40), course(steps(40)) + noise, CONSTANT).next_percent()
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) >= 0.9


def test_laws_that_explain_the_points_worse_are_left_out() -> None:
    step = steps(40)
    noise = wavering(40, spread=0.001, near=0, seed=0)
    power = forecast(step, curve(step) + noise, CONSTANT)
    assert LAWS[0].constant in power.law
    late = forecast(step, 2 + 0.5 * (step / END + 0.5) ** -0.8 + noise, CONSTANT)
    assert set(np.unique(late.kind)) >= {1}
    far = forecast(step, 2 + np.exp(-2.5 * step / END) + noise, CONSTANT)
    assert (power.law != far.law) and "exponential" in far.law


def test_what_is_further_than_a_forecast_reaches_is_refused() -> None:
    flat = forecast(steps(40), 2 + 0.02 * (steps(40) / END) ** -0.5, CONSTANT)
    with pytest.raises(RefusedError, match="more than 4,000 more steps"):
        flat.next_percent()
    unsure = fitted(12, spread=0.03, seed=3)
    with pytest.raises(RefusedError, match=r"from .* to more than"):
        unsure.next_percent()
    assert round((REACH - 1) * flat.end) == END


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (curve(steps(4)), "4 points"),
        (np.append(curve(steps(19)), np.nan), "not finite"),
        (np.full(20, np.nan), "not finite"),
        (np.linspace(1, 2, 20), "risen"),
        (np.concatenate([np.linspace(3, 2, 10), np.linspace(2, 3, 10)]), "risen"),
        (np.linspace(2, 1, 5) + np.array([0.5, -0.5, 0.5, -0.5, 0.5]), "wide"),
    ],
)
def test_a_curve_that_tells_nothing_is_refused_with_the_reason(loss: Any, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        forecast(steps(len(loss)), loss, CONSTANT).at(2.0)


def test_losses_that_are_not_finite_in_between_are_left_out() -> None:
    loss = curve(steps(20))
    loss[[3, 7]] = np.nan, np.inf
    assert forecast(steps(20), loss, CONSTANT).points == 18


def test_points_of_the_warm_up_are_left_out() -> None:
    rate = np.minimum(1, EVERY / 1000)
    schedule = Schedule.of(EVERY, rate)
    assert schedule.warm_up == 899
    assert not schedule.decays
    found = forecast(steps(40), curve(steps(40)), schedule)
    assert found.points == 32


def test_the_same_losses_give_the_same_forecast() -> None:
    assert fitted().at(2.0) == fitted().at(2.0)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 100), st.integers(1, 1000))
def test_units_of_loss_and_step_do_not_matter(scale: float, stride: int) -> None:
    step, loss = steps(12), curve(steps(12)) + wavering(12, spread=0.004, near=0, seed=1)
    plain, other = (forecast(k * step, c * loss, CONSTANT).at(2.0) for k, c in ((1, 1.0), (stride, scale)))
    assert other.value == pytest.approx(scale * plain.value, rel=1e-6)
    assert other.high - other.low == pytest.approx(scale * (plain.high - plain.low), rel=1e-4)


def planted(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return steps, losses and how many are known: a power law of any size, with wavering noise."""
    rng = np.random.default_rng(seed)
    known, end = int(rng.choice([8, 12, 20, 40])), int(rng.choice([500, 5000, 50000]))
    step = np.linspace(end / known, 2 * end, 2 * known).round().astype(np.int64)
    loss = rng.uniform(0.5, 3) + rng.uniform(0.1, 1.5) * (step / end) ** -rng.uniform(0.2, 0.9)
    spread = float(rng.choice([0.002, 0.005, 0.02]) * loss[known - 1])
    near = float(rng.choice([0.0, 0.3, 0.6, 0.8]))
    return step, loss + wavering(2 * known, spread=spread, near=near, seed=seed + 10_000), known


@pytest.mark.slow
def test_intervals_hold_what_happens() -> None:
    held: list[bool] = []
    for seed in range(100):
        step, loss, known = planted(seed)
        try:
            found = forecast(step[:known], loss[:known], CONSTANT).at(2.0)
        except RefusedError:
            continue
        held.append(found.low <= loss[-1] <= found.high)
    assert len(held) >= 85
    assert np.mean(held) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        lambda x: 2 + 0.3 * x**-0.2 + 0.1 / x,  # two power laws, of which the early one fades
        lambda x: 2 + 0.5 * (x + 0.2) ** -0.5,  # a slow beginning
        lambda x: 2 + np.exp(-20 * x),  # a plateau
        lambda x: 2 + np.exp(-1.5 * x),  # an exponential
    ],
)
def test_intervals_hold_what_happens_where_the_curve_is_no_power_law(shape: Any) -> None:
    held = []
    for seed in range(40):
        loss = shape(np.linspace(1 / 40, 2, 80)) + wavering(80, spread=0.005, near=0.3, seed=seed)
        try:
            found = forecast(steps(80, 2 * END)[:40], loss[:40], CONSTANT).at(2.0)
        except RefusedError:
            continue
        held.append(found.low <= loss[-1] <= found.high)
    assert len(held) >= 30
    assert np.mean(held) >= 0.9


def decayed(end: int) -> tuple[Schedule, np.ndarray, np.ndarray]:
    """Return a rate that comes down over the last third, and S1 and S2 by their definition."""
    every = np.arange(1, end + 1)
    rate = np.minimum(1, 3 * (1 - every / end) + 0.001)
    momentum, area = 0.0, np.zeros(end)
    for place, fall in enumerate(-np.diff(rate, prepend=1.0)):
        momentum = 0.999 * momentum + fall
        area[place] = momentum
    return Schedule.of(every, rate), np.cumsum(rate), np.cumsum(area)


def test_areas_are_those_of_the_annealing_law() -> None:
    schedule, s1, s2 = decayed(END)
    assert schedule.decays
    found1, found2 = schedule.areas(np.array([1000.0, 3000.0, 4000.0]))
    assert found1 == pytest.approx(s1[[999, 2999, 3999]], rel=1e-3)
    assert found2 == pytest.approx(s2[[999, 2999, 3999]], rel=5e-3, abs=1e-6)


@pytest.mark.slow
def test_across_a_decay_the_stretched_schedule_is_forecast() -> None:
    held = []
    schedule, s1, s2 = decayed(END)
    _, s1_double, s2_double = decayed(2 * END)
    at = steps(30)
    for seed in range(20):
        noise = wavering(31, spread=0.005, near=0.3, seed=seed)
        law = 2 + 0.5 * (np.append(s1[at - 1], s1_double[-1]) / END) ** -0.4
        loss = law - 3e-4 * np.append(s2[at - 1], s2_double[-1]) + noise
        found = forecast(at, loss[:-1], schedule)
        assert "annealing" in found.law
        assert "exponential" not in found.law
        seen = found.at(2.0)
        held.append(seen.low <= loss[-1] <= seen.high)
    assert np.mean(held) >= 0.9


def test_without_validation_the_training_loss_is_smoothed() -> None:
    loss = curve(EVERY) + wavering(END, spread=0.05, near=0, seed=2)
    step, means, what = losses(Tables({("train.loss", None): (EVERY, loss)}))
    assert (what, len(step), int(step[-1])) == ("training loss", 60, END)
    assert means[-1] == pytest.approx(loss[-66:].mean())
    found = forecast_of(Tables({("train.loss", None): (EVERY, loss)})).at(2.0)
    assert found.value == pytest.approx(curve(2 * END), rel=0.02)


def test_a_run_without_any_loss_is_refused() -> None:
    with pytest.raises(RefusedError, match="0 points"):
        forecast_of(Tables())


def test_forecasts_are_scored_by_the_validation_at_their_step() -> None:
    step = steps(40)
    made = [
        {"at_step": 1000, "for_step": 2000, "value": 2.66, "low": 2.6, "high": 2.7},
        {"at_step": 2000, "for_step": 4000, "value": 2.0, "low": 1.9, "high": 2.1},
        {"at_step": 3000, "for_step": 6000, "value": 2.4, "low": 2.3, "high": 2.5},  # the run ended before
    ]
    tables: dict[tuple[str, str | None], Any] = {("overfitting.val_loss", None): (step, curve(step))}
    found = scored(Tables(tables), made)
    assert [(score.for_step, score.held) for score in found] == [(2000, True), (4000, False)]
    assert found[0].happened == curve(2000)
    dropped = tables | {("optimizer.lr", None): (EVERY, np.where(EVERY > 3000, 0.1, 1.0))}
    assert [score.for_step for score in scored(Tables(dropped), made)] == [2000]
    assert scored(Tables(), made) == []


def charts_of(loss: Any) -> list[LineChart]:
    step = steps(40)
    tables: dict[tuple[str, str | None], Any] = {
        ("overfitting.val_loss", None): (step, loss),
        ("carbon.energy_kwh", None): (step, step / END),
    }
    made = {"forecast": [{"at_step": 1000, "for_step": 2000, "value": 2.66, "low": 2.6, "high": 2.7}]}
    audit: Any = SimpleNamespace(metric=lambda name: metric(name, 1.0))
    return list(outlook(Reader(Tables(tables, made)), audit))


def test_the_forecast_is_drawn_with_its_band_and_what_was_foretold() -> None:
    price, drawn, _ = charts_of(curve(steps(40)) + wavering(40, spread=0.004, near=0, seed=0))
    assert "energy was spent after it" in price.caption
    (panel,) = drawn.panels
    assert [line.label for line in panel.lines] == ["validation", "fit"]
    assert len(panel.areas) == 1
    assert "95 % interval" in drawn.caption
    assert drawn.table.rows[-1][0] == "8,000"


def test_forecasts_stand_against_what_happened() -> None:
    *_, reliability = charts_of(curve(steps(40)))
    (panel,) = reliability.panels
    assert [line.label for line in panel.lines] == ["validation", "foretold"]
    assert reliability.table.rows[0][:4] == ("2,000", "2.66", "2.6", "2.7")
    assert "100 % of 0 intervals at 95 % held what happened" in reliability.caption


def test_what_is_refused_is_not_drawn() -> None:
    drawn = charts_of(2 + wavering(40, spread=0.05, near=0, seed=0) + np.linspace(0, 1, 40))
    assert [chart.title for chart in drawn[1:]] == ["Forecasts made on the way, and what happened"]
    assert charts_of(np.full(40, np.nan)) == []
