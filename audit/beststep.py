"""The first step that is as good as any later one, within the noise of the validation loss.

It is not the one with the lowest validation loss: of many noisy losses, the lowest is low by luck. Medians
are taken over windows, and the first window within one standard error of the lowest counts (the one-standard-error
rule of Breiman et al. 1984, Classification and Regression Trees, and of Hastie et al. 2009, section 7.10). How much
that gives up is stated as a bound. Where that error is larger than one per cent of the loss, or of how far the loss
has fallen, there is no best step to be told, unless the loss has risen by far more.
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
WITHIN = 3.0  # times the noise of a single loss: what a best step gives up, see `Best`
BEGINNING = 5  # training losses whose mean says where the loss began
BLOCKS = 10  # of neighbouring losses, that tell how slowly they waver
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
        within: How far its loss, without noise, lies above the lowest, at most, with 95 % confidence (loss): three
            standard deviations of a single loss. Simulated: of falling and rising curves with independent noise and
            8 to 400 validations, at least 95 % gave up no more. Noise that wavers slowly looks smaller than it is.
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


def slow_error(value: Floats, width: int) -> float:
    """Return the standard error of the mean of `width` losses in a row when their noise wavers slowly.

    As `noise`, from second differences of the means of neighbouring blocks: what wavers from block to block counts,
    a line through them does not. By the lower quartile: bends of the curve are in the upper ones.
    0 of fewer than `BLOCKS` blocks, where the bends are everywhere.
    """
    if value.size < BLOCKS * width:
        return 0.0
    means = np.convolve(value, np.ones(width) / width, mode="valid")
    second = np.abs(means[2 * width :] - 2 * means[width:-width] + means[: -2 * width])
    return float(np.quantile(second, 0.25) / 0.3186 / np.sqrt(6))


def risen(value: Floats) -> bool:
    """Return whether losses went up again: the last third of the windows since the lowest one stands above it.

    By one per cent, and by five standard errors, of independent noise and, of 30 losses or more, of noise that wavers
    slowly. In simulations with such noise (first-order, correlation .9, 5 % of the loss) around a loss at rest, 12,
    26 and 82 % of series of 20, 30 and 300 had risen by the first error alone, 1 % of those of 30 and 300 by both.
    """
    levels, error, width = windows(value)
    after = levels[int(levels.argmin()) :]
    rise = float(after[-max(1, after.size // STRIPS) :].mean() - levels.min())
    return rise > max(MOVED * error, MOVED * slow_error(value, width), SAME * abs(float(levels.min())))


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
    levels, _, width = windows(value)
    single = _noise_around_the_best(value)
    allowed = _allowed(value, levels, MEDIAN * single / float(np.sqrt(width)))
    place = int(np.flatnonzero(levels <= levels.min() + allowed)[0])
    _require_no_second_fall(value)
    window = slice(place, place + width)
    return Best(
        step=int(step[window][value[window].argmin()]),
        loss=float(levels[place]),
        within=WITHIN * single,
        last=place + width >= step.size and int(value[window].argmin()) == width - 1,
    )


def _noise_around_the_best(value: Floats) -> float:
    """Return the noise of a single loss; of losses that rose, that up to their lowest, before they got wild."""
    if not risen(value):
        return noise(value)
    levels, _, width = windows(value)
    return min(noise(value), noise(value[: int(levels.argmin()) + 2 * width]))


def _allowed(value: Floats, levels: Floats, error: float) -> float:
    """Return how far above the lowest a window may stand; with noise that large, only of a loss that has risen.

    The first window may be past most of the fall: then the first loss counts, with the noise of a single one.

    Raises:
        UnclearError: The loss has not moved by more than its noise, or the noise is too large.
    """
    lowest = float(levels.min())
    single, span = float(value[0]) - lowest, float(max(value[0], levels.max())) - lowest
    most = SAME * max(abs(lowest), span)
    if risen(value):
        return min(error, most)
    if float(levels[0]) - lowest <= MOVED * error and single <= MOVED * noise(value):
        raise UnclearError(f"the validation loss has not fallen by more than its noise of ± {error:.2g}")
    if error > most:
        raise UnclearError(
            f"the validation loss jumps by ± {noise(value):.2g} from one validation to the next: no step is surely"
            " the best"
        )
    return error


def require_learned(value: Floats, start: Floats) -> None:
    """Raise unless the validation loss was ever below where training began: else there is nothing to overfit.

    Before grokking, the training data are learned by heart and the validation loss rises from the start on; what is
    learned of new data comes later.

    Args:
        value: Validation losses, finite, shape [n].
        start: Training losses of the first steps, finite, shape [m]; without any, the first validation counts.

    Raises:
        UnclearError: Its lowest is not below their mean by one per cent and more than their noise.
    """
    lowest = float(value.min())
    began = float((start if start.size else value)[: BEGINNING if start.size else 1].mean())
    error = noise(start) / float(np.sqrt(BEGINNING)) if start.size else noise(value)
    if began - lowest <= max(SAME * abs(began), error):
        raise UnclearError(
            f"the validation loss was never below where training began ({lowest:.3g} at its lowest, {began:.3g}"
            " then): nothing was learned yet that holds for new data, and training on may bring it (grokking)"
        )


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
