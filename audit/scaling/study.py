"""What `groundwire scaling` works out: the law, budgets, epochs, and where runs stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import UsageError
from .fit import RESAMPLES, Estimate, Fit, fit_law
from .optimal import Optimum, optimum
from .points import LARGEST_SIZE, Point, Points, without_highest
from .reading import is_table, read_points
from .repeated import Repeated, repeated
from .runs import read_runs
from .standing import Standing, standing

T = TypeVar("T")

# Over these factors between its ends, an interval says so little that the answer is: cannot tell.
WIDEST = {"alpha": 2.0, "beta": 2.0, "A": 100.0, "B": 100.0}
WIDEST_SIZE = 10.0  # of the best parameters and tokens
WIDEST_E = 0.25  # of the lowest loss, between the ends of E, which is added and may be nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        sources: Run folders, or one table.
        run: One more run, which is held against the law and not fitted.
        drop_highest: Points with the highest losses that are left out.
        budgets: FLOP; the largest of the runs when there is none.
        unique_tokens: Tokens that there are, where they are repeated.
        tokens_per_step: Of runs that did not log their tokens.
        resamples: How often the runs are drawn anew.
        seed: Of the draws.
    """

    sources: Sequence[str]
    run: str | None = None
    drop_highest: int = 0
    budgets: Sequence[float] = ()
    unique_tokens: float | None = None
    tokens_per_step: float | None = None
    resamples: int = RESAMPLES
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """What was found.

    Attributes:
        question: What was asked.
        loss: Which loss the points are.
        fit: The law and its resamples.
        coefficients: E, A, B, alpha and beta.
        cannot_tell: What the intervals are too wide for.
        optimal: The best use of each budget.
        repeated: What epochs are worth, if it was asked.
        runs: Where runs stand.
    """

    question: Question
    loss: str
    fit: Fit
    coefficients: dict[str, Estimate]
    cannot_tell: tuple[str, ...]
    optimal: tuple[Optimum, ...]
    repeated: Repeated | None
    runs: tuple[Standing, ...]


def study(question: Question) -> Study:
    """Return what the runs say.

    Raises:
        UsageError: A source cannot be read, the runs cannot tell a law, or an option lies outside its range.
        GroundwireError: scipy is missing.
    """
    _require_within("--budget", *question.budgets)
    _require_within("--unique-tokens", *_given(question.unique_tokens))
    points, asked, loss = _read(question)
    kept = without_highest(points, question.drop_highest)
    fit = fit_law(Points.of(kept), resamples=question.resamples, seed=question.seed)
    budgets = list(question.budgets) or [float(fit.points.flop.max())]
    law, draws = fit.law.coefficients, fit.draws.coefficients
    coefficients = {name: Estimate.of(law[name], draws[name]) for name in law}
    optimal = tuple(optimum(fit, flop) for flop in budgets)
    return Study(
        question=question,
        loss=loss,
        fit=fit,
        coefficients=coefficients,
        cannot_tell=tuple(_cannot_tell(coefficients, optimal, float(fit.points.loss.min()))),
        optimal=optimal,
        repeated=None if question.unique_tokens is None else repeated(fit, question.unique_tokens, budgets),
        runs=tuple(_standings(fit, kept, asked, question.seed)),
    )


def _read(question: Question) -> tuple[list[Point], list[Point], str]:
    """Return the points to fit, the runs to hold against the law, and which loss it is."""
    sources, run = list(question.sources), list(_given(question.run))
    if any(is_table(source) for source in sources):
        if len(sources) > 1:
            raise UsageError("Give run folders or one table: --run holds a run against the law of a table.")
        asked = read_runs(run, tokens_per_step=question.tokens_per_step).points
        return read_points(sources[0]), asked, "column 'loss'"
    found = read_runs([*sources, *run], tokens_per_step=question.tokens_per_step)
    return found.points[: len(sources)], found.points, found.loss


def _standings(fit: Fit, kept: list[Point], asked: list[Point], seed: int) -> Iterator[Standing]:
    places = {id(point): place for place, point in enumerate(kept)}
    for point in asked:
        yield standing(fit, point, place=places.get(id(point)), seed=seed)


def _cannot_tell(coefficients: dict[str, Estimate], optimal: Sequence[Optimum], lowest: float) -> Iterator[str]:
    e = coefficients["E"]
    if e.low is None or e.high is None or e.high - e.low > WIDEST_E * lowest:
        yield "E"
    yield from (name for name, factor in WIDEST.items() if not coefficients[name].within(factor))
    for place, best in enumerate(optimal):
        for name in ("parameters", "tokens"):
            if not getattr(best, name).within(WIDEST_SIZE):
                yield f"optimal.{place}.{name}"


def _given(value: T | None) -> tuple[T, ...]:
    return () if value is None else (value,)


def _require_within(option: str, *values: float) -> None:
    for value in values:
        if not 1 <= value <= LARGEST_SIZE:
            raise UsageError(f"{option} must be a number from 1 to {LARGEST_SIZE:g}, as in 1e21, got {value:g}.")
