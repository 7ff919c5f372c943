"""Where a run stands against a law: what was expected of it, and what its compute could have reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .fit import Estimate, Fit, unseen
from .optimal import Optimum, compute_ratio, optimum
from .points import Floats, Point

NOISES = 50  # errors that each resample's expectation meets


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A run against a law.

    Attributes:
        run: Its name.
        parameters: Of its model.
        tokens: That it was trained on.
        loss: That it reached (nats a token).
        predicted: What the law expects, with a 95 % interval for one run. Of a run that the law was fitted to, the
            resamples without it say it.
        stands: Whether the loss lies above the interval (worse than expected), within, or below.
        times_compute: Compute spent over what the best use takes for the same expected loss.
        optimal: The best use of its compute.
    """

    run: str
    parameters: float
    tokens: float
    loss: float
    predicted: Estimate
    stands: Literal["above", "within", "below"]
    times_compute: Estimate
    optimal: Optimum


def standing(fit: Fit, point: Point, *, place: int | None = None, seed: int = 0) -> Standing:
    """Return where a run stands.

    Args:
        fit: The law.
        point: The run.
        place: Its place among the runs that the law was fitted to; None where it is none of them.
        seed: Of the noise that is drawn.
    """
    predicted = _predicted(fit, point, place, np.random.default_rng(seed))
    with np.errstate(all="ignore"):  # a resample may have no optimum
        ratios = (compute_ratio(law, point.parameters, point.tokens) for law in (fit.law, fit.draws))
        times = Estimate.of(*ratios)
    return Standing(
        run=point.name,
        parameters=point.parameters,
        tokens=point.tokens,
        loss=point.loss,
        predicted=predicted,
        stands=_side(point.loss, predicted),
        times_compute=times,
        optimal=optimum(fit, point.flop),
    )


def _predicted(fit: Fit, point: Point, place: int | None, rng: np.random.Generator) -> Estimate:
    """Return the loss expected of one run: the law's resamples, each with the error of a run that it had not seen."""
    laws = fit.draws if place is None else fit.draws.take(unseen(fit.counts, place))
    expected: Floats = laws.loss(point.parameters, point.tokens)
    value = fit.law.loss(point.parameters, point.tokens) if place is None else np.median(expected)
    errors = fit.errors if place is None else np.delete(fit.errors, place)
    noise = rng.choice(errors, size=(len(expected), NOISES))
    return Estimate.of(float(value), (expected[:, None] * np.exp(noise)).ravel())


def _side(loss: float, predicted: Estimate) -> Literal["above", "within", "below"]:
    if predicted.high is not None and loss > predicted.high:
        return "above"
    return "below" if predicted.low is not None and loss < predicted.low else "within"
