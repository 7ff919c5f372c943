"""What came after the best step is priced where it is known, and not where noise or a second fall hide it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from groundwire.audit.beststep import UnclearError, best_step, noise, require_learned, risen, slow_error
from groundwire.audit.model import Metric, Quality
from groundwire.audit.price import accumulated, in_words, price, spent_after
from hypothesis import given
from hypothesis import strategies as st
from rule_material import Tables, metric, settings_of
from rule_material import case as case_of
from test_healthy_runs import audit_of

STEP = np.arange(10, 410, 10)
FALLING = 1 + 2 * np.exp(-STEP / 40)
OVERFIT = FALLING + np.maximum(0, STEP - 160) / 400
ENERGY = (np.array([100, 200, 300, 400]), np.array([0.1, 0.2, 0.4, 0.8]))


def wobble(spread: float, *, seed: int = 0, size: int = STEP.size) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, size)


def run(loss: Any, *, energy: Any = ENERGY, start: float | None = None, probe: Any = None) -> Tables:
    """Return a run; `start` is the training loss of its first steps."""
    tables: dict[tuple[str, str | None], tuple[Any, Any]] = {("overfitting.val_loss", None): (STEP, loss)}
    if start is not None:
        tables["train.loss", None] = (np.arange(1, 401), np.r_[np.full(10, start), np.full(390, start / 10)])
    if probe is not None:
        tables["overfitting.train_loss", None] = (STEP, probe)
    if energy is not None:
        tables["carbon.energy_kwh", None] = energy
    return Tables(tables)


def test_the_price_is_that_of_the_energy_after_the_best_step() -> None:
    found = price(run(OVERFIT))
    assert found.best.step == 160
    assert (found.steps, found.basis) == (240, "energy")
    assert found.share == pytest.approx(1 - 0.16 / 0.8)
    assert found.seconds == pytest.approx(240)
    assert found.of(0.8) == pytest.approx(0.64)
    totals: dict[str, Metric] = {
        "carbon.energy_kwh": metric("carbon.energy_kwh", 0.8),
        "carbon.emissions_kg": metric("carbon.emissions_kg", 0.1),
    }
    assert in_words(found, totals) == ": 240 s, 0.64 kWh, 80 g CO2e"
    paid = metric("carbon.cost", 0.25).model_copy(update={"unit": "EUR"})
    assert in_words(found, totals | {"carbon.cost": paid}).endswith("80 g CO2e, 0.2 EUR")


def test_without_readings_of_energy_it_is_a_share_of_the_time() -> None:
    for energy in (None, (np.array([400]), np.array([0.8]))):
        found = price(run(OVERFIT, energy=energy))
        assert (found.basis, found.of(0.8)) == ("time", None)
        assert found.share == pytest.approx(240 / 400)


def test_a_loss_that_still_falls_costs_nothing() -> None:
    found = price(run(1 + (STEP / 10.0) ** -0.5))
    assert (found.best.step, found.steps, found.share, found.seconds) == (400, 0, 0.0, None)


def test_one_low_validation_by_luck_is_not_the_best_step() -> None:
    loss = 1 + (STEP / 10.0) ** -1.5 + wobble(1e-3)
    lucky = loss.copy()
    lucky[30] = loss.min() - 3e-3
    assert int(STEP[lucky.argmin()]) == 310
    assert best_step(STEP, lucky).step > 310


@pytest.mark.parametrize("size", [12, 20, 40, 200])
@pytest.mark.parametrize(
    "course",
    [
        lambda t: 1 + (60 * t) ** -0.7,
        lambda t: 1 + (60 * t) ** -0.3,
        lambda t: 1 + np.exp(-8 * t),
        lambda t: 1 + np.exp(-12 * t) + np.maximum(0, t - 0.4) / 10,
    ],
    ids=["power law", "slow power law", "plateau", "overfit"],
)
def test_the_best_step_gives_up_no_more_than_it_says(course: Any, size: int) -> None:
    truth, step = course(np.arange(1, size + 1) / size), np.arange(1, size + 1)
    held = []
    for seed in range(100):
        try:
            found = best_step(step, truth + wobble(4e-3, seed=seed, size=size))
        except UnclearError:
            continue
        held.append(truth[found.step - 1] - truth.min() <= found.within)
    assert len(held) > 50
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (1 + wobble(0.01), "not fallen by more than its noise"),
        (FALLING + wobble(0.1), "jumps by ± .* from one validation to the next"),
        # Double descent, ended on its way down.
        (np.concatenate([np.linspace(2, 1, 15), np.linspace(1, 2, 15), np.linspace(2, 1.3, 10)]), "double descent"),
    ],
)
def test_where_the_best_step_cannot_be_told_there_is_no_price(loss: Any, reason: str) -> None:
    with pytest.raises(UnclearError, match=reason):
        price(run(loss))


def test_a_loss_that_rises_from_the_first_validation_on_has_its_best_step_there() -> None:
    found = price(run(0.7 + np.sqrt(STEP - 10) / 10 + wobble(0.005), start=1.5))
    assert found.best.step <= 30
    assert found.share > 0.9


@pytest.mark.parametrize("spread", [0.005, 0.01, 0.02, 0.03])
def test_a_loss_that_jumps_and_has_risen_by_more_has_a_price(spread: float) -> None:
    place = np.arange(30)
    loss = 0.5 + 0.2 * np.exp(-place / 2) + np.maximum(0, place - 4) * 0.012 + wobble(spread, size=30)
    found = best_step(10 + 10 * place, loss)
    assert found.step <= 120
    assert 3 * spread / 4 < found.within < 6 * spread


def test_before_grokking_there_is_no_best_step() -> None:
    rising = 4.1 + 4 * (1 - np.exp(-STEP / 100))
    with pytest.raises(UnclearError, match="never below where training began"):
        price(run(rising, start=np.log(53)))
    with pytest.raises(UnclearError, match="never below"):
        price(run(rising))  # of an unknown beginning, the first validation is the best there is
    assert price(run(rising, start=5.0)).share > 0.9


def test_a_training_loss_on_another_scale_says_nothing_of_the_beginning() -> None:
    scaled = run(OVERFIT, start=0.3, probe=FALLING)
    assert price(scaled).best.step == 160
    with pytest.raises(UnclearError, match="never below"):
        price(run(OVERFIT, start=0.3))


def test_a_fall_within_the_noise_of_the_first_losses_is_nothing_learned() -> None:
    start = 4 + wobble(0.5)
    with pytest.raises(UnclearError):
        require_learned(np.array([start[:5].mean() - 0.1, 5.0]), start)
    require_learned(np.array([start[:5].mean() - 1.0, 5.0]), start)


def test_few_validations_tell_no_best_step() -> None:
    with pytest.raises(UnclearError, match="5 validations"):
        best_step(STEP[:5], FALLING[:5])


def test_double_descent_that_came_down_below_has_its_best_step_at_the_end() -> None:
    loss = np.concatenate([np.linspace(2, 1, 10), np.linspace(1, 2, 10), np.linspace(2, 0.8, 20)])
    assert price(run(loss)).steps == 0


def test_the_meters_of_several_attempts_add_up() -> None:
    assert accumulated(np.array([1.0, 3.0, 0.5, 2.0])).tolist() == [1.0, 3.0, 3.5, 5.0]
    tables = run(OVERFIT, energy=(np.array([100, 200, 300, 400]), np.array([1.0, 2.0, 1.0, 2.0])))
    assert spent_after(tables.series("carbon.energy_kwh"), 200) == (2.0, 0.5)


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=30), st.integers(0, 300))
def test_a_share_is_a_share(readings: list[float], step: int) -> None:
    steps = np.arange(1, len(readings) + 1) * 10
    after = spent_after(run(OVERFIT, energy=(steps, np.asarray(readings))).series("carbon.energy_kwh"), step)
    assert after is not None
    assert -1e-9 <= after[1] <= 1
    assert after[0] >= -1e-9


def test_noise_is_that_around_the_curve() -> None:
    assert noise(FALLING) < 1e-2
    assert noise(1 + np.linspace(0, 5, 400) + wobble(0.02, size=400)) == pytest.approx(0.02, rel=0.2)


def test_a_plateau_with_noise_has_not_risen_and_overfitting_has() -> None:
    assert not any(risen(FALLING + wobble(5e-3, seed=seed)) for seed in range(50))
    assert risen(OVERFIT)


def wavering(seed: int, size: int) -> np.ndarray:
    """Return a loss at rest whose noise wavers slowly, by 5 % of it."""
    noise, value = np.random.default_rng(seed).normal(0, 0.01, size), np.zeros(size)
    for place in range(1, size):
        value[place] = 0.9 * value[place - 1] + noise[place]
    return 0.5 + np.exp(-12 * np.arange(size) / size) + value


@pytest.mark.parametrize("size", [30, 100, 300])
def test_noise_that_wavers_slowly_is_no_rise(size: int) -> None:
    assert sum(risen(wavering(seed, size)) for seed in range(100)) <= 4


def test_a_rise_in_the_last_quarter_is_still_seen() -> None:
    late = np.r_[0.5 + np.exp(-np.arange(30) / 3), np.linspace(0.5, 0.7, 10)]
    assert all(risen(late + wobble(0.003, seed=seed)) for seed in range(50))
    assert slow_error(late[:29], 3) == 0


def test_seconds_are_never_told_as_none() -> None:
    found = replace(price(run(OVERFIT, energy=None)), seconds=0.14)
    assert in_words(found, {}) == ": 0.14 s"
    assert in_words(replace(found, seconds=1234.5), {}) == ": 1,234 s"


def test_the_remedy_of_overtraining_names_the_step_and_what_it_saves() -> None:
    loss = np.interp(np.linspace(0, 1, 40), np.linspace(0, 1, 40), OVERFIT)
    found = case_of(
        overfitting__val_loss=loss,
        carbon__energy_kwh=np.linspace(0, 2, 50),
        metrics=[metric("carbon.energy_kwh", 2.0, quality=Quality.MODELLED)],
    )
    (settings,) = settings_of("overtraining", found)
    assert settings["trainer.max_steps"] == pytest.approx(600 * 16 / 40, abs=10)


def test_an_audit_tells_the_price_or_why_there_is_none(tmp_path: Path) -> None:
    rising = np.concatenate([np.linspace(2, 1, 8), np.linspace(1.1, 2, 12)])
    audit = audit_of(tmp_path / "priced", validation=rising)
    steps, share = (audit.metric(f"overfitting.overtraining_{name}") for name in ("steps", "share"))
    assert steps is not None
    assert share is not None
    assert steps.value == 800 - 320
    assert share.value == pytest.approx(480 / 800, abs=0.01)
    assert share.method.startswith("share of the time after the first step whose")
    assert "; here: step 320, at most " in share.method
    noisy = 1.2 + 0.01 * np.random.default_rng(0).normal(size=20)
    unknown = audit_of(tmp_path / "noisy", validation=noisy).metric("overfitting.overtraining_share")
    assert unknown is not None
    assert unknown.value is None
    assert "noise" in (unknown.reason or "")
