"""Whether a validation loss rose by itself, as in overfitting, or together with the training loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..beststep import FEWEST, UnclearError, require_learned, windows
from ..model import Confidence
from ..price import beginning, finite
from .case import Case, Floats
from .declaration import CannotTellError

SHARED = 0.25  # of the rise of the validation loss, that the training loss may have risen by

Steps = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Since:
    """Windows of validations from the lowest validation loss on, as wide as those of the best step.

    Attributes:
        after: Optimizer step after which each window begins, shape [n].
        until: Last optimizer step of each window, shape [n].
        rise: By how much the mean validation loss of the last window is above that of the first.
    """

    after: Steps
    until: Steps
    rise: float

    @classmethod
    def of(cls, step: Steps, value: Floats) -> Since:
        """Return those of validation losses, both of shape [validations]."""
        levels, _, width = windows(value) if value.size >= FEWEST else (value, 0.0, 1)
        first = int(levels.argmin())
        bounds = np.concatenate(([0], step))
        return cls(
            after=bounds[first:-width],
            until=bounds[first + width :],
            rise=float(value[-width:].mean() - value[first : first + width].mean()),
        )

    def means(self, step: Steps, value: Floats) -> Floats | None:
        """Return the mean of a series over each window that it has values in; None where the first or last has none.

        Args:
            step: Ascending, shape [m].
            value: Shape [m].

        Returns:
            Shape [at most n].
        """
        first, last = (np.searchsorted(step, ends, side="right") for ends in (self.after, self.until))
        sums, count = np.concatenate(([0.0], np.cumsum(value))), last - first
        if not (count[0] and count[-1]):
            return None
        held = count > 0
        return np.asarray((sums[last] - sums[first])[held] / count[held])


def require_general(case: Case, value: Floats) -> None:
    """Refuse to call a rise overfitting where nothing was learned that could have been lost.

    Args:
        case: The run.
        value: Its finite validation losses, shape [n].

    Raises:
        CannotTellError: The validation loss was never below where training began, as before grokking.
    """
    try:
        require_learned(value, beginning(case))
    except UnclearError as error:
        raise CannotTellError(str(error)) from error


def require_alone(case: Case, step: Steps, value: Floats) -> Confidence:
    """Refuse to call a rise overfitting where the training loss rose as well, and say how sure the rest is.

    It did where it ended above its lowest since then, by more than a quarter of what the validation loss rose by. It
    is that of the probe; where that was not measured around the lowest validation loss, that of the steps themselves.

    Returns:
        High where the intervals of the gap around the lowest validation loss and at the end do not overlap, else
        medium: then the examples are few, or the rise is small.

    Raises:
        CannotTellError: Both losses rose, or no training loss is known.
    """
    since = Since.of(step, value)
    found = (since.means(*finite(case.series(name))) for name in ("overfitting.train_loss", "train.loss"))
    train = next((means for means in found if means is not None), None)
    if train is None:
        raise CannotTellError("the validation loss rose, and no training loss is known to compare it with")
    risen = float(train[-1] - train.min())
    if risen > SHARED * max(since.rise, 0.0):
        raise CannotTellError(
            f"both losses rose since step {int(since.after[0]):,}: that of training by {risen:.2g}, that of"
            f" validation by {since.rise:.2g}. More than overfitting does that: look for a change in learning rate,"
            " regularisation or data"
        )
    then, now = (since.means(*finite(case.series(f"overfitting.gap_{end}"))) for end in ("high", "low"))
    return Confidence.HIGH if then is not None and now is not None and now[-1] > then[0] else Confidence.MEDIUM
