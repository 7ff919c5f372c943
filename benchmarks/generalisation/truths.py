"""What the test set says of a run: one measure for each of GEN003 to GEN007, which the record knows nothing of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STILL = 5.0  # % that the test loss falls in the last third of a run that still learns


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What the test set says of a run.

    Attributes:
        step: Steps of the validations, shape [n].
        loss: Test losses, shape [n].
        val: The validation loss that the run saw last.
        reached: Lowest test loss of a better training; NaN where none was made.
        epochs: How often the run saw each different example.
    """

    step: np.ndarray
    loss: np.ndarray
    val: float
    reached: float
    epochs: float


def still_falls(told: Told) -> float:
    """Return by how many per cent the test loss fell in the last third of the steps; negative where it rose."""
    return _fall(told, 2 / 3 * float(told.step[-1]))


def above_reach(told: Told) -> float:
    """Return by how many per cent the test loss ends above that of a better training; NaN while it still falls."""
    if still_falls(told) > STILL:
        return float("nan")
    return 100 * (float(told.loss[-_width(told) :].mean()) / told.reached - 1)


def flattery(told: Told) -> float:
    """Return by how many per cent the validation loss ends below the test loss."""
    return 100 * (1 - told.val / float(told.loss[-1]))


def jumps(told: Told) -> float:
    """Return the spread of single test losses around a running median in the second half, in per cent of them."""
    late = told.loss[told.loss.size // 2 :]
    around = np.median(np.lib.stride_tricks.sliding_window_view(late, 5), axis=1)
    return float(100 * np.std(late[2:-2] - around) / np.median(late))


def further_epochs(told: Told) -> float:
    """Return by how many per cent the test loss fell after the fourth pass over the different examples."""
    return _fall(told, 4 * float(told.step[-1]) / told.epochs) if told.epochs > 4 else float("nan")


def _fall(told: Told, step: float) -> float:
    width, place = _width(told), int(np.abs(told.step - step).argmin())
    first = min(max(0, place - width // 2), told.step.size - 2 * width)
    return 100 * (1 - float(told.loss[-width:].mean()) / float(told.loss[first : first + width].mean()))


def _width(told: Told) -> int:
    return max(2, told.step.size // 10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """What tells the truth of a rule's runs.

    Attributes:
        title: What is measured (%).
        of: Measures it.
        faulty: Whether a value is one of a run with the fault.
    """

    title: str
    of: Callable[[Told], float]
    faulty: Callable[[float], bool]


MEASURES = {
    "GEN003": Measure(title="fall of the test loss in the last third", of=still_falls, faulty=lambda v: abs(v) < 0.2),
    "GEN004": Measure(title="test loss above what a better training reaches", of=above_reach,
                      faulty=lambda v: v > 10),
    "GEN005": Measure(title="validation loss below the test loss", of=flattery, faulty=lambda v: v > 30),
    "GEN006": Measure(title="jumps of the test loss", of=jumps, faulty=lambda v: v > 2),
    "GEN007": Measure(title="fall of the test loss after four passes", of=further_epochs, faulty=lambda v: v < 1),
}  # fmt: skip
