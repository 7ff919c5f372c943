"""Faults of the gradients."""

from __future__ import annotations

import numpy as np

from ..model import Evidence, Mitigation, Severity
from .case import Case, history, robust_z
from .declaration import CannotTellError, Fault, rule
from .evidence import at, clip, fall, look_at_batch, lower_rate, medians, names

IN_A_ROW = 3


@rule(
    code="OPT001",
    severity=Severity.CRITICAL,
    needs=("gradient.nonfinite_steps",),
    threshold=0.0,
    unit="steps",
    short_run=True,
    remedies=(look_at_batch, clip, lower_rate),
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
    skipped = [event["step"] for event in case.events("skipped_step")]
    found = [
        Evidence(summary=f"{what} at step {step:,}", step=step, series=series.name, unit="")
        for series, what in ((loss, "loss not finite"), (norm, "gradient norm not finite"))
        for step in series.step[~np.isfinite(series.value) & ~np.isin(series.step, skipped)][:1].tolist()
    ]
    events = case.events("nonfinite")
    layers = [str(layer) for event in events[:1] for layer in event.get("layers", [])]
    first = min((item.step for item in found if item.step is not None), default=None)
    when = "" if first is None else f", first step {first:,}"
    where = f", in {names(layers)}" if layers else ""
    return Fault(
        summary=f"{count.value:.0f} of {case.steps:,} steps were not finite{when}{where}.",
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
    remedies=(clip, lower_rate),
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
    norms = list(case.by_optimizer("gradient.norm"))
    history(max(len(norm) for norm in norms))
    for norm in norms:
        z, median = robust_z(norm.value)
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(norm.value)
            high = finite & (norm.value > threshold * median)
            run = finite & (z > 6) & (norm.value > 3 * median)
        steady = np.convolve(run, np.ones(IN_A_ROW), mode="valid") >= IN_A_ROW
        if high.sum() < IN_A_ROW and not steady.any():
            continue
        places = np.flatnonzero(high) if high.sum() >= IN_A_ROW else np.flatnonzero(steady)
        worst = max(places.tolist(), key=lambda place: float(norm.value[place] / median[place]))
        times = float(norm.value[worst] / median[worst])
        return Fault(
            summary=f"Gradient norm {times:.0f} times its trailing median at step {norm.step[worst]:,};"
            f" {len(places)} such steps.",
            evidence=(at(norm, worst, threshold * float(median[worst])),),
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
    norms, ratios = (medians(case, f"gradient.{name}") for name in ("layer_norm", "update_ratio"))
    layers = [layer for layer in norms if layer in ratios]
    if len(layers) < 3:
        raise CannotTellError("fewer than three layers with weight matrices")
    first, last = layers[0], layers[-1]
    if norms[last] <= 0 or ratios[last] <= 0 or fall(loss) > 0.3:
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
