"""The run's own learning curve carried on: what more steps would give, and what the next per cent costs.

While the learning rate stays as it is after the warm-up, L(t) = L∞ + a·t^−b. Where it has come down, the law of
Tissue et al. 2024, Scaling Law with Learning Rate Annealing (arXiv:2408.11029): L = L0 + A·S1^−α − C·S2, where S1 is
the sum of the rates so far and S2 the annealing area: the decreases of the rate, each counted at every later step
with a weight that fades as λ^k, λ = 0.999. A forecast then is for the same schedule stretched to more steps. How they
are fitted stands in `curvefit.py`.

No real curve is a power law from its first step on, and not every one becomes one. So three laws are fitted: the
power law, one whose time began as long before the run as the run has lasted, and, where the learning rate stays, an
exponential. Each is fitted three times where there are points enough, to what came after a twentieth, a quarter and a
half of the run. Of each part the laws are kept that explain it nearly as well as the best of them, and the draws are
put together: where the fits differ, the interval holds all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .beststep import FEWEST as ENOUGH
from .beststep import risen
from .curvefit import MOST, fit, share_of
from .formats import percent
from .schedule_area import Schedule

Floats = NDArray[np.float64]

FEWEST = 5  # points
STARTS = (0.05, 0.25, 0.5)  # of the run: what came before is left out, for it may follow no power law yet
LATE = 8  # points that a fit of a later part takes
WIDEST = 0.20  # of the forecast loss, that either end of its interval may be away
REACH = 2.0  # times the steps so far: no forecast goes further
CONFIDENCE = 0.95
AS_LIKELY = 2.0  # log-likelihood that a law may lie below the best: of one parameter, the 95 % interval of its ratio
DRAWS = 12_000  # of all fits together, at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """L∞ + a·u^−b, where u is a function of the time in units of the run so far; or S1 in the place of the time.

    Attributes:
        constant: The law in words where the rate is constant; T is the steps so far.
        annealed: Where the rate has come down, S is S1 so far; None where it then is not fitted.
        time: Returns u, positive and ascending.
    """

    constant: str
    annealed: str | None
    time: Callable[[Floats], Floats]


LAWS = (
    Law(constant="power law L∞ + a·t^−b", annealed="annealing law L0 + A·S1^−α − C·S2", time=lambda x: x),
    Law(
        constant="shifted power law L∞ + a·(t + T)^−b",
        annealed="shifted annealing law L0 + A·(S1 + S)^−α − C·S2",
        time=lambda x: x + 1,
    ),
    Law(constant="exponential L∞ + a·e^(−b·t/T)", annealed=None, time=np.exp),
)


class RefusedError(Exception):
    """Says why no forecast is made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Learning curves that the losses so far allow, as draws.

    Attributes:
        schedule: The learning rate so far.
        end: Step of the last point.
        points: How many points were fitted.
        kind: Place of a draw's law in `LAWS`, shape [draws].
        first: S1 at the first point that a draw was fitted to, shape [draws].
        last: S1 at the last point.
        alpha: Exponents, shape [draws].
        ends: Losses at the first and at the last point, shape [draws, 2].
        annealing: The coefficient C, shape [draws]; zeros where the rate is constant.
        sigma: Standard deviation of a single loss, shape [draws].
    """

    schedule: Schedule
    end: int
    points: int
    kind: NDArray[np.int64]
    first: Floats
    last: float
    alpha: Floats
    ends: Floats
    annealing: Floats
    sigma: Floats

    @property
    def law(self) -> str:
        """The laws in words."""
        laws = [LAWS[place] for place in np.unique(self.kind)]
        return " or ".join((self.schedule.decays and law.annealed) or law.constant for law in laws)

    def curves(self, factors: Floats) -> Floats:
        """Return the losses without noise after `factors` times the steps so far; shape [draws, n].

        Factors up to 1 look back on this run, those above stretch its schedule.
        """
        s1, s2 = self.schedule.ahead(self.end, factors)
        share = np.empty((self.kind.size, s1.size))
        for place in np.unique(self.kind):
            rows, time = self.kind == place, LAWS[place].time
            first, last = time(self.first[rows] / self.last), float(time(np.ones(1))[0])
            share[rows] = share_of(time(s1 / self.last)[None, :], first[:, None], last, self.alpha[rows, None])
        curve = self.ends[:, :1] * (1 - share) + self.ends[:, 1:] * share
        return np.asarray(curve - self.annealing[:, None] * s2[None, :])

    def at(self, factor: float) -> Span:
        """Return the validation loss that would be seen after `factor` times the steps so far, noise included.

        Raises:
            RefusedError: Its interval is wider than ± 20 % of it.
        """
        (middle,), (low,), (high,) = self.band(np.array([factor]))
        return _narrow(Span(value=float(middle), low=float(low), high=float(high)))

    def band(self, factors: Floats) -> tuple[Floats, Floats, Floats]:
        """Return median, lower and upper end of the losses that would be seen, noise included; each of shape [n]."""
        curves = self.curves(factors)
        noise = self.sigma * np.random.default_rng(1).standard_normal(self.sigma.size)
        low, high = np.quantile(curves + noise[:, None], _TAILS, axis=0)
        return np.median(curves, axis=0), low, high

    def gain(self, factor: float) -> Span:
        """Return by how much the loss, without noise, is lower after `factor` times the steps so far."""
        now, then = self.curves(np.array([1.0, factor])).T
        low, middle, high = np.quantile(now - then, (_TAILS[0], 0.5, _TAILS[1]))
        return Span(value=float(middle), low=float(low), high=float(high))

    def next_percent(self) -> Span:
        """Return how many more steps lower the loss by one per cent, with an interval.

        Raises:
            RefusedError: It takes, or may take, more steps than a forecast reaches, or the loss there is refused.
        """
        self.at(REACH)
        more = np.concatenate(([0.0], np.geomspace(1e-4, REACH - 1, 80)))
        curves = self.curves(1 + more)
        if not (curves[:, 0] > 0).all():
            raise RefusedError("the loss is not positive: a per cent of it means nothing")
        found = _first_at(0.99, curves / curves[:, :1], more) * self.end
        low, middle, high = np.quantile(found, (_TAILS[0], 0.5, _TAILS[1]), method="inverted_cdf")
        if not np.isfinite(middle):
            raise RefusedError(f"one per cent less takes more than {self._further:,} more steps")
        if not np.isfinite(high):
            raise RefusedError(f"one per cent less takes from {low:,.0f} to more than {self._further:,} more steps")
        return Span(value=float(middle), low=float(low), high=float(high))

    @property
    def _further(self) -> int:
        return round((REACH - 1) * self.end)


_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


def _first_at(level: float, curves: Floats, place: Floats) -> Floats:
    """Return where falling curves, shape [draws, n] over `place`, first come to a level; infinity where never."""
    reached = curves <= level
    after = np.maximum(reached.argmax(axis=1), 1)
    row = np.arange(len(curves))
    high, low = curves[row, after - 1], curves[row, after]
    between = (high - level) / np.where(high > low, high - low, 1.0)
    found = place[after - 1] + between * (place[after] - place[after - 1])
    return np.where(reached.any(axis=1), found, np.inf)


def _narrow(found: Span) -> Span:
    half = max(found.high - found.value, found.value - found.low)
    if not half <= WIDEST * abs(found.value):
        wide = half / abs(found.value) if found.value else np.inf
        raise RefusedError(
            f"the interval is ± {percent(wide)} wide, more than ± {percent(WIDEST)} of the forecast loss"
        )
    return found


def forecast(step: NDArray[np.int64], loss: Floats, schedule: Schedule) -> Forecast:
    """Fit the learning curve of a run.

    Args:
        step: Steps of the losses, ascending, shape [n].
        loss: Shape [n]; what is not finite is left out, unless it is the last.
        schedule: The learning rate over steps.

    Raises:
        RefusedError: Fewer than five points after the warm-up, no finite loss at the end, or a curve that no falling
            law describes, as one that has risen again.
    """
    if step.size and not np.isfinite(loss[-1]):
        raise RefusedError(f"the last loss, at step {int(step[-1]):,}, is not finite")
    kept = np.isfinite(loss) & (step > schedule.warm_up)
    if kept.sum() < FEWEST + schedule.decays:
        raise RefusedError(f"{int(kept.sum())} points after the warm-up, it takes {FEWEST + schedule.decays}")
    if kept.sum() >= ENOUGH and risen(loss[kept]):
        raise RefusedError("the loss has risen since its lowest, and no learning curve does")
    step, loss = step[kept].astype(np.float64), loss[kept].astype(np.float64)
    parts = [step >= start * step[-1] for start in STARTS]
    parts = [parts[0] if parts[0].sum() >= LATE else step > 0, *(part for part in parts[1:] if part.sum() >= LATE)]
    return _joined([one for part in parts for one in _part(step[part], loss[part], schedule)])


def _part(step: Floats, loss: Floats, schedule: Schedule) -> list[Forecast]:
    """Return the forecasts that a part of the run allows, one for each law that explains it nearly as well as any."""
    s1, s2 = schedule.areas(step)
    area = s2 if schedule.decays else None
    fits = [
        (place, fit(loss, step, law.time(s1 / s1[-1]), area))
        for place, law in enumerate(LAWS)
        if law.annealed or not schedule.decays
    ]
    found = [(place, one) for place, one in fits if one is not None]
    if not found:
        raise RefusedError("the loss does not fall as a learning curve does")
    worse = min(step.size, MOST) * np.log([float(np.median(one.sigma)) for _, one in found])
    return [
        Forecast(
            schedule=schedule,
            end=int(step[-1]),
            points=step.size,
            kind=np.full(one.alpha.size, place),
            first=np.full(one.alpha.size, s1[0]),
            last=float(s1[-1]),
            alpha=one.alpha,
            ends=one.ends,
            annealing=one.annealing,
            sigma=one.sigma,
        )
        for (place, one), away in zip(found, worse - worse.min(), strict=True)
        if away <= AS_LIKELY
    ]


def _joined(found: list[Forecast]) -> Forecast:
    """Return the draws of several fits as one: where they differ, the interval holds all of them."""
    names = ("kind", "first", "alpha", "ends", "annealing", "sigma")
    least = min(DRAWS // len(found), *(one.alpha.size for one in found))
    draws: dict[str, Any] = {name: np.concatenate([getattr(one, name)[:least] for one in found]) for name in names}
    return replace(found[0], **draws)
