"""Faults in the course of the training loss, and in the schedule that steers it."""

from __future__ import annotations

import numpy as np

from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case, Floats, nice, smooth
from .declaration import CannotTellError, Fault, rule
from .evidence import at, clip, lower_rate

WIDTH = 20  # steps over which a loss is smoothed
LONG = 100  # steps for which a loss has to stay high


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


@rule(
    code="OPT010",
    severity=Severity.HIGH,
    needs=("train.loss",),
    threshold=1.5,
    unit="× lowest loss",
    follows_from=("non-finite", "missing-zero-grad", "unscaled-input", "bad-init-scale"),
    remedies=(lower_rate, clip),
)
def divergence(case: Case, threshold: float) -> Fault | None:
    """Flags training losses that rise far above what they had reached, and stay there.

    What it detects:
        The loss, smoothed over 20 steps, is above `threshold` times its lowest value so far for 100 steps in a
        row, and has lost at least a fifth of what it had gained.

    Why it matters:
        What was learned is lost, and the rest of the run is spent in a worse place.

    Example:
        A learning rate that is raised a hundredfold by mistake.

    Known limits:
        A curriculum that turns to harder examples looks the same. Games between optimizers are not judged.

    References:
        Chowdhery et al. 2022, PaLM, section 5.1.
    """
    step, loss = _smoothed(case)
    best = np.minimum.accumulate(loss)
    gained = loss[0] - best
    high = (loss - best > (threshold - 1) * np.abs(best)) & (loss - best > 0.2 * gained)
    long = np.flatnonzero(np.convolve(high, np.ones(LONG), mode="valid") >= LONG)
    if not long.size:
        return None
    began = int(long[0])
    worst = began + int(loss[began : began + LONG].argmax())
    return Fault(
        summary=f"The loss rose from {best[began]:.3g} to {loss[worst]:.3g} by step {step[worst]:,} and stayed high.",
        evidence=(
            Evidence(summary=f"smoothed loss at step {step[worst]:,}", step=int(step[worst]), series="train.loss",
                     value=float(loss[worst]), limit=float(threshold * best[began]), unit="loss"),
        ),
        step=int(step[began]),
    )  # fmt: skip


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
    threshold=6.0,
    unit="swings",
    follows_from=("non-finite", "updates-too-large", "divergence", "missing-zero-grad", "scheduler-mistake",
                  "unscaled-input", "bad-init-scale", "exploding-gradient"),
    remedies=(_less_momentum, lower_rate),
)  # fmt: skip
def oscillation(case: Case, threshold: float) -> Fault | None:
    """Flags training losses that swing up and down without getting anywhere.

    What it detects:
        At least `threshold` times the loss, smoothed over 5 steps, turns after having moved by more than a third
        of itself and by more than its noise from step to step explains (eight standard errors).

    Why it matters:
        The steps jump from one wall of the valley to the other; smaller ones would go down.

    Example:
        SGD with a momentum of 0.99 and a learning rate made for 0.9.

    Known limits:
        Data that come in blocks of different difficulty make the loss swing without any fault.

    References:
        Goh 2017, Why Momentum Really Works.
    """
    loss = case.one_loss()
    value = loss.value[np.isfinite(loss.value) & (loss.value > 0)]
    if value.size < LONG:
        raise CannotTellError(f"{value.size} of {LONG} steps with a positive, finite loss")
    logs = np.log(value)
    noise = float(np.median(np.abs(np.diff(logs)))) / 0.6745 / np.sqrt(2)
    turns = _turns(smooth(logs, 5), max(np.log(4 / 3), 8 * noise / np.sqrt(5)))
    if len(turns) < threshold:
        return None
    return Fault(
        summary=f"The loss turned {len(turns)} times after moving by more than a third of itself.",
        evidence=(
            Evidence(summary="swings of the smoothed loss", series=loss.name, value=len(turns), limit=threshold,
                     unit="swings"),
        ),
        confidence=Confidence.MEDIUM,
        step=int(loss.step[min(turns[0] + 4, len(loss) - 1)]),
    )  # fmt: skip


def _turns(value: Floats, swing: float) -> list[int]:
    """Return the places at which a series turns after having moved by `swing`: the corners of its zigzag."""
    turns: list[int] = []
    low = high = 0
    direction = 0
    for place in range(1, value.size):
        low = place if value[place] < value[low] else low
        high = place if value[place] > value[high] else high
        if direction >= 0 and value[high] - value[place] > swing:
            turns += [high] if direction else []
            direction, low = -1, place
        elif direction <= 0 and value[place] - value[low] > swing:
            turns += [low] if direction else []
            direction, high = 1, place
        else:
            continue
        low = high = place
    return turns


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
            summary=f"The learning rate is below {threshold:.0%} of its highest from step {rate.step[place]:,} of"
            f" {case.steps:,} on.",
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
