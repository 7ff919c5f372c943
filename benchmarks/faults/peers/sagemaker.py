"""Amazon SageMaker Debugger's rules for deep learning with their default parameters.

Source: Amazon SageMaker documentation, List of Debugger built-in rules (docs.aws.amazon.com/sagemaker). Left out are
Overfit and Overtraining, which are no faults of optimisation, StalledTraining, which needs half an hour, those
without a default threshold (TensorVariance, SimilarAcrossRuns), and those for trees and language batches.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .declaration import Alarm, Peer
from .observed import Observed
from .recording import EVERY

MEANS = {
    "VanishingGradient": ("vanishing-gradient", "dead-units", "saturated-units", "parameter-never-updated"),
    "ExplodingTensor": ("non-finite", "exploding-gradient", "divergence", "skipped-steps"),
    "DeadRelu": ("dead-units",),
    "SaturatedActivation": ("saturated-units",),
    "PoorWeightInitialization": ("bad-init-scale", "symmetric-init", "saturated-units", "exploding-gradient",
                                 "vanishing-gradient"),
    "WeightUpdateRatio": ("updates-too-large", "updates-too-small", "parameter-never-updated", "no-op-step",
                          "lost-updates", "clip-saturation", "scheduler-mistake"),
    "AllZero": ("dead-units", "parameter-never-updated", "constant-features"),
    "UnchangedTensor": ("parameter-never-updated", "updates-too-small", "no-op-step", "lost-updates",
                        "scheduler-mistake", "clip-saturation"),
    "LossNotDecreasing": ("stagnant-loss", "divergence", "loss-spike", "oscillation", "updates-too-small",
                          "over-regularised", "sign-flip", "underfitting", "no-op-step", "label-noise"),
    "ClassImbalance": ("class-imbalance",),
    "CheckInputImages": ("unscaled-input",),
}  # fmt: skip
STEPS = 10  # between losses that are compared, of an initialisation that is looked at
PATIENCE = 5  # samples


def judge(run: Observed) -> Iterator[Alarm]:
    """Yield the alarms of all rules; tensors are sampled every tenth step, only those of weight matrices."""
    nothing = np.zeros((len(run.step), 0), dtype=bool)
    called = run.dead.shape[1] == len(run.kind)  # none is where a copy of the model is trained and not this one
    relu = (run.kind == "ReLU") & called
    smooth = np.isin(run.kind, ("Tanh", "Sigmoid")) & called
    ratio = run.weight_change / (run.weight_norm + 1e-9)
    rows = {
        "VanishingGradient": run.gradient_mean < 1e-7,
        "ExplodingTensor": _broken(run),
        "DeadRelu": run.dead[:, relu] > 0.5 if relu.any() else nothing,
        "SaturatedActivation": run.saturated[:, smooth] > 0.5 if smooth.any() else nothing,
        "WeightUpdateRatio": (ratio > 10) | (ratio < 1e-8),
        "AllZero": (run.gradient_zeros >= 1) | (run.weight_norm == 0),
        "UnchangedTensor": _unchanged(ratio),
    }
    for name, fired in rows.items():
        step = run.first(fired)
        if step is not None:
            yield Alarm(name, step)
    yield from _of_loss(run)
    yield from _of_start(run)
    yield from _of_data(run)


def _broken(run: Observed) -> np.ndarray:
    """Return where a gradient or a weight is not finite; a matrix without a gradient has no row."""
    there = ~np.isnan(run.gradient_zeros)
    return there & ~(np.isfinite(run.gradient_norm) & np.isfinite(run.weight_norm + run.weight_change))


def _unchanged(ratio: np.ndarray) -> np.ndarray:
    """Return where a tensor stayed, within a relative 1e-5, in three samples in a row."""
    still = ratio < 1e-5
    long = np.zeros_like(still)
    long[2:] = still[2:] & still[1:-1] & still[:-2]
    return long


def _of_loss(run: Observed) -> Iterator[Alarm]:
    """The loss of every tenth step has to be 0.1 % below the one before."""
    saved = run.loss[::STEPS]
    late = np.flatnonzero(~(saved[1:] <= saved[:-1] * (1 - 0.001)))
    if late.size:
        yield Alarm("LossNotDecreasing", int(late[0] + 1) * STEPS + 1)
    broken = np.flatnonzero(~np.isfinite(run.loss))
    if broken.size:
        yield Alarm("ExplodingTensor", int(broken[0]) + 1)


def _of_start(run: Observed) -> Iterator[Alarm]:
    """Look at the first ten samples: variances of activations' inputs, ranges of gradients, and the loss."""
    variance = np.where(run.input_variance > 0, run.input_variance, np.nan)[:STEPS]
    wide = np.zeros(len(variance), dtype=bool)
    if variance.shape[1] > 1 and not np.isnan(variance).all():
        wide = np.nanmax(variance, axis=1, initial=0) > 10 * np.nanmin(variance, axis=1, initial=np.inf)
    narrow = (run.gradient_range[:STEPS] < 0.001).any(axis=1)
    saved = run.loss[: STEPS * EVERY : EVERY]
    stays = [bool(saved.size > n and saved[n - PATIENCE + 1 : n + 1].min() >= saved[: n - PATIENCE + 1].min())
             for n in range(len(variance)) if n >= PATIENCE]  # fmt: skip
    stuck = np.array([False] * min(PATIENCE, len(variance)) + stays, dtype=bool)[: len(variance)]
    found = np.flatnonzero(wide | narrow | stuck)
    if found.size:
        yield Alarm("PoorWeightInitialization", int(run.step[found[0]]))


def _of_data(run: Observed) -> Iterator[Alarm]:
    seen = run.labels > 0
    if run.labels.sum() >= 500 and seen.any():
        wrong = 1 - run.hits[seen] / run.labels[seen]
        if run.labels[seen].max() > 10 * run.labels[seen].min() and wrong.max() > 0.7:
            yield Alarm("ClassImbalance", int(np.searchsorted(np.nancumsum(run.asked), 500)) + 1)
    if abs(run.input_mean) > 0.2:
        yield Alarm("CheckInputImages", 1)


PEER = Peer(name="SageMaker Debugger", means=MEANS, judge=judge,
            source="Amazon SageMaker documentation, Debugger built-in rules, default parameters")  # fmt: skip
