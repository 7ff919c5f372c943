"""Faults of the optimisation: the course of the training loss, and the size of updates."""

from __future__ import annotations

import numpy as np

from ..formats import number, percent
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case, Floats, history, nice, robust_z, spread
from .declaration import CannotTellError, Fault, rule
from .evidence import (
    HEALTHY_RATIO,
    NAMED,
    at,
    clip,
    early_medians,
    late_medians,
    look_at_batch,
    overall_ratio,
    rate_for_calm_steps,
    rate_for_healthy_updates,
    refuse_search,
    stuck,
)

SEVERAL, LONE = 3, 3.0  # spikes; times the median, for fewer: single batches may be hard
SMALL_BATCH = 3.0  # times the threshold, for batches whose mean is of few examples
LATE = 200  # steps of a run, the first tenth of which has passed the largest updates
LATE_SHARE = 0.15625  # of the limit of the first steps, for those after them: 0.0125
UNSETTLED, HALFWAY = 0.625, 0.75  # of both limits, where neither is reached: 0.05 and 0.0094
SETTLED = 2.5  # times the limit of the first steps, where later ones stay below 0.0094: 0.2
PLAIN = ("SGD", "ASGD", "Rprop")
LOOSE = 1.25  # times the limit, for those


@rule(
    code="OPT004",
    severity=Severity.MEDIUM,
    live=True,
    needs=("train.loss",),
    threshold=8.0,
    unit="robust z",
    follows_from=("non-finite", "exploding-gradient", "updates-too-large", "divergence", "missing-zero-grad",
                  "unscaled-input", "bad-init-scale", "oscillation", "scheduler-mistake",
                  "bad-optimizer-epsilon"),
    remedies=(look_at_batch, clip),
)  # fmt: skip
def loss_spike(case: Case, threshold: float) -> Fault | None:
    """Flags steps whose loss stands far above the losses before it.

    What it detects:
        A robust z score of the log loss above `threshold`, or above half of it in the loss and above twice it in
        the gradient norm of the same step; and a loss of at least one and a half times the trailing median, or three
        times where there are no more than two such steps.
        Batches less than half as large as usual, as the last one of an epoch, count from three thresholds on.

    Why it matters:
        After a spike a run may need hundreds of steps to come back, and some never do.

    Example:
        One batch with a thousand times larger inputs.

    Known limits:
        Needs a hundred steps of history. Losses with heavy tails have spikes that mean nothing.

    References:
        Chowdhery et al. 2022, PaLM, section 5.1.
    """
    loss = case.one_loss()
    history(len(loss))
    if np.median(loss.value > 0) == 0:
        raise CannotTellError("the loss is mostly not positive: it has no logarithm")
    z, median = robust_z(loss.value)
    norm = case.series("gradient.norm")
    both = np.zeros(len(loss), dtype=bool)
    if len(norm):
        norm_z = np.interp(loss.step, norm.step, robust_z(norm.value)[0])
        both = (z > threshold / 2) & (norm_z > 2 * threshold)
    sure = case.whole(loss) | (z > SMALL_BATCH * threshold)
    places = np.flatnonzero(((z > threshold) | both) & (loss.value > 1.5 * median) & sure)
    if places.size < SEVERAL:
        places = places[loss.value[places] > LONE * median[places]]
    if not places.size:
        return None
    worst = int(places[np.argmax(z[places])])
    return Fault(
        summary=f"{places.size} {'spike' if places.size == 1 else 'steps in spikes'}; at step"
        f" {loss.step[worst]:,} the loss was {loss.value[worst]:.3g} after a median of {median[worst]:.3g}.",
        evidence=(at(loss, worst, 1.5 * float(median[worst])),),
        confidence=Confidence.MEDIUM,
        step=int(loss.step[places[0]]),
    )


def _rate_for_stagnation(case: Case, fault: Fault) -> Mitigation | None:
    rate, ratio = case.number("optimizer.lr"), overall_ratio(case)
    if rate is None or ratio is None or ratio >= HEALTHY_RATIO / 10:
        return None
    value = nice(rate * min(1000.0, HEALTHY_RATIO / max(ratio, 1e-12)))
    return Mitigation(
        text=f"Raise the learning rate from {rate:g} to {value:g}: updates were only {ratio:.0e} of the weights.",
        settings={"optimizer.lr": value},
        gain="the weights move at all",
        cost="none",
        source="the run's own update ratio",
    )


def _overfit_one_batch(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Train on one batch only (Trainer(overfit_batches=1)): if that loss does not fall either, labels,"
        " loss function or a detached graph are wrong, not the hyperparameters.",
        gain="tells a bug from a hard task in minutes",
        cost="one short run",
        source="Karpathy 2019, A Recipe for Training Neural Networks",
    )


@rule(
    code="OPT005",
    severity=Severity.HIGH,
    needs=("train.loss",),
    threshold=0.1,
    unit="share of the first loss",
    follows_from=("double-softmax", "sign-flip", "wrong-loss",
                  "non-finite", "constant-features", "input-ignored", "no-op-step", "unscaled-input",
                  "symmetric-init", "bad-init-scale",
                  "parameter-never-updated", "bad-optimizer-epsilon", "lost-updates",
                  "missing-zero-grad", "over-regularised", "scheduler-mistake", "saturated-units", "dead-units",
                  "exploding-gradient", "vanishing-gradient", "updates-too-large", "updates-too-small",
                  "clip-saturation", "divergence", "no-nonlinearity", "skipped-steps"),
    remedies=(_rate_for_stagnation, _overfit_one_batch),
)  # fmt: skip
def stagnant_loss(case: Case, threshold: float) -> Fault | None:
    """Flags runs in which the training loss never fell.

    What it detects:
        Over at least 200 steps the mean loss of the best quarter is less than `threshold` below that of the first
        ten steps, and less than 6 % below that of the first quarter; and the last quarter did not bring a third
        of it, which would be a slow start.

    Why it matters:
        Every step cost time and energy and taught nothing.

    Example:
        A learning rate of 1e-9, or labels that were shuffled apart from their inputs.

    Known limits:
        Fine-tuning may start from a loss that cannot fall. Games between several optimizers are not judged.

    References:
        Amazon SageMaker Debugger, rule LossNotDecreasing.
    """
    loss = case.one_loss()
    value = loss.value[np.isfinite(loss.value)]
    if value.size < 200:
        raise CannotTellError(f"{value.size} of 200 steps with a finite loss")
    quarters = [float(quarter.mean()) for quarter in np.array_split(value, 4)]
    first, best = float(value[:10].mean()), min(quarters)
    gain = (first - best) / abs(first) if first else 0.0
    if gain >= threshold or abs(first) < 1e-6 or not stuck(value) or _still_falls(value, first - best):
        return None
    return Fault(
        summary=f"The loss went from {first:.4g} to {quarters[-1]:.4g} in {case.steps:,} steps,"
        f" at best {percent(gain)} lower.",
        evidence=(
            Evidence(
                summary="best quarter below the first steps", series=loss.name, value=gain, limit=threshold,
                unit="share",
            ),
        ),
        confidence=Confidence.MEDIUM,
        step=1,
    )  # fmt: skip


def _still_falls(value: Floats, gained: float) -> bool:
    """Return whether the last quarter brought a third of what was gained, and more than noise: a slow start."""
    before, last = np.array_split(value, 4)[2:]
    fall = float(before.mean() - last.mean())
    error = spread(np.diff(value)) / np.sqrt(last.size)
    return bool(fall > max(gained / 3, 3 * error))


@rule(
    code="OPT006",
    severity=Severity.HIGH,
    live=True,
    needs=("gradient.update_ratio",),
    threshold=0.08,
    unit="× weight",
    follows_from=(
        "unscaled-input",
        "missing-zero-grad",
        "over-regularised",
        "exploding-gradient",
        "bad-optimizer-epsilon",
    ),
    remedies=(rate_for_calm_steps,),
)
def updates_too_large(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose steps move the weights by more than a few hundredths of themselves.

    What it detects:
        In the first 50 steps the median over steps and layers of |update| / |weights| is above `threshold`; or, with
        Adam or AdamW in runs of 200 steps or more, that after the first tenth is above 0.15625 times `threshold`, or
        the one above 0.625 of its limit and the other above 0.75 of its; where later steps are below that, the first
        may be two and a half times as long. For plain SGD, whose steps shrink with the gradient, and for adapters
        beside frozen weights the limit of the first steps is a quarter higher.
        Parameters with two or more dimensions count, if they did not begin at zero.

    Why it matters:
        About 1e-3 is healthy; up to 0.07 is seen in first steps that go well, where weights begin small, and up to
        0.011 later. Beyond it the weights forget where they were: the loss stays high or the model swings from one
        bad fit to the next.

    Example:
        AdamW with a learning rate of 0.1.

    Known limits:
        The update is estimated from up to 4,096 elements of each matrix. Adagrad and LBFGS are not judged.

    References:
        CS231n, Neural Networks part 3, ratio of weights to updates; the limits are those of benchmarks/faults.
    """
    refuse_search(case)
    if case.setting("optimizer.name") == "Adagrad":
        raise CannotTellError("the first steps of Adagrad are long by design, and shrink by themselves")
    early = early_medians(case)
    later = late_medians(case)
    if not early and not later:
        raise CannotTellError("fewer than five samples of the update ratio")
    frozen = (case.number("model.trainable_parameters") or 0) < 0.5 * (case.number("model.parameters") or 0)
    loose = frozen or case.setting("optimizer.name") in PLAIN
    if loose:
        return _beyond(early, "the first 50 steps", LOOSE * threshold)
    if case.steps < LATE or "Adam" not in str(case.setting("optimizer.name")):
        return _beyond(early, "the first 50 steps", threshold)
    settled = not later or float(np.median(list(later.values()))) <= HALFWAY * LATE_SHARE * threshold
    found = _beyond(early, "the first 50 steps", threshold * (SETTLED if settled else UNSETTLED))
    return found or _beyond(later, "later steps", LATE_SHARE * threshold)


def _beyond(ratios: dict[str, float], when: str, limit: float) -> Fault | None:
    ratio = float(np.median(list(ratios.values()))) if ratios else 0.0
    if ratio <= limit:
        return None
    layers = sorted(((v, k) for k, v in ratios.items() if v > limit), reverse=True)
    worst = tuple(
        Evidence(summary="median update", series="gradient.update_ratio", layer=name, value=value,
                 limit=limit, unit="× weight")
        for value, name in layers[:NAMED]
    )  # fmt: skip
    total = Evidence(
        summary=f"median over layers and {when}", series="gradient.update_ratio", value=ratio, limit=limit,
        unit="× weight",
    )  # fmt: skip
    return Fault(
        summary=f"The median step moved the weights by {percent(ratio)} of themselves in {when} ({len(layers)} of"
        f" {len(ratios)} layers above {number(100 * limit)} %).",
        evidence=(total, *worst),
        step=1,
    )


@rule(
    code="OPT007",
    severity=Severity.MEDIUM,
    needs=("gradient.update_ratio",),
    threshold=1e-6,
    unit="× weight",
    follows_from=(
        "double-softmax",
        "wrong-loss",
        "no-op-step",
        "bad-optimizer-epsilon",
        "lost-updates",
        "non-finite",
        "scheduler-mistake",
        "clip-saturation",
        "dead-units",
        "saturated-units",
        "updates-too-large",
        "divergence",
        "over-regularised",
        "parameter-never-updated",
    ),
    remedies=(rate_for_healthy_updates,),
)
def updates_too_small(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose steps hardly move the weights.

    What it detects:
        The median over steps and layers of |update| / |weights| is below `threshold`, while the learning rate
        is at least half of its highest value.

    Why it matters:
        The run costs as much as one that learns.

    Example:
        A learning rate of 1e-7, or weights in bfloat16 whose updates round to nothing.

    Known limits:
        The tail of a schedule does not count. The update is estimated from up to 4,096 elements a matrix.

    References:
        CS231n, Neural Networks part 3, ratio of weights to updates.
    """
    refuse_search(case)
    rate = case.series("optimizer.lr")
    fast = rate.step[rate.value >= 0.5 * rate.value.max()] if len(rate) else None
    medians = late_medians(case, fast)
    if not medians:
        raise CannotTellError("fewer than five samples of the update ratio while the learning rate was high")
    ratio = float(np.median(list(medians.values())))
    if not ratio < threshold:
        return None
    return Fault(
        summary=f"The median step moved the weights by {ratio:.1e} of themselves.",
        evidence=(
            Evidence(
                summary="median over layers and steps", series="gradient.update_ratio", value=ratio,
                limit=threshold, unit="× weight",
            ),
        ),
    )  # fmt: skip
