"""AUTOTRAINER's detection of training problems.

Source: Zhang et al. 2021, AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair System, and the default
parameters that the authors publish: Θ 0.7, β₁ 1e-3, β₂ 1e-4, β₃ 70, γ 0.7, ζ 0.03, η 0.2, δ 0.01.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .declaration import Alarm, Peer
from .observed import Floats, Observed

MEANS = {
    "vanishing gradient": ("vanishing-gradient", "saturated-units", "parameter-never-updated"),
    "exploding gradient": ("exploding-gradient", "non-finite", "divergence", "bad-init-scale", "updates-too-large",
                           "unscaled-input", "skipped-steps"),
    "dying ReLU": ("dead-units",),
    "oscillating loss": ("oscillation", "updates-too-large", "loss-spike", "divergence"),
    "slow convergence": ("stagnant-loss", "updates-too-small", "over-regularised", "clip-saturation",
                         "scheduler-mistake", "underfitting", "no-op-step", "lost-updates"),
}  # fmt: skip
GOOD, SLOW, SWING, OFTEN = 0.7, 0.01, 0.03, 0.2
JUDGED = 0.3  # share of the epochs before which accuracies are not looked at


def judge(run: Observed) -> Iterator[Alarm]:
    """Yield what it says after each epoch; without classes it has no accuracy, and only sees what is not finite."""
    yield from _not_finite(run)
    ends, train = run.accuracy()
    for number in range(1, len(ends) + 1):
        done = int(ends[number - 1])
        if number < JUDGED * len(ends):
            continue
        so_far, val = train[:number], run.val_right[run.val_step <= done]
        slow = _slow(so_far) and _slow(val)
        if slow or min(so_far.max(), val.max(initial=0.0 if val.size else 1.0)) < GOOD:
            yield from _not_converged(run, done, slow)
        elif _oscillates(so_far):
            yield Alarm("oscillating loss", done)


def _not_finite(run: Observed) -> Iterator[Alarm]:
    broken = np.flatnonzero(~(np.abs(run.loss) < 1e5))
    if broken.size:
        yield Alarm("exploding gradient", int(broken[0]) + 1)


def _slow(accuracy: Floats) -> bool:
    return not accuracy.size or float(np.diff(accuracy).max(initial=0.0)) < SLOW


def _not_converged(run: Observed, done: int, slow: bool) -> Iterator[Alarm]:
    """Yield what gradients so far say, the first of these that holds."""
    seen = run.step <= done
    norm = run.gradient_norm[seen][:, ~np.isnan(run.gradient_norm).all(axis=0)]
    if not norm.size:
        return
    first, last = norm[:, 0], norm[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = first / last
    if (np.nanmean(run.gradient_zeros[seen], axis=1) >= 0.7).any():
        yield Alarm("dying ReLU", done)
    elif (ratio > 70).any() or not np.isfinite(norm).all():
        yield Alarm("exploding gradient", done)
    elif ((ratio < 1e-3) & (first < 1e-4)).any():
        yield Alarm("vanishing gradient", done)
    elif slow:
        yield Alarm("slow convergence", done)


def _oscillates(accuracy: Floats) -> bool:
    """Return whether, in a fifth of the epochs, a peak of the training accuracy is 3 points above a trough."""
    inner, before, after = accuracy[1:-1], accuracy[:-2], accuracy[2:]
    peaks = inner[(inner >= before) & (inner >= after)]
    troughs = inner[(inner <= before) & (inner <= after)]
    pairs = min(peaks.size, troughs.size)
    swings = int((peaks[:pairs] - troughs[:pairs] >= SWING).sum())
    return swings > 0 and swings >= OFTEN * accuracy.size


PEER = Peer(name="AUTOTRAINER", means=MEANS, judge=judge, source="Zhang et al. 2021, AUTOTRAINER (ICSE)")
