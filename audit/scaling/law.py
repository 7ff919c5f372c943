"""The law L(N, D) = E + A / N^α + B / D^β, and its fit to runs.

Hoffmann et al. 2022, arXiv:2203.15556, approach 3: the Huber loss of the logarithm's residuals, minimised from a grid
of starts. Besiroglu et al. 2024, arXiv:2404.10102, found that the minimiser must not stop early, as it does where the
loss is a mean over points and not a sum; here the sum is divided by δ², so that its gradient is of order one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..errors import GroundwireError, UsageError
from .points import Floats, Points

DELTA = 1e-3  # of the Huber loss, in log loss: residuals beyond 0.1 % count by their size, not their square
EXPONENTS = np.arange(0.05, 2.0, 0.1)  # of the starts, for α and for β
POLISHED = 10  # starts, of 400, that are followed to their minimum
LEAST = 0.01  # of the loss, that each part of a start makes up: from less, no step of the minimiser would raise it
STEPS = 500  # of the minimiser; after fewer, an E that may be nothing is still on its way there
LARGEST = 700.0  # exp of more is infinite
PART = 1e-4  # of the loss that parameters or tokens must make up at least


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """One law, or one for each resample: every field is a number or of shape [draws].

    A and B are held as logarithms: those of a poorly known law are beyond any float.
    """

    log_e: Floats
    log_a: Floats
    log_b: Floats
    alpha: Floats
    beta: Floats

    @property
    def coefficients(self) -> dict[str, Floats]:
        """E, A, B, alpha and beta by name."""
        logs = {"E": self.log_e, "A": self.log_a, "B": self.log_b}
        return {name: np.exp(np.minimum(log, LARGEST)) for name, log in logs.items()} | {
            "alpha": self.alpha,
            "beta": self.beta,
        }

    def loss(self, parameters: Any, tokens: Any) -> Floats:
        """Return the loss that the law expects, in the shape that law, parameters and tokens have together."""
        return np.asarray(self.reducible(parameters, tokens) + np.exp(np.minimum(self.log_e, LARGEST)))

    def reducible(self, parameters: Any, tokens: Any) -> Floats:
        """Return the part of that loss above E, which size and data can lower."""
        logs = self.log_a - self.alpha * np.log(parameters), self.log_b - self.beta * np.log(tokens)
        return np.asarray(sum(np.exp(np.minimum(log, LARGEST)) for log in logs), dtype=np.float64)

    def column(self) -> Self:
        """Return the laws as a column, shape [draws, 1], to be met by sizes of shape [n]."""
        return type(self)(**{name: getattr(self, name)[..., None] for name in self.__slots__})

    def take(self, chosen: Any) -> Self:
        """Return the laws at some places."""
        return type(self)(**{name: getattr(self, name)[chosen] for name in self.__slots__})


class Objective:
    """The sum of Huber losses over points, each counted as often as its weight says; δ² is one.

    The coefficients θ = (a, b, e, α, β) are those of exp(a − αx) + exp(b − βy) + exp(e), where x and y are log
    parameters and log tokens less their means: a and α then hardly depend on each other.
    """

    def __init__(self, points: Points) -> None:
        log_n, log_d = np.log(points.parameters), np.log(points.tokens)
        self._mean_x, self._mean_y = log_n.mean(), log_d.mean()
        self._x, self._y, self._log_loss = log_n - self._mean_x, log_d - self._mean_y, np.log(points.loss)

    def __call__(self, theta: Floats, weights: Floats) -> tuple[float, Floats]:
        """Return the objective and its gradient, shape [5]."""
        a, b, e, alpha, beta = theta
        logs = np.stack([a - alpha * self._x, b - beta * self._y, np.full_like(self._x, e)])
        highest = logs.max(axis=0)
        shares = np.exp(logs - highest)
        total = shares.sum(axis=0)
        residual = highest + np.log(total) - self._log_loss
        slope = np.clip(residual, -DELTA, DELTA)
        value = (weights * slope * (residual - slope / 2)).sum()
        da, db, de = weights * slope * shares / total
        gradient = np.array([da.sum(), db.sum(), de.sum(), -(da @ self._x), -(db @ self._y)])
        return float(value) / DELTA**2, gradient / DELTA**2

    @cached_property
    def starts(self) -> list[Floats]:
        """The best of a grid of α and β, with A, B and E of the least relative squares in each."""
        grid = itertools.product(EXPONENTS, EXPONENTS)
        found = sorted((self._start(alpha, beta) for alpha, beta in grid), key=lambda start: start[0])
        return [theta for _, theta in found[:POLISHED]]

    def _start(self, alpha: float, beta: float) -> tuple[float, Floats]:
        from scipy.optimize import nnls

        parts = np.stack([np.exp(-alpha * self._x), np.exp(-beta * self._y), np.ones_like(self._x)], axis=1)
        amounts, misfit = nnls(parts / np.exp(self._log_loss)[:, None], np.ones_like(self._x))
        with np.errstate(divide="ignore"):  # an amount may be 0
            theta = np.array([*np.log(amounts), alpha, beta])
        return float(misfit), self.lifted(theta)

    def lifted(self, theta: Floats) -> Floats:
        """Return θ with no part so small that a minimiser would leave it where it is."""
        least = np.log(LEAST) + self._log_loss.mean()
        return np.concatenate([np.maximum(theta[:3], least), theta[3:]])

    def minimum(self, theta: Floats, weights: Floats) -> tuple[Floats, float]:
        """Return the coefficients at the minimum reached from θ, and the objective there, unscaled."""
        from scipy.optimize import minimize

        options = {"maxiter": STEPS}
        with np.errstate(all="ignore"):  # a poorly known law is tried far out
            found = minimize(self, theta, args=(weights,), jac=True, method="BFGS", options=options)
        return np.asarray(found.x, dtype=np.float64), float(found.fun) * DELTA**2

    def law(self, theta: Floats) -> Law:
        """Return the law with coefficients θ, of shape [5] or [5, draws]."""
        a, b, e, alpha, beta = theta
        log_a, log_b = a + alpha * self._mean_x, b + beta * self._mean_y
        return Law(log_e=e, log_a=log_a, log_b=log_b, alpha=alpha, beta=beta)


def best_fit(objective: Objective, n: int) -> tuple[Floats, float]:
    """Return the coefficients with the lowest objective over all starts, and that objective.

    Raises:
        GroundwireError: scipy is missing.
    """
    require_scipy()
    weights = np.ones(n)
    return min((objective.minimum(start, weights) for start in objective.starts), key=lambda found: found[1])


def require_falling(law: Law, points: Points) -> None:
    """Refuse a law in which parameters or tokens do nothing for the loss.

    Raises:
        UsageError: The loss does not fall with one of them.
    """
    for name, log, exponent, size in (
        ("parameters", law.log_a, law.alpha, points.parameters),
        ("tokens", law.log_b, law.beta, points.tokens),
    ):
        first, last = (float(log - exponent * np.log(end)) for end in (size.min(), size.max()))
        fall = np.exp(min(first, LARGEST)) - np.exp(min(last, LARGEST))
        if not (exponent > 0 and fall > PART * points.loss.min()):
            raise UsageError(f"In these runs the loss does not fall as {name} grow: no law of this form fits them.")


def require_scipy() -> None:
    """Raise GroundwireError where scipy is missing."""
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise GroundwireError('Fitting a law needs scipy: pip install "groundwire[train]".') from error
