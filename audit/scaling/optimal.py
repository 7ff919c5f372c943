"""The model and the tokens with the lowest loss that a budget of compute allows.

With C = 6·N·D the minimum of A / N^α + B / D^β has a closed form (Hoffmann et al. 2022, arXiv:2203.15556, eq. 4):
N = G·(C/6)^(β/(α+β)) and D = (C/6)^(α/(α+β)) / G, where G = (αA / βB)^(1/(α+β)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fit import Estimate, Fit
from .law import LARGEST, Law
from .points import FLOP_PER_TOKEN, Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """The best use of a budget.

    Attributes:
        flop: The budget (FLOP).
        times_largest: The budget over the largest of the runs: above 1 the law is carried beyond them.
        parameters: Of the best model.
        tokens: That it is trained on.
        tokens_per_parameter: Their ratio.
        loss: Expected of it (nats a token).
    """

    flop: float
    times_largest: float
    parameters: Estimate
    tokens: Estimate
    tokens_per_parameter: Estimate
    loss: Estimate


def optimal_sizes(law: Law, flop: float) -> tuple[Floats, Floats]:
    """Return the best parameters and tokens for a budget, NaN where an exponent is not positive."""
    log_pairs = np.log(flop / FLOP_PER_TOKEN)
    both = law.alpha + law.beta
    log_n = _log_g(law) + law.beta / both * log_pairs
    return _exp(log_n), _exp(log_pairs - log_n)


def parameters_for(law: Law, tokens: float) -> Floats:
    """Return the parameters for which a number of tokens is the best, G·(D·G)^(β/α)."""
    log_g = _log_g(law)
    return _exp(log_g + law.beta / law.alpha * (np.log(tokens) + log_g))


def compute_ratio(law: Law, parameters: float, tokens: float) -> Floats:
    """Return how many times the compute is spent that the best use of it takes for the same loss, at least 1.

    Along the best use the loss above E falls as C^(−αβ/(α+β)).
    """
    sizes = optimal_sizes(law, FLOP_PER_TOKEN * parameters * tokens)
    above = law.reducible(parameters, tokens) / law.reducible(*sizes)
    return np.asarray(above ** ((law.alpha + law.beta) / (law.alpha * law.beta)), dtype=np.float64)


def optimum(fit: Fit, flop: float) -> Optimum:
    """Return the best use of a budget, with the intervals that resampling gives."""
    with np.errstate(all="ignore"):  # a resample may have no optimum
        (n, d), (all_n, all_d) = optimal_sizes(fit.law, flop), optimal_sizes(fit.draws, flop)
        return Optimum(
            flop=flop,
            times_largest=flop / float(fit.points.flop.max()),
            parameters=Estimate.of(n, all_n),
            tokens=Estimate.of(d, all_d),
            tokens_per_parameter=Estimate.of(d / n, all_d / all_n),
            loss=Estimate.of(fit.law.loss(n, d), fit.draws.loss(all_n, all_d)),
        )


def _log_g(law: Law) -> Floats:
    with np.errstate(all="ignore"):
        ratio = np.log(law.alpha) + law.log_a - np.log(law.beta) - law.log_b
        return np.asarray(ratio / (law.alpha + law.beta), dtype=np.float64)


def _exp(log: Floats) -> Floats:
    return np.asarray(np.exp(np.clip(log, -LARGEST, LARGEST)), dtype=np.float64)
