"""Mean, spread and interval of the same number over several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import GroundwireError

CONFIDENCE = 0.95
INSTALL = 'intervals need scipy: pip install "groundwire[train]"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A number over several runs, in its unit.

    Attributes:
        n: Runs.
        mean: Their mean.
        deviation: Standard deviation, from n − 1; None for one run.
        least: Smallest value.
        greatest: Largest value.
        low: Lower end of the mean's interval; None where there is none.
        high: Upper end.
    """

    n: int
    mean: float
    deviation: float | None
    least: float
    greatest: float
    low: float | None = None
    high: float | None = None


def spread(values: Sequence[float], *, interval: bool = True, folds: int | None = None) -> Spread:
    """Return mean, standard deviation and Student's interval of the mean.

    Folds share training data, so that the variance of their mean is larger than s²/n: it is taken as
    s²·(1/n + n_test/n_train) with n_test/n_train = 1/(folds − 1) (Nadeau and Bengio 2003, Machine Learning 52).

    Args:
        values: Shape [n], n ≥ 1, finite.
        interval: Whether the values are repeats, of whose mean an interval says something. Values that are all the
            same have none either: they do not tell how much others would differ.
        folds: Folds of the data set, at least 2; None for independent runs.

    Raises:
        ValueError: There is no value.
        GroundwireError: An interval is wanted and scipy is missing.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise ValueError("a mean needs at least one value, got none")
    size = float(np.abs(x).max()) or 1.0  # the squares of large values would overflow
    mean = float(np.clip((x / size).mean() * size, x.min(), x.max()))
    deviation = _finite(float((x / size).std(ddof=1)) * size) if x.size > 1 else None
    low = high = None
    if interval and deviation and x.min() < x.max():
        half = half_width(x.size, folds) * deviation
        low, high = _finite(mean - half), _finite(mean + half)
    return Spread(
        n=x.size, mean=mean, deviation=deviation, least=float(x.min()), greatest=float(x.max()), low=low, high=high
    )


def half_width(n: int, folds: int | None = None) -> float:
    """Return half the width of the mean's interval, in standard deviations: 8.98 for two runs, 2.48 for three.

    Raises:
        GroundwireError: scipy is missing.
    """
    share = 0.0 if folds is None else 1 / (folds - 1)
    return quantile(n - 1) * math.sqrt(1 / n + share)


def why_no_quantile() -> str | None:
    """Return what to install for intervals, None where all is there."""
    try:
        quantile(1)
    except GroundwireError:
        return INSTALL
    return None


def quantile(freedom: int) -> float:
    """Return the quantile of Student's t that leaves half of 1 − confidence on each side.

    Raises:
        GroundwireError: scipy is missing.
    """
    try:
        from scipy.special import stdtrit
    except ImportError as error:
        raise GroundwireError(f"{INSTALL[:1].upper()}{INSTALL[1:]}.") from error
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
