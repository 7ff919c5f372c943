"""Planted learning curves at a constant learning rate, with a different course for each seed.

Time x is in units of the run: 1 is its last step. How much loss is left, and how much there is to gain, is drawn
alike for all families, so that they differ in their course.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Course = Callable[[Floats], Floats]
Plant = Callable[[np.random.Generator], Course]
Place = tuple[float, float]  # between which a change comes


def _scale(rng: np.random.Generator) -> tuple[float, float]:
    """Return the loss that is left in the end and what the second half of a run may still be about."""
    return rng.uniform(0.5, 3.0), rng.uniform(0.1, 1.5)


def power(rng: np.random.Generator) -> Course:
    """The law itself: L∞ + a·x^−b with b from 0.2 to 0.9."""
    (floor, left), slope = _scale(rng), rng.uniform(0.2, 0.9)
    return lambda x: floor + left * x**-slope


def logarithmic(rng: np.random.Generator) -> Course:
    """A straight line over the logarithm of the steps, as a power law with an exponent near zero looks for long."""
    (floor, left), fall = _scale(rng), rng.uniform(0.05, 0.3)
    return lambda x: floor + left - fall * left * np.log(x)


def two_powers(rng: np.random.Generator) -> Course:
    """Two power laws on top of each other: one that is over soon, and one that is not."""
    (floor, left), part = _scale(rng), rng.uniform(0.1, 0.5)
    slow, fast = rng.uniform(0.1, 0.3), rng.uniform(0.8, 1.2)
    return lambda x: floor + left * ((1 - part) * x**-slow + part * x**-fast)


def shifted(rng: np.random.Generator) -> Course:
    """A power law that begins late, as after a warm-up that nobody recorded."""
    (floor, left), slope, late = _scale(rng), rng.uniform(0.2, 0.9), rng.uniform(0.02, 0.2)
    return lambda x: floor + left * (x + late) ** -slope


def stretched(rng: np.random.Generator) -> Course:
    """A stretched exponential, exp(−r·√x)."""
    (floor, left), rate = _scale(rng), rng.uniform(1.0, 4.0)
    return lambda x: floor + left * np.exp(-rate * np.sqrt(x))


def exponential(rng: np.random.Generator) -> Course:
    """A pure exponential, as of a convex problem: it falls faster than any power law, and has an end."""
    (floor, left), rate = _scale(rng), rng.uniform(1.0, 6.0)
    return lambda x: floor + left * np.exp(-rate * x)


def plateau(rng: np.random.Generator) -> Course:
    """A loss that has come to rest within the first tenth or third of the run."""
    (floor, left), rate = _scale(rng), rng.uniform(15.0, 60.0)
    return lambda x: floor + left * np.exp(-rate * x)


def kink(rng: np.random.Generator, place: Place) -> Course:
    """A power law whose exponent changes once, to a half up to twice of it."""
    (floor, left), slope = _scale(rng), rng.uniform(0.2, 0.9)
    at, turn = rng.uniform(*place), 2.0 ** rng.uniform(-1, 1)
    return lambda x: floor + left * np.where(x < at, x**-slope, at**-slope * (x / at) ** (-slope * turn))


def drop(rng: np.random.Generator, place: Place) -> Course:
    """A power law with one sudden fall, as where a network learns a new way."""
    fall, at, width = rng.uniform(0.1, 0.4), rng.uniform(*place), rng.uniform(0.005, 0.03)
    course = power(rng)
    return lambda x: course(x) * (1 - fall / (1 + np.exp(-np.clip((x - at) / width, -50, 50))))


def double_descent(rng: np.random.Generator, place: Place) -> Course:
    """A loss that falls, rises to a peak and falls again."""
    course, at = power(rng), rng.uniform(*place)
    height, width = rng.uniform(0.1, 0.5), at * rng.uniform(0.2, 0.4)
    return lambda x: course(x) + height * np.exp(-(((x - at) / width) ** 2) / 2)


def overfit(rng: np.random.Generator, place: Place) -> Course:
    """A loss that turns and rises to its end."""
    course, at, rise = power(rng), rng.uniform(*place), rng.uniform(0.3, 1.5)
    return lambda x: course(x) + rise * np.maximum(0.0, x - at)
