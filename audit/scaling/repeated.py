"""What epochs are worth where text is short: tokens that are repeated count for less and less.

Muennighoff et al. 2023, arXiv:2305.16264: of U unique tokens, R times repeated, D' = U + U·R*·(1 − e^(−R/R*)) count
as new, and of parameters likewise, above those that suit U tokens. Their R* come from their own runs, of up to
9 billion parameters; here they are taken over, not fitted. The formula knows no overfitting: more epochs never harm.
Their large models saw no text more than 44 times, where one more epoch is worth 6 % of a first: beyond that, nothing
can be told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fit import Estimate, Fit
from .law import Law
from .optimal import optimal_sizes, parameters_for
from .points import FLOP_PER_TOKEN, Floats

R_STAR_TOKENS, R_STAR_PARAMETERS = 15.387756, 5.309743
EPOCHS = (1, 2, 4, 8, 16, 32, 64)
MOST_EPOCHS, PLACES = 1_000.0, 1_001  # that a budget's best use is looked for in, evenly in logarithm
TRIED_EPOCHS = 44  # of Muennighoff et al.'s models of 2.8 to 8.7 billion parameters
OUTSIDE = 1.01  # times the largest, or the smallest, size of the runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Epochs:
    """What training for some epochs gives.

    Attributes:
        epochs: Times that each token is seen.
        tokens: Seen in all.
        effective_tokens: New tokens that they are worth.
        next_worth: What one more repeated token is worth, of a new one.
        loss: Expected (nats a token).
        loss_if_new: Expected if no token were repeated.
        outside: Which of parameters and tokens lie outside those of the runs that the law was fitted to.
        cannot_tell: Whether the epochs are more than were tried.
    """

    epochs: float
    tokens: float
    effective_tokens: float
    next_worth: float
    loss: Estimate
    loss_if_new: float
    outside: tuple[str, ...]
    cannot_tell: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Constrained:
    """The best use of a budget with few unique tokens; see `optimal.Optimum` and `Epochs`."""

    flop: float
    parameters: Estimate
    tokens: Estimate
    epochs: Estimate
    loss: Estimate
    outside: tuple[str, ...]
    cannot_tell: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeated:
    """What repeating a number of unique tokens gives.

    Attributes:
        unique_tokens: All there are.
        parameters: Of the model that suits them, for which `epochs` is told.
        epochs: What epochs of it give.
        optimal: The best use of each budget.
    """

    unique_tokens: float
    r_star_tokens: float
    r_star_parameters: float
    parameters: float
    epochs: tuple[Epochs, ...]
    optimal: tuple[Constrained, ...]


def effective(amount: Floats | float, unique: Floats | float, r_star: float) -> Floats:
    """Return how many new ones `amount` is worth, of which `unique` are different; all, when there are no more."""
    repeats = np.maximum(np.asarray(amount) / unique - 1, 0)
    return np.asarray(np.minimum(amount, unique) + unique * r_star * -np.expm1(-repeats / r_star), dtype=np.float64)


def constrained_loss(law: Law, parameters: Floats | float, tokens: Floats | float, unique_tokens: float) -> Floats:
    """Return the loss that the law expects of repeated tokens."""
    suited = parameters_for(law, unique_tokens)
    return law.loss(effective(parameters, suited, R_STAR_PARAMETERS), effective(tokens, unique_tokens, R_STAR_TOKENS))


def repeated(fit: Fit, unique_tokens: float, budgets: list[float]) -> Repeated:
    """Return what repeating `unique_tokens` gives, and the best use of each budget (FLOP)."""
    with np.errstate(all="ignore"):  # a resample may have no optimum
        size = float(parameters_for(fit.law, unique_tokens))
        return Repeated(
            unique_tokens=unique_tokens,
            r_star_tokens=R_STAR_TOKENS,
            r_star_parameters=R_STAR_PARAMETERS,
            parameters=size,
            epochs=tuple(_epochs(fit, size, unique_tokens, number) for number in EPOCHS),
            optimal=tuple(_constrained(fit, unique_tokens, flop) for flop in budgets),
        )


def _epochs(fit: Fit, parameters: float, unique: float, number: int) -> Epochs:
    tokens = unique * number
    losses = (constrained_loss(law, parameters, tokens, unique) for law in (fit.law, fit.draws))
    return Epochs(
        epochs=number,
        tokens=tokens,
        effective_tokens=float(effective(tokens, unique, R_STAR_TOKENS)),
        next_worth=float(np.exp(-(number - 1) / R_STAR_TOKENS)),
        loss=Estimate.of(*losses),
        loss_if_new=float(fit.law.loss(parameters, tokens)),
        outside=_outside(fit, parameters, tokens),
        cannot_tell=number > TRIED_EPOCHS,
    )


def _constrained(fit: Fit, unique: float, flop: float) -> Constrained:
    found, drawn = best_sizes(fit.law, flop, unique), best_sizes(fit.draws, flop, unique)
    return Constrained(
        flop=flop,
        parameters=Estimate.of(found[0], drawn[0]),
        tokens=Estimate.of(found[1], drawn[1]),
        epochs=Estimate.of(found[1] / unique, drawn[1] / unique),
        loss=Estimate.of(
            constrained_loss(fit.law, *found, unique), constrained_loss(fit.draws, *drawn, unique)
        ),
        outside=_outside(fit, float(found[0]), float(found[1])),
        cannot_tell=not found[1] / unique <= TRIED_EPOCHS,
    )  # fmt: skip


def _outside(fit: Fit, parameters: float, tokens: float) -> tuple[str, ...]:
    """Return which sizes lie outside those of the runs."""
    sizes = {"parameters": (parameters, fit.points.parameters), "tokens": (tokens, fit.points.tokens)}
    return tuple(name for name, (size, of) in sizes.items() if not of.min() / OUTSIDE <= size <= of.max() * OUTSIDE)


def best_sizes(law: Law, flop: float, unique: float) -> tuple[Floats, Floats]:
    """Return the parameters and tokens with the lowest loss: without repeats, or else the best of many epochs."""
    free = optimal_sizes(law, flop)
    tokens = unique * np.geomspace(1.0, MOST_EPOCHS, PLACES)
    parameters = flop / FLOP_PER_TOKEN / tokens
    best = tokens[constrained_loss(law.column(), parameters, tokens, unique).argmin(axis=-1)]
    chosen = np.where(free[1] > unique, best, free[1])
    return np.asarray(flop / FLOP_PER_TOKEN / chosen, dtype=np.float64), np.asarray(chosen, dtype=np.float64)
