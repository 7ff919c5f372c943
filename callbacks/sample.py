"""Losses of one side, training or validation, and how surely their means differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..audit.statistics import welch_interval

Floats = npt.NDArray[np.float64]
Over = Literal["examples", "batches"]

RESAMPLES = 999
MOST = 256  # units drawn together: of more examples, random groups of equal size
FEWEST = 30  # examples on a side: of fewer skewed losses, draws say too little of the mean
METHODS: dict[Over, str] = {
    "examples": "bootstrap-t interval over examples",
    "batches": "Welch interval over batches",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Losses, or another value, of some batches.

    Attributes:
        losses: Mean of each batch, shape [n].
        sizes: Examples in each batch, shape [n].
        examples: Loss of each example of all batches, shape [Σ sizes]; empty where they are not known.
        key: Name under which the loss was logged, empty where it was returned.
    """

    losses: Sequence[float]
    sizes: Sequence[int]
    examples: Sequence[float] = field(default=(), repr=False)
    key: str = ""

    @property
    def mean(self) -> float:
        """Mean over examples."""
        total = sum(loss * size for loss, size in zip(self.losses, self.sizes, strict=True))
        return total / sum(self.sizes) if self.losses else math.nan


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How far the difference of two means may lie off the true one.

    Attributes:
        half: Half of the 95 % interval, None where there is none.
        over: What counts as independent.
        train: How many of them on the training side.
        val: How many on the validation side.
    """

    half: float | None
    over: Over
    train: int
    val: int


def spread(train: Sample, val: Sample) -> Spread:
    """Return the spread of the difference: over examples where both sides know at least 30, else over batches."""
    if min(len(train.examples), len(val.examples)) >= FEWEST:
        half = bootstrap_half_width(train.examples, val.examples)
        if half is not None:
            return Spread(half=half, over="examples", train=len(train.examples), val=len(val.examples))
    half = _welch_half_width(train, val)
    return Spread(half=half, over="batches", train=len(train.losses), val=len(val.losses))


def bootstrap_half_width(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> float | None:
    """Return half of the symmetric bootstrap-t interval of mean(second) − mean(first), independent samples.

    Hall 1988, Journal of the Royal Statistical Society B 50. Drawn with a seed of its own: the same losses give the
    same interval, and no other random numbers are touched. Of more than 256 examples, random groups of equal size
    are drawn together, which leaves the variance of the mean as it is.

    Args:
        first: Shape [n].
        second: Shape [m].
        confidence: Between 0 and 1.

    Returns:
        None where there are fewer than two values, one is not finite, or too many draws have no spread.
    """
    x, y = (np.asarray(sample, dtype=np.float64) for sample in (first, second))
    if min(x.size, y.size) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    rng = np.random.default_rng(0)
    off, variance, error = 0.0, 0.0, 0.0
    for sign, sample in ((-1.0, _grouped(x, rng)), (1.0, _grouped(y, rng))):
        drawn = sample[rng.integers(0, sample.size, size=(RESAMPLES, sample.size))]
        off = off + sign * (drawn.mean(axis=1) - sample.mean())
        variance = variance + drawn.var(axis=1, ddof=1) / sample.size
        error += float(sample.var(ddof=1)) / sample.size
    if error == 0:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.sort(np.nan_to_num(np.abs(off) / np.sqrt(variance), nan=0.0, posinf=np.inf))
    half = float(t[math.ceil(confidence * (RESAMPLES + 1)) - 1]) * math.sqrt(error)
    return half if math.isfinite(half) else None


def _grouped(sample: Floats, rng: np.random.Generator) -> Floats:
    """Return means of random groups of equal size, at most `MOST`; what does not fill a group is left out."""
    size = math.ceil(sample.size / MOST)
    if size == 1:
        return sample
    number = sample.size // size
    return np.asarray(rng.permutation(sample)[: number * size].reshape(number, size).mean(axis=1), dtype=np.float64)


def _welch_half_width(train: Sample, val: Sample) -> float | None:
    try:
        low, high = welch_interval(train.losses, val.losses, first_weights=train.sizes, second_weights=val.sizes)
    except ValueError:
        return None
    return (high - low) / 2
