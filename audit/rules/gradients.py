"""Faults of the gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ..model import Evidence, Mitigation, Severity
from ..record import Series
from .case import Case, history, nice, robust_z, sampled_columns
from .declaration import CannotTellError, Fault, rule
from .evidence import at, clip, fall, look_at_batch, lower_rate, medians, names, stuck

IN_A_ROW = 3
START = 20  # steps
ONE_EVENT = 30  # steps within which jumps belong together
SUDDEN = 1.5  # times that weights grow within `LOOK` steps when it was not the optimizer
LOOK = 20  # steps
UNHEARD = 1.5  # times the largest norm so far
HUGE = 100.0  # times the median: a gradient that is not left alone, whatever the loss
STEEP = 500.0  # |gradient| · |weights| / loss; healthy runs begin below 50


@rule(
    code="OPT001",
    severity=Severity.CRITICAL,
    live=True,
    needs=("gradient.nonfinite_steps",),
    threshold=0.0,
    unit="steps",
    short_run=True,
    follows_from=("sign-flip", "bad-init-scale", "missing-zero-grad"),
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
    skipped = [event["step"] for kind in ("skipped_step", "skipped_batch") for event in case.events(kind)]
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
    born = next((str(event["born"]) for event in events if event.get("born")), "")
    where += f"; born in {born}" if born else ""
    return Fault(
        summary=f"{count.value:.0f} of {case.steps:,} steps were not finite{when}{where}.",
        evidence=tuple(found) + tuple(Evidence(summary="gradient not finite", layer=name) for name in layers),
        step=first,
    )


def _smaller_start(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend smaller first weights where the loss is steep from the first step on: clipping does not help."""
    steepest = _largest({layer: float(norm.value[0] * weight.value[0]) for layer, norm, weight in _sampled(case)})
    if fault.step != 1 or steepest is None:
        return None
    return Mitigation(
        text=f"Draw the first weights of {steepest} smaller: its gradient times its weights is the largest. Where it"
        " is recurrent, an orthogonal matrix with a gain of 1; else N(0, 2/inputs) before ReLU and N(0, 1/inputs)"
        " otherwise.",
        gain="gradients keep their size on the way back; clipping only shortens the steps that they make",
        cost="none",
        source="Pascanu et al. 2013; Le, Jaitly, Hinton 2015, A Simple Way to Initialize Recurrent Networks",
    )


def _sudden_weights(case: Case, fault: Fault) -> Mitigation | None:
    """Point at the layer whose weights grew between two samples just where the gradient did: no step does that."""
    if fault.step is None or fault.step == 1:
        return None
    growth = {layer: _growth(weight, fault.step) for layer, _, weight in _sampled(case)}
    layer = _largest(growth)
    if layer is None or not growth[layer] > SUDDEN:
        return None
    return Mitigation(
        text=f"Look at what wrote to {layer} before step {fault.step:,}: its weights grew {growth[layer]:.2g}-fold"
        " there, which steps do not do. Loading, initialising again, tying or scaling of weights does.",
        gain="removes the cause; clipping leaves the weights as large as they are",
        cost="none",
        source="the norms of this run's own weights",
    )


def _sampled(case: Case) -> Iterator[tuple[str, Series, Series]]:
    """Yield layers with their gradient norms and weight norms."""
    norms, weights = (sampled_columns(case, f"gradient.{name}") for name in ("layer_norm", "weight_norm"))
    yield from ((layer, norms[layer], weights[layer]) for layer in norms if layer in weights)


def _largest(values: Mapping[str, float]) -> str | None:
    finite = {layer: value for layer, value in values.items() if np.isfinite(value)}
    return max(finite, key=lambda layer: finite[layer]) if finite else None


def _growth(weight: Series, step: int) -> float:
    """Return by how much a norm grew around a step: from `LOOK` steps before it to the next sample after it."""
    before, after = weight.value[weight.step < step - LOOK], weight.value[weight.step >= step][:1]
    return float(after[0] / before[-1]) if before.size and after.size and before[-1] > 0 else np.nan


@rule(
    code="OPT002",
    severity=Severity.HIGH,
    live=True,
    needs=("gradient.norm",),
    threshold=10.0,
    unit="× median",
    follows_from=("sign-flip", "double-softmax", "logit-growth", "non-finite",
                  "unscaled-input", "bad-init-scale", "missing-zero-grad", "saturated-units",
                  "dead-units", "updates-too-large"),
    remedies=(_smaller_start, _sudden_weights, clip, lower_rate),
)  # fmt: skip
def exploding_gradient(case: Case, threshold: float) -> Fault | None:
    """Flags gradient norms that jump far above the trailing median again and again.

    What it detects:
        At least three steps whose norm before clipping is above `threshold` times the median of the hundred
        steps before, or three in a row whose robust z score is above 6 and whose norm is above three medians; or,
        in the first twenty steps, a median of |gradient| · |weights| / loss above 500, which says by how many
        times itself the loss would change if the weights doubled. Not where the learning rate itself was raised
        tenfold just before, where the loss came back within 30 steps, where batches are less than half as large
        as usual, where norms stay below those of the first steps or the loss below a tenth of the first, or where
        norms stay below a hundred medians and either none is half above the largest so far or the loss then is no
        tenth higher: such steps undo nothing.

    Why it matters:
        A step of ten times the usual length undoes what many steps have learned.

    Example:
        A recurrent network with a gain above one and no clipping.

    Known limits:
        Needs a hundred steps of history. Sparse batches and rare tokens make single jumps, which stay silent.
        Games between several optimizers are not judged.

    References:
        Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks.
    """
    case.one_loss()  # where optimizers play against each other, each makes the other's gradients jump
    at_start = _steep(case)
    if at_start is not None:
        return at_start
    norm = case.series("gradient.norm")
    history(len(norm))
    return _jumps(case, norm, threshold)


def _jumps(case: Case, norm: Series, threshold: float) -> Fault | None:
    z, median = robust_z(norm.value)
    finite = np.isfinite(norm.value)
    # A model that has learned all there is has norms near zero, which jump as they like.
    finite &= case.whole(norm) & (norm.value > np.median(norm.value[:START]))
    high = finite & (norm.value > threshold * median)
    run = finite & (z > 6) & (norm.value > 3 * median)
    steady = np.convolve(run, np.ones(IN_A_ROW), mode="valid") >= IN_A_ROW
    if high.sum() < IN_A_ROW and not steady.any():
        return None
    places = np.flatnonzero(high) if high.sum() >= IN_A_ROW else np.flatnonzero(steady)
    began, ended = int(norm.step[places[0]]), int(norm.step[places[-1]])
    if not _loss_is_high(case, norm.step[places]):
        return None
    if _rate_was_raised(case, began) or (ended - began < ONE_EVENT and _recovers(case, began)):
        return None
    worst = max(places.tolist(), key=lambda place: float(norm.value[place] / median[place]))
    times = float(norm.value[worst] / median[worst])
    if times < HUGE and not (_loss_rises(case, norm.step[places]) and _unheard_of(norm, places)):
        return None
    return Fault(
        summary=f"Gradient norm {times:.0f} times its trailing median at step {norm.step[worst]:,};"
        f" {len(places)} such steps.",
        evidence=(at(norm, worst, threshold * float(median[worst])),),
        step=int(norm.step[places[0]]),
    )


def _loss_is_high(case: Case, steps: NDArray[np.int64]) -> bool:
    """Return whether the loss at any of the steps is a tenth of the first losses or more."""
    loss = case.series("train.loss")
    level = np.abs(loss.value[np.isin(loss.step, steps)])
    return not level.size or not np.nanmax(level) < 0.1 * np.median(np.abs(loss.value[:START]))


def _loss_rises(case: Case, steps: NDArray[np.int64]) -> bool:
    """Return whether the loss at jumps and right after is above that before the first: else they undid nothing."""
    loss = case.series("train.loss")
    before = loss.value[(loss.step < steps[0]) & (loss.step >= steps[0] - START)]
    then = loss.value[np.isin(loss.step, [*steps, *(steps + 1), *(steps + 2)])]
    if not before.size or not then.size or not np.isfinite(np.append(before, then)).all():
        return True
    level = float(np.median(before))
    return float(np.median(then)) > level + 0.1 * abs(level)


def _unheard_of(norm: Series, places: NDArray[np.intp]) -> bool:
    """Return whether jumps are well above all norms before the first: rare examples make the same jumps all along."""
    before = norm.value[: places[0]]
    return not before.size or float(np.nanmax(norm.value[places])) > UNHEARD * float(np.nanmax(before))


def _recovers(case: Case, step: int) -> bool:
    """Return whether the loss comes back to what it was before `step`: one bad batch, not an explosion."""
    loss = case.series("train.loss")
    before = loss.value[(loss.step < step) & (loss.step >= step - START)]
    after = loss.value[(loss.step > step + ONE_EVENT) & (loss.step <= step + ONE_EVENT + START)]
    return before.size > 0 and after.size > 0 and float(np.median(after)) < 1.5 * float(np.median(before))


def _rate_was_raised(case: Case, step: int) -> bool:
    """Return whether the learning rate rose tenfold within the fifty steps before."""
    rate = case.series("optimizer.lr")
    before = rate.value[(rate.step > step - 50) & (rate.step <= step) & (rate.value > 0)]
    return before.size > 1 and float((before[1:] / before[:-1]).max()) > 10


def _steep(case: Case) -> Fault | None:
    norm, loss = case.series("gradient.norm"), case.series("train.loss")
    first = [float(series.value[0]) for series in sampled_columns(case, "gradient.weight_norm").values()]
    early, level = norm.value[:START], loss.value[:START]
    if (
        not first
        or not early.size
        or norm.step[0] > START
        or early.size < START
        or level.size < START
        or not (level > 0).all()  # a loss around zero is steep for its size
    ):
        return None
    steepness = float(np.median(early) * np.linalg.norm(first) / np.median(level))
    if not STEEP < steepness < np.inf:
        return None
    return Fault(
        summary=f"From the first step on the loss is so steep that doubling the weights would change it"
        f" {nice(steepness):,.0f} times over (gradient norm {np.median(early):.3g}).",
        evidence=(
            Evidence(summary="|gradient| · |weights| / loss, median of the first steps", step=1,
                     series="gradient.norm", value=steepness, limit=STEEP, unit="× loss"),
        ),
        step=1,
    )  # fmt: skip


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
    follows_from=("non-finite", "unscaled-input", "bad-init-scale", "saturated-units", "dead-units",
                  "over-regularised", "parameter-never-updated", "symmetric-init", "input-ignored"),
    remedies=(_residuals,),
)  # fmt: skip
def vanishing_gradient(case: Case, threshold: float) -> Fault | None:
    """Flags first layers that get almost no gradient while the loss is still high.

    What it detects:
        The median gradient norm of the first layer is below `threshold` times that of the last, and the loss has
        fallen by less than 30 %, or no longer falls after the first quarter of the run.

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
    if norms[last] <= 0 or (fall(loss) > 0.3 and not stuck(loss.value[np.isfinite(loss.value)])):
        return None
    found = norms[first] / norms[last]
    if found >= threshold:
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
