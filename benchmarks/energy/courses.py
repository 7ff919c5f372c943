"""What forecasts of a run's energy are worth, over simulated runs whose end is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from groundwire.callbacks.budget import Course

READING_S, NOTED = 10.0, 6  # between two readings, and readings between two forecasts at least
REPEATS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of run.

    Attributes:
        name: Its name in the table.
        joules: Energy of a step at each share of the run that is done, shape [n] -> [n], times one step's mean.
        noise: Standard deviation of a reading's mean power, as a share.
        slow: Standard deviation of what wavers over some twenty readings, as a share.
        validation: Energy of a validation, as a share of the training between two.
        resumed: Share of the run's steps that an attempt before this one had trained.
    """

    name: str
    joules: Callable[[np.ndarray], np.ndarray] = np.ones_like
    noise: float = 0.03
    slow: float = 0.0
    validation: float = 0.0
    resumed: float = 0.0


def _rising(done: np.ndarray) -> np.ndarray:
    return 1 + 0.3 * done


def _falling(done: np.ndarray) -> np.ndarray:
    return 1.3 - 0.3 * done


def _warming(done: np.ndarray) -> np.ndarray:
    return 1 + np.exp(-done / 0.03)


def _throttled(done: np.ndarray) -> np.ndarray:
    return np.where(done < 0.5, 1.0, 1.25)


KINDS = (
    Kind(name="steady"),
    Kind(name="noisy", noise=0.2),
    Kind(name="slowly wavering", slow=0.1),
    Kind(name="rising by 30 %", joules=_rising),
    Kind(name="falling by 23 %", joules=_falling),
    Kind(name="warm-up: twice as much at first", joules=_warming),
    Kind(name="25 % more from half-way on (throttled)", joules=_throttled),
    Kind(name="with validations of 20 %", validation=0.2),
    Kind(name="the same, resumed half-way", validation=0.2, resumed=0.5),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """One forecast and what came.

    Attributes:
        done: Share of the attempt that was done.
        held: Whether the band held what came.
        error: Relative error of its middle.
        width: Of the band, relative to what came.
    """

    done: float
    held: bool
    error: float
    width: float


def simulate(kind: Kind, seed: int) -> list[Made]:
    """Return the forecasts of one run, at the times at which the monitor makes them."""
    rng = np.random.default_rng(seed)
    readings, rate = int(rng.integers(60, 1500)), rng.uniform(5, 200)
    first = int(kind.resumed * readings * rate / (1 - kind.resumed))
    step = first + np.cumsum(rng.poisson(rate, readings))
    done = (step - first) / (step[-1] - first)
    training = np.cumsum(np.diff(step, prepend=first) * kind.joules(done) * _factors(kind, rng, readings))
    others = np.zeros(readings)
    if kind.validation:
        every = (step[-1] - first) / 10
        others = kind.validation * every * np.floor((step - first) / every)
    course, found, end = (
        Course(first, int(step[-1]), validates=bool(kind.validation)),
        [],
        float(training[-1] + others[-1]),
    )
    for at in range(readings):
        course.add(int(step[at]), float(training[at]), float(others[at]))
        made = course.forecast() if at % NOTED == 0 else None
        if made is not None:
            held, width = made["low"] <= end <= made["high"], (made["high"] - made["low"]) / end
            found.append(Made(done=float(done[at]), held=held, error=abs(made["value"] / end - 1), width=width))
    return found


def _factors(kind: Kind, rng: np.random.Generator, readings: int) -> np.ndarray:
    """Return what noise makes of each reading's energy."""
    slow, pull = np.zeros(readings), 0.95
    for at in range(1, readings):
        slow[at] = pull * slow[at - 1] + rng.normal(0, kind.slow * (1 - pull**2) ** 0.5)
    return np.maximum(0.05, 1 + slow + rng.normal(0, kind.noise, readings))


SPANS = {"up to a tenth": (0.0, 0.1), "up to a half": (0.1, 0.5), "later": (0.5, 1.0)}


def table(repeats: int = REPEATS) -> Iterator[str]:
    """Yield a row for each kind of run: how many forecasts, how many bands held, median error of the middle."""
    yield f"| run | all: held, error, band's width | {' | '.join(SPANS)} |"
    yield f"|{'---|' * (2 + len(SPANS))}"
    for kind in KINDS:
        made = [one for seed in range(repeats) for one in simulate(kind, seed)]
        parts = [[one for one in made if low <= one.done < high] for low, high in SPANS.values()]
        width = float(np.median([one.width for one in made]))
        yield f"| {kind.name} | {_worth(made)}, {width:.1%} | {' | '.join(map(_worth, parts))} |"


def _worth(made: list[Made]) -> str:
    if not made:
        return "none made"
    held, error = sum(one.held for one in made) / len(made), float(np.median([one.error for one in made]))
    return f"{held:.0%} of {len(made):,}, {error:.1%}"
