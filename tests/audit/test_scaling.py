"""The scaling law: planted coefficients come back, the optimum is one, and the Chinchilla figures are reached."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from groundwire.audit.errors import GroundwireError, UsageError
from groundwire.audit.scaling import (
    Estimate,
    Fit,
    Law,
    Point,
    Points,
    fit_law,
    optimum,
    read_points,
    repeated,
    standing,
)
from groundwire.audit.scaling.law import DELTA, Objective
from groundwire.audit.scaling.optimal import compute_ratio, optimal_sizes, parameters_for
from groundwire.audit.scaling.points import without_highest
from groundwire.audit.scaling.repeated import R_STAR_TOKENS, best_sizes, constrained_loss, effective
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.special import huber, logsumexp

CHINCHILLA = Path(__file__).parents[3] / "shared" / "data" / "chinchilla_points.csv"
TRUE = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}


def law(E: float, A: float, B: float, alpha: float, beta: float) -> Law:  # noqa: N803 - the field's names
    logs = {name: np.float64(np.log(value)) for name, value in (("log_e", E), ("log_a", A), ("log_b", B))}
    return Law(**logs, alpha=np.float64(alpha), beta=np.float64(beta))


def planted(n: int, seed: int, noise: float = 0.003) -> Points:
    rng = np.random.default_rng(seed)
    parameters = np.exp(rng.uniform(np.log(5e7), np.log(5e9), n))
    tokens = parameters * np.exp(rng.uniform(np.log(3), np.log(200), n))
    loss = law(**TRUE).loss(parameters, tokens) * np.exp(rng.normal(0, noise, n))
    return Points(parameters=parameters, tokens=tokens, loss=loss)


def listed(points: Points) -> list[Point]:
    rows = zip(points.parameters, points.tokens, points.loss, strict=True)
    return [Point(name=str(n), parameters=a, tokens=b, loss=c) for n, (a, b, c) in enumerate(rows)]


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit_law(planted(40, seed=1), resamples=100)


laws = st.builds(
    law,
    E=st.floats(0.1, 5),
    A=st.floats(1, 1e5),
    B=st.floats(1, 1e5),
    alpha=st.floats(0.1, 1.5),
    beta=st.floats(0.1, 1.5),
)
budgets = st.floats(1e18, 1e26)


@given(laws, budgets, st.floats(0.1, 10).filter(lambda factor: abs(factor - 1) > 0.01))
def test_no_other_split_of_a_budget_is_better(found: Law, flop: float, factor: float) -> None:
    n, d = optimal_sizes(found, flop)
    assert 6 * n * d == pytest.approx(flop, rel=1e-9)
    assert found.loss(n, d) <= found.loss(n * factor, d / factor) * (1 + 1e-12)


@given(laws, budgets)
def test_parameters_for_the_best_tokens_are_the_best_parameters(found: Law, flop: float) -> None:
    n, d = optimal_sizes(found, flop)
    assert parameters_for(found, d) == pytest.approx(n, rel=1e-6)


@given(laws, budgets, st.floats(0.05, 20))
def test_the_compute_ratio_is_that_of_the_best_use_with_the_same_loss(found: Law, flop: float, factor: float) -> None:
    n, d = optimal_sizes(found, flop)
    ratio = compute_ratio(found, n * factor, d / factor)
    assert ratio >= 1 - 1e-6
    above = found.loss(n * factor, d / factor) - found.coefficients["E"]
    if above > 1e-9 * found.coefficients["E"]:
        cheaper = found.loss(*optimal_sizes(found, flop / ratio)) - found.coefficients["E"]
        assert cheaper == pytest.approx(above, rel=1e-3)


@given(st.floats(1e6, 1e12), st.floats(1, 500), st.floats(1.0, 3.0))
def test_repeated_tokens_are_worth_no_more_than_new_ones(unique: float, epochs: float, more: float) -> None:
    worth = effective(unique * epochs, unique, R_STAR_TOKENS)
    assert unique * (1 - 1e-12) <= worth <= unique * epochs * (1 + 1e-12)
    assert worth <= unique * (1 + R_STAR_TOKENS)
    assert effective(unique * epochs * more, unique, R_STAR_TOKENS) >= worth * (1 - 1e-12)


def test_four_epochs_are_nearly_free_and_sixteen_are_not() -> None:
    assert effective(4.0, 1.0, R_STAR_TOKENS) == pytest.approx(3.73, abs=0.01)
    assert effective(16.0, 1.0, R_STAR_TOKENS) == pytest.approx(10.6, abs=0.05)
    assert effective(0.5, 1.0, R_STAR_TOKENS) == 0.5


@settings(max_examples=25)
@given(laws, budgets, st.floats(1e8, 1e13), st.floats(0.2, 5))
def test_no_other_split_of_a_budget_is_better_with_repeats(
    found: Law, flop: float, unique: float, factor: float
) -> None:
    n, d = best_sizes(found, flop, unique)
    assert 6 * n * d == pytest.approx(flop, rel=1e-9)
    other = float(np.clip(d * factor, 0, unique * 1000))
    best = constrained_loss(found, n, d, unique)
    assert best <= constrained_loss(found, flop / 6 / other, other, unique) * (1 + 1e-3)


def test_objective_is_the_sum_of_huber_losses_of_log_residuals() -> None:
    points = planted(12, seed=3)
    objective = Objective(points)
    theta = np.array([-0.7, -0.9, 0.6, 0.4, 0.3])
    found = objective.law(theta)
    parts = [found.log_a - found.alpha * np.log(points.parameters), found.log_b - found.beta * np.log(points.tokens)]
    expected = logsumexp([*parts, np.full(12, found.log_e)], axis=0)
    weights = np.arange(12.0)
    value, gradient = objective(theta, weights)
    assert value * DELTA**2 == pytest.approx((weights * huber(DELTA, expected - np.log(points.loss))).sum())
    assert np.log(found.loss(points.parameters, points.tokens)) == pytest.approx(expected)
    assert approx_fprime(theta, lambda t: objective(t, weights)[0], 1e-8) == pytest.approx(gradient, rel=1e-3, abs=1)


def test_exact_losses_give_the_exact_law() -> None:
    found = fit_law(planted(25, seed=2, noise=0), resamples=100)
    for name, value in found.law.coefficients.items():
        assert value == pytest.approx(TRUE[name], rel=1e-5)
    assert found.objective == pytest.approx(0, abs=1e-12)


@pytest.mark.slow
def test_the_law_does_not_depend_on_the_unit_of_the_loss(fitted: Fit) -> None:
    points = fitted.points
    halved = Points(parameters=points.parameters, tokens=points.tokens, loss=points.loss / 2)
    found = fit_law(halved, resamples=100).law
    assert found.alpha == pytest.approx(fitted.law.alpha, rel=1e-3)
    assert 2 * found.coefficients["E"] == pytest.approx(fitted.law.coefficients["E"], rel=1e-3)


@pytest.mark.slow
def test_intervals_hold_what_was_planted_about_as_often_as_they_say() -> None:
    fits = [fit_law(planted(40, seed=seed), resamples=100) for seed in range(20)]
    for name, value in TRUE.items():
        held = [Estimate.of(f.law.coefficients[name], f.draws.coefficients[name]) for f in fits]
        assert sum((e.low or 0) <= value <= (e.high or np.inf) for e in held) >= 16, name


@pytest.mark.slow
def test_predictions_of_new_runs_hold_about_as_often_as_they_say() -> None:
    sides = []
    for seed in range(10):
        found = fit_law(planted(20, seed=seed), resamples=100)
        sides += [standing(found, point).stands for point in listed(planted(10, seed=1000 + seed))]
    assert sides.count("within") >= 88


@pytest.mark.slow
def test_few_noisy_runs_leave_the_irreducible_loss_open() -> None:
    found = fit_law(planted(15, seed=0, noise=0.1), resamples=100)
    e = Estimate.of(found.law.coefficients["E"], found.draws.coefficients["E"])
    assert e.low is not None
    assert e.high is not None
    assert e.high - e.low > 0.5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_intervals(fitted: Fit) -> None:
    again = fit_law(fitted.points, resamples=100)
    other = fit_law(fitted.points, resamples=100, seed=1)
    assert (again.draws.alpha == fitted.draws.alpha).all()
    assert not (other.draws.alpha == fitted.draws.alpha).all()


def test_a_run_that_is_much_too_bad_stands_above(fitted: Fit) -> None:
    n, d = 1e9, 2e10
    expected = float(fitted.law.loss(n, d))
    for factor, side in ((1.1, "above"), (1.0, "within"), (0.9, "below")):
        found = standing(fitted, Point(name="run", parameters=n, tokens=d, loss=expected * factor))
        assert found.stands == side
        assert found.predicted.value == pytest.approx(expected)
    assert found.times_compute.value == pytest.approx(float(compute_ratio(fitted.law, n, d)))


@pytest.mark.slow
def test_a_fitted_run_is_judged_by_the_resamples_without_it(fitted: Fit) -> None:
    points = listed(fitted.points)
    bad = [*points[:-1], Point(name="bad", parameters=1e9, tokens=2e10, loss=4.0)]
    found = fit_law(Points.of(bad), resamples=100)
    assert standing(found, bad[-1], place=len(bad) - 1).stands == "above"
    assert [standing(found, p, place=n).stands for n, p in enumerate(bad[:-1])].count("within") >= 35


def test_a_budget_beyond_the_runs_is_named_so_and_less_certain(fitted: Fit) -> None:
    near, far = (optimum(fitted, float(fitted.points.flop.max()) * times) for times in (1, 1000))
    assert (near.times_largest, far.times_largest) == (1.0, pytest.approx(1000.0))
    spreads = [(best.parameters.high or np.inf) / (best.parameters.low or 0) for best in (near, far)]
    assert spreads[1] > spreads[0]


def test_repeats_of_few_tokens(fitted: Fit) -> None:
    found = repeated(fitted, 1e9, [1e16, 1e22])
    losses = [row.loss.value for row in found.epochs]
    assert losses == sorted(losses, reverse=True)  # type: ignore[type-var]
    assert all(row.loss_if_new <= (row.loss.value or 0) + 1e-12 for row in found.epochs)
    few, many = found.optimal
    assert (few.epochs.value or 9) < 1 < (many.epochs.value or 0)
    free = optimum(fitted, 1e22)
    assert (many.loss.value or 0) > (free.loss.value or 9)


def test_repeats_outside_the_runs_are_marked_and_beyond_those_tried_cannot_be_told(fitted: Fit) -> None:
    tokens, budget = float(np.median(fitted.points.tokens)), float(np.median(fitted.points.flop))
    inside, outside = repeated(fitted, tokens, [budget]), repeated(fitted, 1e6, [1e24])
    assert (inside.epochs[0].outside, inside.optimal[0].outside) == ((), ())
    assert not inside.optimal[0].cannot_tell
    assert outside.epochs[0].outside == ("parameters", "tokens")
    assert "parameters" in outside.optimal[0].outside
    assert outside.optimal[0].cannot_tell
    for found in (inside, outside):
        assert [row.epochs for row in found.epochs if row.cannot_tell] == [64]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: {"parameters": p.parameters[:9], "tokens": p.tokens[:9], "loss": p.loss[:9]}, "at least 10 runs"),
        (lambda p: {"parameters": 0 * p.parameters + 1e9}, "too little in parameters"),
        (lambda p: {"tokens": 1e10 + p.tokens / 1e3}, "too little in tokens"),
        (lambda p: {"tokens": 20 * p.parameters}, "tokens grow with parameters"),
        (lambda p: {"tokens": 1e20 / p.parameters}, "the same FLOP"),
        (lambda p: {"loss": 0 * p.loss + 3}, "the loss does not fall"),
        (lambda p: {"loss": 2 + 1e3 / p.tokens**0.4}, "does not fall as parameters grow"),
        (lambda p: {"loss": 2 + 1e3 / p.parameters**0.4}, "does not fall as tokens grow"),
        (lambda p: {"loss": 2 + 1e-2 * p.parameters**0.2 + 1e3 / p.tokens**0.4}, "does not fall as parameters grow"),
    ],
)
def test_runs_that_cannot_tell_a_law_are_refused(change: object, told: str) -> None:
    points = planted(20, seed=0)
    whole = {name: getattr(points, name) for name in ("parameters", "tokens", "loss")}
    with pytest.raises(UsageError, match=told):
        fit_law(Points(**whole | change(points)), resamples=100)  # type: ignore[operator]


def test_runs_that_are_all_alike_are_refused_although_they_are_many() -> None:
    points = listed(planted(9, seed=0)) * 3
    with pytest.raises(UsageError, match="got 9 different pairs"):
        fit_law(Points.of(points), resamples=100)


def test_the_highest_losses_are_left_out_and_the_order_is_kept() -> None:
    points = [Point(name=str(loss), parameters=1, tokens=1, loss=loss) for loss in (3.0, 9.0, 1.0, 8.0)]
    assert [p.loss for p in without_highest(points, 2)] == [3.0, 1.0]
    for amount in (-1, 4):
        with pytest.raises(UsageError, match="--drop-highest must be 0 to 3"):
            without_highest(points, amount)


def test_a_draw_without_an_answer_widens_the_interval() -> None:
    whole = np.linspace(1, 2, 100)
    assert Estimate.of(1.5, whole) == Estimate(value=1.5, low=whole[2], high=whole[97])
    broken = np.where(np.arange(100) < 5, np.nan, whole)
    assert Estimate.of(1.5, broken) == Estimate(value=1.5, low=None, high=None)
    assert Estimate.of(5.0, whole).high == 5.0


def test_a_missing_scipy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(GroundwireError, match=r"pip install .groundwire\[train\]"):
        fit_law(planted(20, seed=0), resamples=100)


@pytest.mark.slow
@pytest.mark.skipif(not CHINCHILLA.is_file(), reason="not there: ../shared/data/chinchilla_points.csv")
def test_the_figures_of_chinchilla_are_reached() -> None:
    """Besiroglu et al. 2024: E 1.8172 ± .03, A 482.01 ± 124.58, B 2085.43 ± 1293.23, α .3478 ± .02, β .3658 ± .02."""
    points = Points.of(without_highest(read_points(CHINCHILLA), 5))
    found = fit_law(points, resamples=200)
    law, draws = found.law.coefficients, found.draws.coefficients
    assert len(points) == 240
    assert law["E"] == pytest.approx(1.817, abs=0.01)
    assert law["alpha"] == pytest.approx(0.348, abs=0.005)
    assert law["beta"] == pytest.approx(0.366, abs=0.006)
    assert found.objective <= 0.00103
    for name, error in {"E": 0.03, "A": 124.58, "B": 1293.23, "alpha": 0.02, "beta": 0.02}.items():
        assert draws[name].std() == pytest.approx(error, rel=0.35), name
    best = optimum(found, 5.76e23)
    assert best.tokens_per_parameter.value == pytest.approx(18, abs=1)


@pytest.mark.slow
@pytest.mark.skipif(not CHINCHILLA.is_file(), reason="not there: ../shared/data/chinchilla_points.csv")
def test_the_lower_half_of_chinchillas_compute_predicts_the_upper() -> None:
    points = sorted(without_highest(read_points(CHINCHILLA), 5), key=lambda point: point.flop)
    found = fit_law(Points.of(points[:120]), resamples=100)
    upper = Points.of(points[120:])
    errors = np.abs(found.law.loss(upper.parameters, upper.tokens) / upper.loss - 1)
    assert errors.mean() < 0.01
