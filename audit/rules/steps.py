"""Faults between the gradient and the weights: steps that are skipped, clipped, mixed up or pulled to zero."""

from __future__ import annotations

import numpy as np

from ..formats import percent
from ..model import Evidence, Mitigation, Severity
from .case import Case, nice, sampled_columns
from .declaration import CannotTellError, Fault, rule
from .evidence import NAMED, at, clip

LEFT = 0.01  # of a gradient after clipping; healthy runs keep 0.02 and more
SETTLING = 20  # first steps, in which a gradient scaler looks for its scale


def _bfloat(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Train in bfloat16, whose range is that of float32 and which needs no scaler; or look for what"
        " overflows: a loss that is summed instead of averaged, or multiplied.",
        settings={"trainer.precision": "bf16-mixed"},
        gain="no step is skipped",
        cost="three bits of precision",
        source="Kalamkar et al. 2019, A Study of BFLOAT16 for Deep Learning Training",
    )


@rule(
    code="OPT008",
    severity=Severity.HIGH,
    live=True,
    needs=("gradient.norm",),
    threshold=0.05,
    unit="share of the steps",
    remedies=(_bfloat,),
)
def skipped_steps(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose gradient scaler keeps skipping steps.

    What it detects:
        After the first twenty steps more than `threshold` of 200 successive steps (or of all that are left) were
        skipped because gradients overflowed, and at least five; or the scale fell to one.

    Why it matters:
        A skipped step costs as much as one that learns. A scale of one scales nothing: the loss itself is near the
        end of the number range.

    Example:
        A loss in half precision that was multiplied by a million.

    Known limits:
        Sees steps that a gradient scaler skips, not those that the module skips itself.

    References:
        Micikevicius et al. 2018, Mixed Precision Training.
    """
    events = case.events("skipped_step")
    steps = np.array([event["step"] for event in events if event["step"] > SETTLING])
    window = max(1, min(200, case.steps - SETTLING))
    counts = [int(((steps >= step) & (steps < step + window)).sum()) for step in steps]
    tiny = [event["step"] for event in events if isinstance(event.get("scale"), float) and event["scale"] <= 1]
    most = max(counts, default=0)
    if (most < 5 or most / window <= threshold) and not tiny:
        return None
    first = int(steps[int(np.argmax(counts))]) if most else tiny[0]
    told = f"The gradient scaler skipped {most} of {window} steps from step {first:,} on"
    return Fault(
        summary=f"{told}; its scale fell to 1 at step {tiny[0]:,}." if tiny else f"{told}.",
        evidence=(Evidence(summary="skipped", step=first, value=most / window, limit=threshold, unit="share"),),
        step=first,
    )


def _clip_higher(case: Case, fault: Fault) -> Mitigation | None:
    found = clip(case, fault)
    if found is None:
        return None
    text = "Raise the limit to the 95th percentile of this run's own norms, or lower the learning rate on purpose."
    return found.model_copy(update={"text": text, "gain": "the length of a gradient means something again"})


@rule(
    code="OPT009",
    severity=Severity.MEDIUM,
    live=True,
    needs=("gradient.clip_ratio",),
    threshold=0.9,
    unit="share of the steps",
    follows_from=("non-finite", "unscaled-input", "bad-init-scale", "missing-zero-grad", "exploding-gradient",
                  "divergence"),
    remedies=(_clip_higher,),
)  # fmt: skip
def clip_saturation(case: Case, threshold: float) -> Fault | None:
    """Flags clipping that cuts nearly every gradient, and by a lot.

    What it detects:
        In more than `threshold` of at least twenty samples gradients were clipped, and the median of what was left
        is below a hundredth.

    Why it matters:
        The limit, not the gradient, decides how far a step goes: the learning rate is a hundredth or less of what
        was set, and a gradient that means much counts as one that means little.

    Example:
        gradient_clip_val=0.001.

    Known limits:
        Clipping may be meant as normalisation. Adaptive optimizers hardly mind.

    References:
        Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks.
    """
    ratio = case.series("gradient.clip_ratio")
    value = ratio.value[np.isfinite(ratio.value)]
    if value.size < 20:
        raise CannotTellError(f"{value.size} of 20 samples of clipped gradients")
    clipped, left = float((value < 0.999).mean()), float(np.median(value))
    if clipped <= threshold or left >= LEFT:
        return None
    return Fault(
        summary=f"{percent(clipped)} of the sampled gradients were clipped, in the median to {left:.2g} of their"
        " length.",
        evidence=(
            Evidence(summary="clipped", series=ratio.name, value=clipped, limit=threshold, unit="share"),
            Evidence(summary="median of what was left", series=ratio.name, value=left, limit=LEFT, unit="share"),
        ),
        step=int(ratio.step[np.flatnonzero(ratio.value < 0.999)[0]]),
    )


def _clear(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Let Lightning clear the gradients: remove the override of optimizer_zero_grad, or call"
        " optimizer.zero_grad() in it.",
        gain="each step follows its own batch",
        cost="none",
        source="PyTorch documentation, Optimizer.zero_grad",
    )


@rule(
    code="OPT013",
    severity=Severity.HIGH,
    live=True,
    needs=("optimizer.stale_norm",),
    threshold=0.5,
    unit="share of the samples",
    follows_from=("no-op-step",),
    remedies=(_clear,),
)
def missing_zero_grad(case: Case, threshold: float) -> Fault | None:
    """Flags gradients that are never cleared.

    What it detects:
        In more than `threshold` of at least five samples something was left in the gradients when the first
        backward pass of a step began.

    Why it matters:
        Each step follows the sum of all gradients so far, not the one of its batch; lengths grow without end.

    Example:
        An override of optimizer_zero_grad that does nothing.

    Known limits:
        Manual optimisation is not judged: what is left there may be meant.

    References:
        PyTorch documentation, Optimizer.zero_grad.
    """
    left = case.series("optimizer.stale_norm")
    if len(left) < 5:
        raise CannotTellError(f"{len(left)} of 5 samples")
    stale = left.value != 0  # also when it is no longer finite
    if stale.mean() <= threshold:
        return None
    return Fault(
        summary=f"In {percent(stale.mean())} of the sampled steps gradients of earlier steps were still there.",
        evidence=(at(left, int(np.flatnonzero(stale)[0]), 0.0),),
        step=int(left.step[np.flatnonzero(stale)[0]]),
    )


def _less_decay(case: Case, fault: Fault) -> Mitigation | None:
    decay = case.number("optimizer.weight_decay")
    if decay is None or _pull(case) < 1:
        return None
    value = nice(min(0.1, decay / 100))
    return Mitigation(
        text=f"Lower the weight decay from {decay:g} to {value:g}.",
        settings={"optimizer.weight_decay": value},
        gain="the loss, not the decay, decides how large weights are",
        cost="a larger gap, if the data are few",
        source="Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization",
    )


def _pull(case: Case) -> float:
    """Return by which power of e weight decay alone would have shrunk the weights."""
    return (case.number("optimizer.weight_decay") or 0.0) * float(case.series("optimizer.lr").value.sum())


def _less_dropout(case: Case, fault: Fault) -> Mitigation | None:
    dropout = case.number("model.dropout")
    if dropout is None or dropout < 0.8:
        return None
    return Mitigation(
        text=f"Lower the dropout from {dropout:g} to 0.3.",
        settings={"model.dropout": 0.3},
        gain="more than a few units learn from each example",
        cost="a larger gap, if the data are few",
        source="Srivastava et al. 2014, Dropout, figure 9",
    )


@rule(
    code="OPT014",
    severity=Severity.HIGH,
    needs=("gradient.weight_norm",),
    threshold=0.3,
    unit="× first norm",
    remedies=(_less_decay, _less_dropout),
)
def over_regularised(case: Case, threshold: float) -> Fault | None:
    """Flags models that their regularisation keeps from learning.

    What it detects:
        Weight decay alone, times the learning rates of all steps, would shrink the weights to a third, and the
        median over layers of their norm has fallen below `threshold` times what it was; or a dropout layer takes
        out eight units of ten or more.

    Why it matters:
        The weights follow the decay to zero, or too few units are left, and the loss stays where it was.

    Example:
        AdamW with a weight decay of 10.

    Known limits:
        Weights before a normalising layer may shrink without harm.

    References:
        Loshchilov and Hutter 2019; Srivastava et al. 2014, section 7.3.
    """
    dropout = case.number("model.dropout") or 0.0
    if dropout >= 0.8:
        return Fault(
            summary=f"Dropout takes out {percent(dropout)} of the units.",
            evidence=(Evidence(summary="dropout", value=dropout, limit=0.8, unit="share"),),
            step=0,
        )
    if _pull(case) < 1:
        return None
    columns = sampled_columns(case, "gradient.weight_norm")
    kept = {name: float(s.value[-1] / s.value[0]) for name, s in columns.items() if s.value[0] > 0}
    median = float(np.median(list(kept.values()))) if kept else 1.0
    if not median < threshold:
        return None
    least = sorted((share, name) for name, share in kept.items())[:NAMED]
    series = columns[least[0][1]]
    return Fault(
        summary=f"The weights have shrunk to {percent(median)} of their first norm under a weight decay of"
        f" {case.number('optimizer.weight_decay'):g}.",
        evidence=(
            Evidence(summary="median over layers, last norm over first", series="gradient.weight_norm", value=median,
                     limit=threshold, unit="share"),
            *(Evidence(summary="last norm over first", series="gradient.weight_norm", layer=name, value=share,
                       limit=threshold, unit="share") for share, name in least),
        ),
        step=int(series.step[np.flatnonzero(series.value < threshold * series.value[0])[0]]),
    )  # fmt: skip
