"""The first step that is as good as any later one, within the noise of the validation loss.

It is not the one with the lowest validation loss: of many noisy losses, the lowest is low by luck. Medians
are taken over windows, and the first window within one standard error of the lowest counts (the one-standard-error
rule of Breiman et al. 1984, Classification and Regression Trees, and of Hastie et al. 2009, section 7.10). So "the
same validation loss" holds within that error, which is stated. Where it is larger than one per cent of the loss, or
of how far the loss has fallen, there is no best step to be told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

FEWEST = 6  # validations
SAME = 0.01  # of the loss or of its fall: a larger error makes nothing the same
MOVED = 5.0  # standard errors that count as a fall or a rise: the lowest of many is low by luck
MEDIAN = 1.2533  # standard error of a median of normal noise, over that of a mean
STRIPS = 3
BACK = 0.05  # of a rise, that has to be undone before it counts as a second fall
STILL = 0.1  # of what was undone, that has to be undone within half of the end, for the loss to fall still


class UnclearError(Exception):
    """Says why no best step, and so no price, can be told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """Where the validation loss had come as low as it would, within its noise.

    Attributes:
        step: First such optimizer step.
        loss: Median validation loss of the window around it.
        within: Standard error up to which later losses are the same (loss).
        last: Whether no validation came after its window.
    """

    step: int
    loss: float
    within: float
    last: bool


def noise(value: Floats) -> float:
    """Return the standard deviation of one value around a smooth curve; value of shape [n].

    From second differences, in which a line vanishes: their variance is six times that of independent noise. The
    median absolute deviation, so that neither a spike nor the steep beginning counts. Noise that wavers slowly looks
    smaller than it is: then the best step lies nearer to the lowest loss.
    """
    second = np.abs(np.diff(value, n=2))
    return float(np.median(second) / 0.6745 / np.sqrt(6)) if second.size else 0.0


def windows(value: Floats) -> tuple[Floats, float, int]:
    """Return the medians of windows of losses, their standard error, and the width: a tenth of all, at least 3."""
    width = max(3, value.size // 10)
    levels = np.median(np.lib.stride_tricks.sliding_window_view(value, width), axis=1)
    return levels, MEDIAN * noise(value) / float(np.sqrt(width)), width


def risen(value: Floats) -> bool:
    """Return whether losses went up again: the last third of the windows since the lowest one stands above it.

    By five standard errors and by one per cent: noise that wavers slowly does the first alone.
    """
    levels, error, _ = windows(value)
    after = levels[int(levels.argmin()) :]
    rise = float(after[-max(1, after.size // STRIPS) :].mean() - levels.min())
    return rise > max(MOVED * error, SAME * abs(float(levels.min())))


def best_step(step: Steps, value: Floats) -> Best:
    """Return the first step that is as good as any later one, within the noise of the validation loss.

    Args:
        step: Steps of the validations, ascending, shape [n].
        value: Their losses, finite, shape [n].

    Raises:
        UnclearError: Too few validations, too much noise, a loss that has not fallen, or one that has risen and
            falls again, as in double descent or grokking, so that what more training would have given is open.
    """
    if step.size < FEWEST:
        raise UnclearError(f"{step.size} validations with a finite loss, it takes {FEWEST}")
    levels, error, width = windows(value)
    lowest = float(levels.min())
    _require_movement(value, levels, error)
    place = int(np.flatnonzero(levels <= lowest + error)[0])
    _require_no_second_fall(value)
    window = slice(place, place + width)
    return Best(
        step=int(step[window][value[window].argmin()]),
        loss=float(levels[place]),
        within=error,
        last=place + width >= step.size and int(value[window].argmin()) == width - 1,
    )


def _require_movement(value: Floats, levels: Floats, error: float) -> None:
    """Raise unless the loss has fallen, or risen, by more than its noise, and the noise is small enough.

    The first window may be past most of the fall: then the first loss counts, with the noise of a single one.
    """
    lowest = float(levels.min())
    single, span = float(value[0]) - lowest, float(max(value[0], levels.max())) - lowest
    if float(levels[0]) - lowest <= MOVED * error and single <= MOVED * noise(value) and not risen(value):
        raise UnclearError(f"the validation loss has not fallen by more than its noise of ± {error:.2g}")
    if error > SAME * max(abs(lowest), span):
        raise UnclearError(f"the validation loss wavers by ± {error:.2g}: a larger validation set would tell")


def falls_again(value: Floats) -> bool:
    """Return whether losses have come down from their peak since the lowest, and had not come to rest."""
    levels, _, _ = windows(value)
    after = levels[int(levels.argmin()) :]
    peak = int(after.argmax())
    rise, back = float(after[peak] - after[0]), float(after[peak] - after[-1])
    if back <= BACK * rise:
        return False
    end = value[-max(4, (after.size - peak) // STRIPS) :]
    half = end.size // 2
    fall = float(end[:half].mean() - end[half:].mean())
    return fall > max(STILL * back, 2 * noise(value) * float(np.sqrt(2 / half)))


def _require_no_second_fall(value: Floats) -> None:
    """Raise when the loss rose after its lowest by more than its noise, and was falling again at the end."""
    levels, error, _ = windows(value)
    after = levels[int(levels.argmin()) :]
    if after.max() - after[0] > MOVED * error and falls_again(value):
        raise UnclearError(
            "the validation loss rose and was falling again when the training ended (double descent or grokking)"
        )
