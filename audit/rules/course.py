"""Faults in the course of the training loss, and in the schedule that steers it."""

from __future__ import annotations

import numpy as np

from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case, Floats, nice, smooth, spread
from .declaration import CannotTellError, Fault, rule
from .evidence import at, clip, lower_rate

WIDTH = 20  # steps over which a loss is smoothed
LONG = 60  # steps for which a loss has to stay high
CHANCE = 3.5  # standard errors that the largest autocorrelation of pure noise may reach
BUILT, LONGER = 30, 3.0  # steps in which a divergence builds up; times that some gradient is longer then
JUMP = 3.0  # times that a learning rate rises from one step to the next when nobody warms it up
LAGS = 25  # the longest half of a period, in steps


def _smoothed(case: Case) -> tuple[np.ndarray, Floats]:
    """Return steps and smoothed training loss.

    Raises:
        CannotTellError: The run is too short, or several optimizers share it.
    """
    loss = case.one_loss()
    finite = np.isfinite(loss.value)
    if finite.sum() < LONG + 2 * WIDTH:
        raise CannotTellError(f"{int(finite.sum())} of {LONG + 2 * WIDTH} steps with a finite loss")
    return loss.step[finite][WIDTH - 1 :], smooth(loss.value[finite], WIDTH)


def _without_jump(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend the rate that takes back a sudden rise of the learning rate before the loss rose."""
    rate, series = case.number("optimizer.lr"), next(case.by_optimizer("optimizer.lr"), None)
    if rate is None or series is None or fault.step is None:
        return None
    seen = (series.step <= fault.step + LONG) & (series.value > 0)
    value, step = series.value[seen], series.step[seen]
    rise = value[1:] / value[:-1]
    if not rise.size or rise.max() < JUMP:
        return None
    place = int(rise.argmax())
    lower = nice(rate / float(rise[place]))
    return Mitigation(
        text=f"The learning rate rose from {value[place]:.2g} to {value[place + 1]:.2g} at step {step[place + 1]:,}:"
        f" take that out; or, where it has to rise so far, begin at {lower:g} instead of {rate:g}.",
        settings={"optimizer.lr": lower},
        gain="the rate never exceeds the one with which the loss fell",
        cost="the loss falls more slowly before the rise",
        source="the run's own learning rate",
    )


@rule(
    code="OPT010",
    severity=Severity.HIGH,
    live=True,
    needs=("train.loss",),
    threshold=0.15,
    unit="share of what was gained",
    follows_from=(
        "sign-flip",
        "wrong-loss",
        "non-finite",
        "missing-zero-grad",
        "unscaled-input",
        "bad-init-scale",
        "exploding-gradient",
        "bad-optimizer-epsilon",
    ),
    remedies=(_without_jump, lower_rate, clip),
)
def divergence(case: Case, threshold: float) -> Fault | None:
    """Flags training losses that rise far above what they had reached, and stay there.

    What it detects:
        For 60 steps in a row the loss, smoothed over 20 steps, has lost more than `threshold` of what it had
        gained since the start, a tenth of its lowest value, and six standard errors of its noise; and a gradient norm
        around then is three times the median of the steps before, where those are recorded.

    Why it matters:
        What was learned is lost, and the rest of the run is spent in a worse place.

    Example:
        A learning rate that is raised a hundredfold by mistake.

    Known limits:
        A curriculum that turns to much harder examples looks the same. Games between optimizers are not judged. A
        loss that means something else as the run goes, with annealed weights, rewards or targets that grow, rises
        while its gradients stay as they are: it stays unflagged.

    References:
        Chowdhery et al. 2022, PaLM, section 5.1.
    """
    step, loss = _smoothed(case)
    best = np.minimum.accumulate(loss)
    gained = loss[0] - best
    noise = 6 * spread(np.diff(case.one_loss().value)) / np.sqrt(2 * WIDTH)
    high = loss - best > np.maximum(np.maximum(threshold * gained, 0.1 * np.abs(best)), noise)
    long = np.flatnonzero(np.convolve(high, np.ones(LONG), mode="valid") >= LONG)
    if not long.size:
        return None
    began = int(long[0])
    if _gradients_stay(case, int(step[began])):
        return None
    worst = began + int(loss[began : began + LONG].argmax())
    limit = float(best[began] + threshold * gained[began])
    return Fault(
        summary=f"The loss rose from {best[began]:.3g} to {loss[worst]:.3g} by step {step[worst]:,} and stayed high.",
        evidence=(
            Evidence(summary=f"smoothed loss at step {step[worst]:,}", step=int(step[worst]), series="train.loss",
                     value=float(loss[worst]), limit=limit, unit="loss"),
        ),
        step=int(step[began]),
    )  # fmt: skip


def _gradients_stay(case: Case, step: int) -> bool:
    """Return whether gradients around `step` are about as long as before it: the loss was changed, not the model."""
    norm = case.series("gradient.norm")
    began = max(step - BUILT, step // 2)
    before = norm.value[(norm.step < began) & (norm.step >= began - LONG)]
    around = norm.value[(norm.step >= began) & (norm.step < step + LONG)]
    if before.size < WIDTH // 2 or not np.isfinite(np.append(before, around)).all():
        return False
    return float(around.max()) < LONGER * float(np.median(before))


def _shuffle(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Shuffle the training data (DataLoader(shuffle=True)) if it comes sorted or in blocks.",
        settings={"data.shuffle": True},
        gain="each batch looks like the whole",
        cost="none",
        source="Bottou 2012, Stochastic Gradient Descent Tricks",
    )


def _less_momentum(case: Case, fault: Fault) -> Mitigation | None:
    momentum = case.number("optimizer.momentum")
    if momentum is None or momentum <= 0.9:
        return None
    return Mitigation(
        text=f"Lower the momentum from {momentum:g} to 0.9: it remembers {1 / (1 - momentum):.0f} steps now.",
        settings={"optimizer.momentum": 0.9},
        gain="the step follows the slope and not the past",
        cost="none",
        source="Sutskever et al. 2013, On the importance of initialization and momentum in deep learning",
    )


@rule(
    code="OPT011",
    severity=Severity.MEDIUM,
    needs=("train.loss",),
    threshold=0.2,
    unit="autocorrelation",
    follows_from=("non-finite", "updates-too-large", "divergence", "missing-zero-grad", "scheduler-mistake",
                  "unscaled-input", "bad-init-scale", "exploding-gradient", "saturated-units", "dead-units"),
    remedies=(_less_momentum, _shuffle, lower_rate),
)  # fmt: skip
def oscillation(case: Case, threshold: float) -> Fault | None:
    """Flags training losses that swing up and down with a period.

    What it detects:
        What a moving mean over 51 steps leaves of the logarithm of the loss has, at some lag of up to 25 steps, an
        autocorrelation below −`threshold` and, at twice that lag, one above `threshold`; and the swings are wider
        than a twentieth of the first loss. Runs of 500 steps and more are also looked at in means of 5 steps.

    Why it matters:
        The steps jump from one wall of the valley to the other, or each undoes what the one before has learned.

    Example:
        SGD with a momentum of 0.99; data that come sorted by class.

    Known limits:
        Periods of more than 250 steps are not seen. A loss that is nearly zero may swing as it likes.

    References:
        Goh 2017, Why Momentum Really Works; Box, Jenkins 1970, Time Series Analysis, chapter 2.
    """
    loss = case.one_loss()
    value = loss.value[np.isfinite(loss.value) & (loss.value > 0)]
    if value.size < LONG:
        raise CannotTellError(f"{value.size} of {LONG} steps with a positive, finite loss")
    scales = [1, 5] if value.size >= 500 else [1]
    found = [(*_period(_means(value, scale), value[0]), scale) for scale in scales]
    score, lag, scale = max(found)
    if score <= threshold:
        return None
    return Fault(
        summary=f"The loss swings with a period of about {2 * lag * scale} steps (autocorrelation {-score:.2f} and"
        f" back).",
        evidence=(
            Evidence(summary=f"weaker of the autocorrelations at {lag * scale} and {2 * lag * scale} steps",
                     series=loss.name, value=score, limit=threshold, unit="autocorrelation"),
        ),
        confidence=Confidence.MEDIUM,
        step=1,
    )  # fmt: skip


def _means(value: Floats, scale: int) -> Floats:
    return np.asarray(value[: value.size // scale * scale].reshape(-1, scale).mean(axis=1))


def _period(value: Floats, first: float) -> tuple[float, int]:
    """Return how surely a series has a period, and half of that period; 0 where it hardly moves."""
    rest = _without_trend(np.log(value))
    if spread(_without_trend(value)) < 0.05 * first:
        return 0.0, 1
    limit = 3 * spread(rest)
    rest = np.clip(rest, -limit, limit)
    rest = rest - rest.mean()
    power = float((rest * rest).mean())
    if power <= 0:
        return 0.0, 1
    at_lag = [float((rest[lag:] * rest[: rest.size - lag]).mean()) / power for lag in range(2 * LAGS + 1)]
    score, lag = max((min(-at_lag[lag], at_lag[2 * lag]), lag) for lag in range(1, LAGS + 1))
    return (score, lag) if score > CHANCE / np.sqrt(rest.size) else (0.0, lag)


def _without_trend(value: Floats) -> Floats:
    """Return what a moving mean leaves, without the first tenth, in which a run finds its feet."""
    window = np.ones(2 * LAGS + 1)
    trend = np.convolve(value, window, mode="same") / np.convolve(np.ones(value.size), window, mode="same")
    return np.asarray((value - trend)[value.size // 10 :])


def _fix_schedule(case: Case, fault: Fault) -> Mitigation:
    facts = (case.events("optimizer.facts") or [{}])[0]
    told = ", ".join(f"{s['name']} every {s['frequency']} {s['interval']}" for s in facts.get("schedules", ()))
    return Mitigation(
        text=f"Let the schedule end with the run, after {case.steps:,} steps ({told or 'set by hand'}): a scheduler"
        ' that counts epochs wants interval "epoch" in configure_optimizers, one that counts steps "step".',
        gain="all steps learn",
        cost="none",
        source="Lightning documentation, configure_optimizers",
    )


@rule(
    code="OPT015",
    severity=Severity.HIGH,
    needs=("optimizer.lr",),
    threshold=0.01,
    unit="× highest learning rate",
    follows_from=(),
    remedies=(_fix_schedule,),
)
def scheduler_mistake(case: Case, threshold: float) -> Fault | None:
    """Flags learning rates that are spent long before the run is, or that rush up and down.

    What it detects:
        The learning rate stays below `threshold` times its highest value for the last 40 % of the run or more;
        or it falls below a tenth of that value and rises again above nine tenths at least eight times.

    Why it matters:
        Steps without a learning rate cost as much as others and teach nothing.

    Example:
        A scheduler that counts epochs and is stepped every batch.

    Known limits:
        A run that was meant to be cut short, and cyclic schedules with many short cycles, look the same.

    References:
        Lightning documentation, configure_optimizers; Smith 2017, Cyclical Learning Rates.
    """
    rate = next(case.by_optimizer("optimizer.lr"))
    top = float(rate.value.max()) if len(rate) else 0.0
    if top <= 0:
        raise CannotTellError("the learning rate was never above zero")
    spent = len(rate) - 1 - int(np.flatnonzero(rate.value >= threshold * top)[-1])
    if spent >= 0.4 * len(rate) and spent >= WIDTH:
        place = len(rate) - spent
        return Fault(
            summary=f"The learning rate is below {percent(threshold)} of its highest from step {rate.step[place]:,}"
            f" of {case.steps:,} on.",
            evidence=(at(rate, place, threshold * top),),
            step=int(rate.step[place]),
        )
    return _rushing(rate.step, rate.value / top)


def _rushing(step: np.ndarray, share: Floats) -> Fault | None:
    marks = np.where(share > 0.9, 1, np.where(share < 0.1, -1, 0))
    ends = np.flatnonzero(marks)
    rises = ends[1:][np.diff(marks[ends]) > 0]
    if rises.size < 8:
        return None
    return Fault(
        summary=f"The learning rate fell to a tenth and came back {rises.size} times, about every"
        f" {nice(float(np.median(np.diff(step[rises])))):g} steps.",
        evidence=(
            Evidence(summary="returns of the learning rate", step=int(step[rises[0]]), series="optimizer.lr",
                     value=float(rises.size), limit=8.0, unit="returns"),
        ),
        step=int(step[rises[0]]),
    )  # fmt: skip
