"""Prechelt's measures of overfitting over the losses of successive validations: GL, P, PQ and UP.

Prechelt 1998, Early Stopping: But When? In: Neural Networks: Tricks of the Trade, LNCS 1524. There a strip is k
epochs; here it is k validations, and a measure stands at every validation, looking back over the last k.
GL and P are ratios of losses: where a loss is not positive they mean nothing and are refused. UP only compares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Criterion = Literal["gl", "pq", "up"]

CRITERIA: tuple[Criterion, ...] = ("gl", "pq", "up")
STRIP = 5
FLAT = 1e-9  # training progress that is rounding


def generalisation_loss(validation: Sequence[float]) -> Floats:
    """Return GL(t) = 100·(E_va(t) / min E_va so far − 1), in per cent; shape [n].

    Args:
        validation: Loss of each validation, shape [n].

    Raises:
        ValueError: A loss is not positive or not finite.
    """
    losses = _positive(validation, "validation")
    return np.asarray(100.0 * (losses / np.minimum.accumulate(losses) - 1.0), dtype=np.float64)


def progress(training: Sequence[float], *, strip: int = STRIP) -> Floats:
    """Return P_k(t) = 1000·(Σ E_tr / (k · min E_tr) − 1) over the last k losses, in per mille; shape [n].

    It is high while the training loss moves, also up and down, and goes to 0 as it settles.

    Args:
        training: Training loss at each validation, shape [n]; NaN where it is not known.
        strip: k, at least 2.

    Returns:
        NaN before the first whole strip, and where the strip holds a loss that is not known.

    Raises:
        ValueError: A loss is not positive or infinite, or `strip` is below 2.
    """
    if strip < 2:
        raise ValueError(f"training progress needs strips of at least 2 validations, got {strip}")
    losses = _positive(training, "training", unknown=True)
    made = np.full(losses.size, np.nan)
    if losses.size >= strip:
        windows = np.lib.stride_tricks.sliding_window_view(losses, strip)
        made[strip - 1 :] = 1000.0 * (windows.mean(axis=1) / windows.min(axis=1) - 1.0)
    return np.where(np.abs(made) < FLAT, 0.0, made)


def progress_quotient(validation: Sequence[float], training: Sequence[float], *, strip: int = STRIP) -> Floats:
    """Return PQ(t) = GL(t) / P_k(t), shape [n]: what is lost for each unit of what training still gains.

    Where training no longer moves it is infinite, or 0 where nothing is lost either.

    Raises:
        ValueError: The two differ in length, or what `generalisation_loss` and `progress` raise.
    """
    lost, gained = generalisation_loss(validation), progress(training, strip=strip)
    if lost.size != gained.size:
        raise ValueError(f"need a training loss for each of {lost.size} validations, got {gained.size}")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((lost == 0) & ~np.isnan(gained), 0.0, lost / gained)


def rising_strips(validation: Sequence[float], *, strip: int = STRIP) -> Floats:
    """Return s of UP_s: for how many successive strips the validation loss has risen from end to end; shape [n].

    Args:
        validation: Loss of each validation, shape [n], of any sign.
        strip: Validations in a strip, at least 1.

    Raises:
        ValueError: A loss is not finite, or `strip` is below 1.
    """
    if strip < 1:
        raise ValueError(f"a strip has at least one validation, got {strip}")
    losses = _finite(validation, "validation")
    rises = np.zeros(losses.size)
    for t in range(strip, losses.size):
        rises[t] = rises[t - strip] + 1 if losses[t] > losses[t - strip] else 0
    return rises


class Course:
    """Losses of the validations of a run so far, and what the criteria say of the last one.

    A validation whose loss is not finite is left out.

    Args:
        strip: Validations in a strip.
    """

    def __init__(self, *, strip: int = STRIP) -> None:
        self.steps: list[int] = []
        self.validation: list[float] = []
        self.training: list[float] = []
        self._strip = strip

    @property
    def ends_strip(self) -> bool:
        """Whether the last validation is the last of a strip."""
        return bool(self.steps) and len(self.steps) % self._strip == 0

    def add(self, step: int, validation: float, training: float = math.nan) -> None:
        """Note a validation; it replaces one of the same step, but for a training loss that it does not know."""
        if not math.isfinite(validation):
            return
        if self.steps and self.steps[-1] == step:
            training = training if math.isfinite(training) else self.training[-1]
            del self.steps[-1], self.validation[-1], self.training[-1]
        self.steps.append(step)
        self.validation.append(validation)
        self.training.append(training if math.isfinite(training) else math.nan)

    def value(self, criterion: Criterion) -> float:
        """Return a criterion at the last validation: GL in per cent, PQ, or s of UP; NaN where it is not known yet.

        Raises:
            ValueError: A loss is not positive, so that a ratio means nothing.
        """
        if not self.steps:
            return math.nan
        if criterion == "gl":
            return float(generalisation_loss(self.validation)[-1])
        if criterion == "up":
            return float(rising_strips(self.validation, strip=self._strip)[-1])
        return float(progress_quotient(self.validation, self.training, strip=self._strip)[-1])

    def state(self) -> dict[str, Any]:
        """Return the losses in JSON-like types; None for a training loss that is not known."""
        training = [None if math.isnan(loss) else loss for loss in self.training]
        return {"steps": list(self.steps), "validation": list(self.validation), "training": training}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.steps = [int(step) for step in state.get("steps", ())]
        self.validation = [float(loss) for loss in state.get("validation", ())]
        self.training = [math.nan if loss is None else float(loss) for loss in state.get("training", ())]


def _positive(losses: Sequence[float], name: str, *, unknown: bool = False) -> Floats:
    values = np.asarray(losses, dtype=np.float64)
    known = values[~np.isnan(values)] if unknown else values
    _finite(known, name)
    if (known <= 0).any():
        worst = f"the {name} loss is {known.min():g}, not positive"
        raise ValueError(f"a ratio of losses means nothing where {worst}; UP needs no ratio")
    return values


def _finite(losses: Sequence[float] | Floats, name: str) -> Floats:
    values = np.asarray(losses, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"need finite {name} losses")
    return values
