"""Planted runs: a course, noise and validations, in the form in which the product reads a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from groundwire.audit.record import Series
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

ENDS = (1600, 8000, 48000)  # steps of a run
VALIDATIONS = (20, 40, 80, 160)  # of a run, evenly
SPREADS = (0.002, 0.005, 0.02)  # standard deviation of a validation loss, of the loss at half of the run
NEAR = (0.0, 0.3, 0.6)  # correlation of a validation's noise with that of the one before
RATES = 2000  # recorded learning rates, at most

Noise = Callable[[np.random.Generator, int], Floats]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A planted run, and the same once more with its schedule stretched to twice the steps.

    Attributes:
        step: Steps of the validations, shape [n].
        loss: Their losses, shape [n].
        lr_step: Steps of the recorded learning rate, shape [m].
        lr: The rate, shape [m].
        course: The loss without noise after any share of the steps; None under a schedule that comes down.
        doubled: Validation loss at the end of the stretched run.
    """

    step: Steps
    loss: Floats
    lr_step: Steps
    lr: Floats
    course: Callable[[Floats], Floats] | None
    doubled: float

    def series(self, name: str, column: str | None = None) -> Series:
        """Return a series as a record does."""
        found = {"overfitting.val_loss": (self.step, self.loss), "optimizer.lr": (self.lr_step, self.lr)}
        step, value = found.get(name, (np.zeros(0, np.int64), np.zeros(0)))
        return Series(
            name=name, column=column, unit="", step=step, value=value.astype(np.float32).astype(np.float64),
            time_s=step / 10.0, optimizer=np.zeros(step.size, np.int64),
        )  # fmt: skip


def wavering(rng: np.random.Generator, size: int, near: float | None = None) -> Floats:
    """Return noise of variance 1 of which each value is correlated with the one before (an AR(1))."""
    rho = float(rng.choice(NEAR)) if near is None else near
    noise = rng.normal(size=size)
    for place in range(1, size):
        noise[place] = rho * noise[place - 1] + np.sqrt(1 - rho**2) * noise[place]
    return noise


def slow(rng: np.random.Generator, size: int) -> Floats:
    """Return noise that wavers slowly."""
    return wavering(rng, size, 0.9)


def heavy(rng: np.random.Generator, size: int) -> Floats:
    """Return noise with outliers: Student's t with three degrees of freedom, of variance 1."""
    return np.asarray(rng.standard_t(3, size=size) / np.sqrt(3))


def none(_rng: np.random.Generator, size: int) -> Floats:
    """Return no noise."""
    return np.zeros(size)
