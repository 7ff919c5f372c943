"""Faults of the optimisation: gradients, updates and the course of the training loss."""

from __future__ import annotations

import math

import numpy as np

from ..model import Confidence, Evidence, Mitigation, Severity
from ..record import Series
from .case import Case, nice, robust_z, sampled_columns, smooth
from .declaration import CannotTellError, Fault, rule

HEALTHY_RATIO = 1e-3  # update over weight
NAMED = 3  # layers that a summary names
IN_A_ROW = 3
WARM_UP = 20


def _clip(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend clipping at what the run itself calls normal."""
    norms = case.series("gradient.norm").value
    norms = norms[np.isfinite(norms) & (norms > 0)]
    if norms.size < WARM_UP:
        return None
    normal = norms[norms <= 10 * np.median(norms)]
    value = nice(float(np.percentile(normal, 95)))
    return Mitigation(
        text=f"Clip gradients at {value:g}, the 95th percentile of this run's own norms outside the jumps.",
        settings={"trainer.gradient_clip_val": value},
        gain="one bad batch can no longer throw the weights far away",
        cost="one step in twenty gets shorter than now",
        source="Pascanu et al. 2013, On the difficulty of training recurrent neural networks",
    )


def _lower_rate(case: Case, fault: Fault) -> Mitigation | None:
    rate = case.number("optimizer.lr")
    if rate is None:
        return None
    value = nice(rate / 3, 1)
    return Mitigation(
        text=f"Lower the learning rate from {rate:g} to {value:g} or warm it up over the first steps.",
        settings={"optimizer.lr": value},
        gain="smaller steps stay where the loss is smooth",
        cost="the early loss falls more slowly",
        source="Goyal et al. 2017, Accurate, Large Minibatch SGD",
    )


def _rate_for_healthy_updates(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend the rate at which this run's updates would have been of healthy size."""
    rate, ratio = case.number("optimizer.lr"), fault.evidence[0].value
    if rate is None or not ratio:
        return None
    factor = min(1000.0, max(1e-3, HEALTHY_RATIO / ratio))
    value = nice(rate * factor)
    return Mitigation(
        text=f"Set the learning rate to {value:g}: at {rate:g} the median update was {ratio:.1e} of the weights.",
        settings={"optimizer.lr": value},
        gain=f"updates near {HEALTHY_RATIO:g} of the weights",
        cost="none" if factor > 1 else "more steps until the loss is low, each of them useful",
        source="update ratio: CS231n, Neural Networks part 3; size scales with the learning rate",
    )


def _look_at_batch(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text=f"Train again up to step {fault.step} and look at that batch: extreme inputs, empty targets, log or"
        " division by zero, half precision.",
        gain="removes the cause, not the symptom",
        cost="one run up to that step",
        source="the step and the layers are this run's own",
    )


@rule(
    code="OPT001",
    severity=Severity.CRITICAL,
    needs=("gradient.nonfinite_steps",),
    threshold=0.0,
    unit="steps",
    short_run=True,
    remedies=(_look_at_batch, _clip, _lower_rate),
)
def non_finite(case: Case, threshold: float) -> Fault | None:
    """Flags steps whose loss or gradients were NaN or infinite.

    What it detects:
        Optimizer steps whose training loss or gradient norm was not finite. Steps that a gradient scaler
        found and skipped do not count.

    Why it matters:
        One such step makes every weight that it touches NaN, and nothing that the model says after it means
        anything.

    Example:
        A batch with an empty target divides by zero; or the logarithm of a probability that has become 0.

    Known limits:
        The layers are those with non-finite gradients. A NaN born in the loss reaches all layers, so the
        first one named need not be where it began.

    References:
        Micikevicius et al. 2018, Mixed Precision Training.
    """
    count = case.metric("gradient.nonfinite_steps")
    if count is None or not count.value or count.value <= threshold:
        return None
    loss, norm = case.series("train.loss"), case.series("gradient.norm")
    found = [
        Evidence(summary=f"{what} at step {step:,}", step=step, series=series.name, unit="")
        for series, what in ((loss, "loss not finite"), (norm, "gradient norm not finite"))
        for step in series.step[~np.isfinite(series.value)][:1].tolist()
    ]
    events = case.events("nonfinite")
    layers = [str(layer) for event in events[:1] for layer in event.get("layers", [])]
    first = min((item.step for item in found if item.step is not None), default=None)
    where = f", in {_names(layers)}" if layers else ""
    return Fault(
        summary=f"{count.value:.0f} of {case.steps:,} steps were not finite, first step {first}{where}.",
        evidence=tuple(found) + tuple(Evidence(summary="gradient not finite", layer=name) for name in layers),
        step=first,
    )


@rule(
    code="OPT002",
    severity=Severity.HIGH,
    needs=("gradient.norm",),
    threshold=10.0,
    unit="× median",
    follows_from=("non-finite", "updates-too-large"),
    remedies=(_clip, _lower_rate),
)
def exploding_gradient(case: Case, threshold: float) -> Fault | None:
    """Flags gradient norms that jump far above the trailing median again and again.

    What it detects:
        At least three steps whose norm before clipping is above `threshold` times the median of the hundred
        steps before, or three in a row whose robust z score is above 6 and whose norm is above three medians.

    Why it matters:
        A step of ten times the usual length undoes what many steps have learned.

    Example:
        A recurrent network with a gain above one and no clipping.

    Known limits:
        Needs a hundred steps of history. Sparse batches and rare tokens make single jumps, which stay silent.

    References:
        Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks.
    """
    for norm in case.by_optimizer("gradient.norm"):
        z, median = robust_z(norm.value)
        with np.errstate(invalid="ignore"):
            high = norm.value > threshold * median
            run = (z > 6) & (norm.value > 3 * median)
        steady = np.convolve(run, np.ones(IN_A_ROW), mode="valid") >= IN_A_ROW
        if high.sum() < IN_A_ROW and not steady.any():
            continue
        places = np.flatnonzero(high) if high.sum() >= IN_A_ROW else np.flatnonzero(steady)
        worst = max(places.tolist(), key=lambda place: float(norm.value[place] / median[place]))
        times = float(norm.value[worst] / median[worst])
        return Fault(
            summary=f"Gradient norm {times:.0f} times its trailing median at step {norm.step[worst]:,};"
            f" {len(places)} such steps.",
            evidence=(_at(norm, worst, threshold * float(median[worst])),),
            step=int(norm.step[places[0]]),
        )
    return None


def _residuals(case: Case, fault: Fault) -> Mitigation:
    layer = fault.evidence[0].layer
    return Mitigation(
        text=f"Let the gradient reach {layer}: residual connections, a normalisation layer between the blocks, or"
        " ReLU or GELU in place of sigmoid and tanh.",
        gain="the first layers learn at all",
        cost="a change of the architecture",
        source="He et al. 2016, Deep Residual Learning; Glorot and Bengio 2010",
    )


@rule(
    code="OPT003",
    severity=Severity.HIGH,
    needs=("gradient.layer_norm", "gradient.update_ratio", "train.loss"),
    threshold=1e-3,
    unit="first layer / last layer",
    remedies=(_residuals,),
)
def vanishing_gradient(case: Case, threshold: float) -> Fault | None:
    """Flags first layers that get almost no gradient while the loss is still high.

    What it detects:
        The median gradient norm of the first layer is below `threshold` times that of the last, its median
        update ratio too, and the loss has fallen by less than 30 %.

    Why it matters:
        The first layers stay as they were initialised, and the rest learns from noise.

    Example:
        Twenty linear layers with sigmoids between them.

    Known limits:
        First and last are in the order in which the module declares them. Frozen layers have no gradient and
        do not take part. A converged run stays silent.

    References:
        Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    """
    loss = case.one_loss()
    norms, ratios = (_medians(case, f"gradient.{name}") for name in ("layer_norm", "update_ratio"))
    layers = [layer for layer in norms if layer in ratios]
    if len(layers) < 3:
        raise CannotTellError("fewer than three layers with weight matrices")
    first, last = layers[0], layers[-1]
    if norms[last] <= 0 or ratios[last] <= 0 or _fall(loss) > 0.3:
        return None
    found, moved = norms[first] / norms[last], ratios[first] / ratios[last]
    if found >= threshold or moved >= threshold:
        return None
    return Fault(
        summary=f"{first} gets {found:.0e} of the gradient of {last}, and the loss has hardly fallen.",
        evidence=(
            Evidence(
                summary=f"median gradient norm {norms[first]:.1e} against {norms[last]:.1e}",
                series="gradient.layer_norm",
                layer=first,
                value=found,
                limit=threshold,
                unit="first layer / last layer",
            ),
        ),
    )


@rule(
    code="OPT004",
    severity=Severity.MEDIUM,
    needs=("train.loss",),
    threshold=8.0,
    unit="robust z",
    follows_from=("non-finite", "exploding-gradient", "updates-too-large"),
    remedies=(_clip, _look_at_batch),
)
def loss_spike(case: Case, threshold: float) -> Fault | None:
    """Flags steps whose loss stands far above the losses before it.

    What it detects:
        A robust z score of the log loss above `threshold`, or above 6 in loss and gradient norm at the same
        step; and a loss of at least one and a half times the trailing median.

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
    z, median = robust_z(loss.value)
    norm = case.series("gradient.norm")
    both = np.zeros(len(loss), dtype=bool)
    if len(norm):
        norm_z = np.interp(loss.step, norm.step, robust_z(norm.value)[0])
        both = (z > 6) & (norm_z > 6)
    with np.errstate(invalid="ignore"):
        places = np.flatnonzero(((z > threshold) | both) & (loss.value > 1.5 * median))
    if not places.size:
        return None
    worst = int(places[np.argmax(z[places])])
    return Fault(
        summary=f"{places.size} {'spike' if places.size == 1 else 'steps in spikes'}; at step"
        f" {loss.step[worst]:,} the loss was {loss.value[worst]:.3g} after a median of {median[worst]:.3g}.",
        evidence=(_at(loss, worst, 1.5 * float(median[worst])),),
        confidence=Confidence.MEDIUM,
        step=int(loss.step[places[0]]),
    )


def _rate_for_stagnation(case: Case, fault: Fault) -> Mitigation | None:
    rate, ratio = case.number("optimizer.lr"), _overall_ratio(case)
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
    threshold=0.02,
    unit="share of the first loss",
    follows_from=("non-finite", "vanishing-gradient", "updates-too-small", "updates-too-large"),
    remedies=(_rate_for_stagnation, _overfit_one_batch),
)
def stagnant_loss(case: Case, threshold: float) -> Fault | None:
    """Flags runs in which the training loss never fell.

    What it detects:
        Over at least 200 steps the lowest smoothed loss is less than `threshold` below the first one.

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
    smoothed = smooth(value, 20)
    first, best = float(smoothed[0]), float(smoothed.min())
    gain = (first - best) / abs(first) if first else 0.0
    if gain >= threshold or abs(first) < 1e-6:
        return None
    return Fault(
        summary=f"The loss went from {first:.4g} to {float(smoothed[-1]):.4g} in {case.steps:,} steps,"
        f" at best {gain:.1%} lower.",
        evidence=(
            Evidence(
                summary="lowest smoothed loss below the first", series=loss.name, value=gain, limit=threshold,
                unit="share",
            ),
        ),
        confidence=Confidence.MEDIUM,
    )  # fmt: skip


@rule(
    code="OPT006",
    severity=Severity.HIGH,
    needs=("gradient.update_ratio",),
    threshold=1e-2,
    unit="× weight",
    remedies=(_rate_for_healthy_updates,),
)
def updates_too_large(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose steps move the weights by more than a hundredth of themselves.

    What it detects:
        After the first hundred steps (or the first tenth of a shorter run) the median over steps and layers
        of |update| / |weights| is above `threshold`. Only parameters with two or more dimensions count.

    Why it matters:
        About 1e-3 is healthy. Ten times more, and the weights forget in a hundred steps where they were: the
        loss stays high or the model swings from one bad fit to the next.

    Example:
        AdamW with a learning rate of 0.1.

    Known limits:
        The update is estimated from up to 4,096 elements of each matrix. Weights that begin at zero are
        large in this measure until they have grown; a single such layer does not move the median.

    References:
        CS231n, Neural Networks part 3, ratio of weights to updates.
    """
    ratio = _overall_ratio(case)
    if ratio is None:
        raise CannotTellError("fewer than five samples of the update ratio after the warm-up")
    if ratio <= threshold:
        return None
    layers = sorted(((v, k) for k, v in _late_medians(case).items() if v > threshold), reverse=True)
    worst = tuple(
        Evidence(summary="median update", series="gradient.update_ratio", layer=name, value=value,
                 limit=threshold, unit="× weight")
        for value, name in layers[:NAMED]
    )  # fmt: skip
    total = Evidence(
        summary="median over layers and steps", series="gradient.update_ratio", value=ratio, limit=threshold,
        unit="× weight",
    )  # fmt: skip
    return Fault(
        summary=f"The median step moved the weights by {ratio:.1%} of themselves ({len(layers)} of"
        f" {len(_late_medians(case))} layers above {threshold:.0%}).",
        evidence=(total, *worst),
    )


@rule(
    code="OPT007",
    severity=Severity.MEDIUM,
    needs=("gradient.update_ratio",),
    threshold=1e-6,
    unit="× weight",
    remedies=(_rate_for_healthy_updates,),
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
    rate = case.series("optimizer.lr")
    fast = rate.step[rate.value >= 0.5 * rate.value.max()] if len(rate) else None
    medians = _late_medians(case, fast)
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


def _at(series: Series, place: int, limit: float) -> Evidence:
    return Evidence(
        summary=f"at step {series.step[place]:,}",
        step=int(series.step[place]),
        series=series.name,
        value=float(series.value[place]),
        limit=limit,
        unit=series.unit,
    )


def _names(layers: list[str]) -> str:
    more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
    return ", ".join(layers[:NAMED]) + more


def _fall(loss: Series) -> float:
    """Return by which share the smoothed loss has fallen from its start to its end."""
    smoothed = smooth(loss.value[np.isfinite(loss.value)], min(20, max(1, len(loss) // 4)))
    if not smoothed.size or smoothed[0] == 0:
        return math.inf
    return float((smoothed[0] - smoothed[-1]) / abs(smoothed[0]))


def _medians(case: Case, name: str) -> dict[str, float]:
    found = sampled_columns(case, name).items()
    finite = {column: series.value[np.isfinite(series.value)] for column, series in found}
    return {column: float(np.median(value)) for column, value in finite.items() if value.size}


def _late_medians(case: Case, steps: np.ndarray | None = None) -> dict[str, float]:
    """Return each layer's median update ratio after the warm-up, at `steps` when given."""
    after = min(100, case.steps // 10)
    medians: dict[str, float] = {}
    for layer, series in sampled_columns(case, "gradient.update_ratio").items():
        chosen = (series.step > after) & np.isfinite(series.value)
        if steps is not None:
            chosen &= np.isin(series.step, steps)
        if chosen.sum() >= 5:
            medians[layer] = float(np.median(series.value[chosen]))
    return medians


def _overall_ratio(case: Case) -> float | None:
    medians = _late_medians(case)
    return float(np.median(list(medians.values()))) if medians else None
