"""The fit of a learning curve L = L0 + A·S1^−α − C·S2, with what the losses leave open of it, as draws.

Both laws are linear but for the exponent. For each exponent and each autocorrelation of the noise on a grid, the rest
is generalised least squares; each pair weighs as much as the losses make it likely (a Bayesian posterior with flat
priors on the losses at the first and the last point, 1/σ, and a geometric grid of exponents). Intervals are quantiles
of draws from it, so that an unknown exponent and noise that wavers slowly widen them. Curves that would rise, or fall
below zero where a loss cannot, are left out of the draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST = 150  # points that are fitted: of more, evenly chosen ones
LEAST_EXPONENT, MOST_EXPONENT, EXPONENTS = 0.05, 3.0, 32  # the grid, which is refined where the weight lies
PASSES = 6
LIGHT = 1e-5  # of the weight of the likeliest exponent: what is below is left out of a finer grid
CORRELATIONS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
DRAWS, FEWEST_DRAWS = 4000, 400
SINGLE = 1e-6  # how exact a recorded loss is, relative: it is a float32


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """Curves that the losses allow.

    Attributes:
        alpha: Exponents, shape [draws].
        ends: Losses at the first and at the last point, shape [draws, 2].
        annealing: The coefficient C, shape [draws]; zeros where there is no S2.
        sigma: Standard deviation of a single loss, shape [draws].
    """

    alpha: Floats
    ends: Floats
    annealing: Floats
    sigma: Floats


def fit(loss: Floats, time: Floats, s1: Floats, s2: Floats | None) -> Draws | None:
    """Return up to four thousand draws; None where nearly all would rise, or fall below zero where a loss cannot.

    Args:
        loss: Finite, at least four more than the law has linear coefficients, shape [n].
        time: Ascending, in any unit: how far apart losses are says how alike their noise is; shape [n].
        s1: Ascending and positive, shape [n].
        s2: Annealing area, shape [n]; None for the law without it.
    """
    if loss.size > MOST:
        chosen = np.linspace(0, loss.size - 1, MOST).round().astype(np.int64)
        loss, time, s1, s2 = loss[chosen], time[chosen], s1[chosen], None if s2 is None else s2[chosen]
    between = np.diff(time)
    points = _Points(loss=loss, s1=s1, s2=s2, distance=between / np.median(between))
    alpha, coefficients, sigma = points.draws(points.grid())
    kept = points.allowed(coefficients, alpha)
    if kept.sum() < FEWEST_DRAWS:
        return None
    annealing = np.zeros(DRAWS) if s2 is None else coefficients[:, 2] / points.area
    return Draws(alpha=alpha[kept], ends=coefficients[kept, :2], annealing=annealing[kept], sigma=sigma[kept])


def share_of(s1: Floats, first: Floats | float, last: float, alpha: Floats) -> Floats:
    """Return how far a power law has come from its value at `first` (0) to that at `last` (1)."""
    with np.errstate(divide="ignore"):
        ends = (first / last) ** alpha
        return np.asarray((1 - (first / s1) ** alpha) / (1 - ends))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Solved:
    """Fits by autocorrelation (r) and exponent (k) of p coefficients.

    Attributes:
        exponents: Shape [k].
        chances: How likely each pair is, the likeliest 1, shape [r, k].
        beta: Coefficients, shape [r, k, p].
        triangle: R of the QR decomposition, shape [r, k, p, p].
        rest: Sums of squares, shape [r, k].
    """

    exponents: Floats
    chances: Floats
    beta: Floats
    triangle: Floats
    rest: Floats


@dataclass(frozen=True, kw_only=True)
class _Points:
    """What is fitted: losses, S1, S2 or None, and distances in time (1 is the median); of shape [n] and [n − 1]."""

    loss: Floats
    s1: Floats
    s2: Floats | None
    distance: Floats

    @property
    def area(self) -> float:
        """The largest annealing area, so that all columns are of like size."""
        return 1.0 if self.s2 is None else float(np.abs(self.s2).max()) or 1.0

    def _design(self, exponents: Floats) -> Floats:
        """Return columns by exponent, shape [exponents, n, 2 or 3]."""
        share = share_of(self.s1[None, :], float(self.s1[0]), float(self.s1[-1]), exponents[:, None])
        columns = [1 - share, share]
        if self.s2 is not None:
            columns.append(np.broadcast_to(-self.s2 / self.area, share.shape))
        return np.stack(columns, axis=2)

    def grid(self) -> _Solved:
        """Return all fits on a grid of exponents that is fine where their weight lies."""
        low, high = LEAST_EXPONENT, MOST_EXPONENT
        for _ in range(PASSES):
            exponents = np.geomspace(low, high, EXPONENTS)
            found = self._solve(exponents)
            weight = found.chances.sum(axis=0)
            heavy = np.flatnonzero(weight > LIGHT * weight.max())
            first, last = max(0, int(heavy[0]) - 1), min(EXPONENTS - 1, int(heavy[-1]) + 1)
            if last - first > EXPONENTS // 2:
                break
            low, high = float(exponents[first]), float(exponents[last])
        return found

    def draws(self, found: _Solved) -> tuple[Floats, Floats, Floats]:
        """Return exponents, coefficients and standard deviations, drawn from the posterior."""
        rng = np.random.default_rng(0)
        chances = found.chances.ravel()
        place = np.unravel_index(rng.choice(chances.size, size=DRAWS, p=chances / chances.sum()), found.chances.shape)
        columns = found.beta.shape[-1]
        sigma = np.sqrt(found.rest[place] / rng.chisquare(self.loss.size - columns, DRAWS))
        away = np.linalg.solve(found.triangle[place], rng.standard_normal((DRAWS, columns, 1)))[..., 0]
        return found.exponents[place[1]], found.beta[place] + sigma[:, None] * away, sigma

    def _solve(self, exponents: Floats) -> _Solved:
        """Fit the coefficients for each autocorrelation and exponent by generalised least squares."""
        rho = CORRELATIONS[:, None]
        near = rho**self.distance  # correlation with the loss before, [correlations, n − 1]
        width = np.sqrt(1 - near**2)
        design = self._design(exponents)
        white = np.repeat(design[None], CORRELATIONS.size, axis=0)
        white[:, :, 1:] -= near[:, None, :, None] * design[None, :, :-1]
        white[:, :, 1:] /= width[:, None, :, None]
        target = np.repeat(self.loss[None], CORRELATIONS.size, axis=0)
        target[:, 1:] = (self.loss[1:] - near * self.loss[:-1]) / width
        q, triangle = np.linalg.qr(white)
        beta = np.linalg.solve(triangle, np.einsum("rknp,rn->rkp", q, target)[..., None])[..., 0]
        rest = ((target[:, None] - np.einsum("rknp,rkp->rkn", white, beta)) ** 2).sum(axis=2)
        scale = float(np.abs(self.loss).max()) or 1.0
        rest = np.maximum(rest, target.shape[1] * (SINGLE * scale) ** 2)
        volume = np.log(np.abs(np.diagonal(triangle, axis1=2, axis2=3))).sum(axis=2)
        free = target.shape[1] - design.shape[2]
        weight = -np.log(width).sum(axis=1)[:, None] - volume - free / 2 * np.log(rest)
        return _Solved(
            exponents=exponents, chances=np.exp(weight - weight.max()), beta=beta, triangle=triangle, rest=rest
        )

    def allowed(self, coefficients: Floats, alpha: Floats) -> NDArray[np.bool_]:
        """Return which draws fall with time and with annealing, and not below zero where no loss is."""
        first, last = coefficients[:, 0], coefficients[:, 1]
        kept = first >= last
        if self.s2 is not None:
            kept &= coefficients[:, 2] >= 0
        if (self.loss > 0).all():
            far = 1 / (1 - (self.s1[0] / self.s1[-1]) ** alpha)
            kept &= first * (1 - far) + last * far >= 0
        return kept
