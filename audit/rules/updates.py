"""Faults of single steps: the weights do not follow, or a moving average misjudges how far to go."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..formats import percent
from ..model import Evidence, Mitigation, Scalar, Severity
from ..record import Series
from .case import Case, Floats, nice
from .declaration import CannotTellError, Fault, rule
from .evidence import HEALTHY_RATIO, HEALTHY_START, at, overall_ratio, refuse_search

FEWEST = 5  # samples in a row
WINDOWS = 2  # of fifty steps
SETTLING = 20  # first steps, in which the moments of a gradient form
WIDE = 1.0  # epsilon over the median of the root that it is added to
PLAIN_EPSILON, PLAIN_BETAS = 1e-8, (0.9, 0.999)
TOO_LARGE = 0.1  # of the weights, for the first steps without a large epsilon


def _hold_and_step(case: Case, fault: Fault) -> Mitigation:
    """Say where the step goes instead."""
    unheld = case.series("optimizer.unheld_share")
    if len(unheld) and unheld.value[-1] == 1:
        text = (
            "Give the optimizer the parameters that compute the loss: self.parameters() in configure_optimizers, and"
            " nothing after it that puts others in their place (a copy of the model, a layer made anew, weights"
            " assigned as a new nn.Parameter). Make such changes in __init__ or configure_model."
        )
    else:
        text = (
            "Let the step be taken: an override of optimizer_step must call"
            " optimizer.step(closure=optimizer_closure), and an own optimizer must change its parameters in place,"
            " under torch.no_grad()."
        )
    return Mitigation(
        text=text,
        gain="the model learns at all",
        cost="the run has to be trained again from where it stood still",
        source="Lightning documentation, LightningModule.optimizer_step and configure_optimizers",
    )


@rule(
    code="OPT023",
    severity=Severity.CRITICAL,
    live=True,
    needs=("optimizer.moved_share",),
    threshold=0.0,
    unit="share of the weights",
    remedies=(_hold_and_step,),
)
def no_op_step(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose steps leave all weights as they are, although there are gradients and a learning rate.

    What it detects:
        In the last five or more samples no more than `threshold` of the weights have changed since the sample before.
        Weights count whose gradient times the learning rate is a hundred times their rounding, so that small rates
        and the end of a schedule are silent; so are steps that were skipped.

    Why it matters:
        The loss goes up and down with the batches, checkpoints are written, and the model is the one it began as.

    Example:
        An optimizer that was given the parameters of a copy of the model; an override of optimizer_step that does
        not call optimizer.step; layers made anew after configure_optimizers.

    Known limits:
        Where gradients are cleared right after the step, as some do by hand, there is nothing to judge by. LBFGS
        may stand still by right.

    References:
        TrainCheck (Jiang et al. 2025), on silent training errors.
    """
    refuse_search(case)
    moved = case.series("optimizer.moved_share")
    skipped = [event["step"] for kind in ("skipped_step", "skipped_batch") for event in case.events(kind)]
    known = np.isfinite(moved.value) & ~np.isin(moved.step, skipped)
    step, value = moved.step[known], moved.value[known]
    if step.size < FEWEST:
        raise CannotTellError(f"{step.size} of {FEWEST} samples of steps that should have changed the weights")
    last = int(np.flatnonzero(value > threshold)[-1]) + 1 if (value > threshold).any() else 0
    still = value.size - last
    if still < FEWEST:
        return None
    unheld = case.series("optimizer.unheld_share")
    why = ": no optimizer holds any of its parameters" if len(unheld) and unheld.value[-1] == 1 else ""
    return Fault(
        summary=f"No weight of the model has changed from step {step[last]:,} on, in {still} samples of steps with"
        f" gradients{why}.",
        evidence=(
            Evidence(summary="weights that changed", step=int(step[last]), series=moved.name, value=0.0,
                     limit=threshold, unit="share"),
        ),
        step=int(step[last]) if last else 0,
    )  # fmt: skip


def _usual_moments(case: Case, fault: Fault) -> Mitigation:
    """Recommend what brings the step back to about the learning rate."""
    epsilon, betas = _epsilon(case), _betas(case)
    settings: dict[str, Scalar] = {}
    if "epsilon" in fault.evidence[0].summary:
        value = min(PLAIN_EPSILON, nice(epsilon / (100 * (fault.evidence[0].value or 1.0)), 1))
        settings["optimizer.eps"] = value
        text = f"Set eps={value:g}, a hundredth or less of what it is added to, instead of {epsilon:g}."
        rate, grown = case.number("optimizer.lr"), _grown(case, fault)
        if rate is not None and grown is not None and grown > TOO_LARGE:
            settings["optimizer.lr"] = nice(rate * HEALTHY_START / grown)
            text += f" Then steps get longer: set the learning rate to {settings['optimizer.lr']:g} with it."
    elif _forgetful(case) >= 1:
        first, second = PLAIN_BETAS
        settings = {"optimizer.beta1": first, "optimizer.beta2": second}
        text = f"Set betas=({first:g}, {second:g}) instead of ({betas[0]:g}, {betas[1]:g}): the second moment has to"
        text += " remember longer than the first."
    else:
        value = nice(max(1e-8, 100 * epsilon), 1)
        settings["optimizer.eps"] = value
        text = f"Set eps={value:g} instead of {epsilon:g}, and keep the optimizer's state in float32."
    return Mitigation(
        text=text,
        settings=settings,
        gain="each weight takes a step of about the learning rate, whatever the size of its gradient",
        cost="none",
        source="Kingma and Ba 2015, Adam, section 2; Reddi et al. 2018, On the Convergence of Adam and Beyond",
    )


def _grown(case: Case, fault: Fault) -> float | None:
    """Return the update ratio that there would be without epsilon; None where updates were not sampled."""
    ratio = overall_ratio(case)
    return None if ratio is None else ratio * (1 + (fault.evidence[0].value or 0.0))


def _epsilon(case: Case) -> float:
    return case.number("optimizer.eps") or PLAIN_EPSILON


def _betas(case: Case) -> tuple[float, float]:
    found: Any = case.setting("optimizer.betas")
    return (float(found[0]), float(found[1])) if isinstance(found, list | tuple) and len(found) == 2 else PLAIN_BETAS


@rule(
    code="OPT027",
    severity=Severity.HIGH,
    needs=("optimizer.step_p99",),
    threshold=10.0,
    unit="× learning rate",
    follows_from=("non-finite", "no-op-step", "vanishing-gradient"),
    remedies=(_usual_moments,),
)
def bad_optimizer_epsilon(case: Case, threshold: float) -> Fault | None:
    """Flags steps of Adam and its kin whose denominator is mostly epsilon, or next to nothing.

    What it detects:
        After the first twenty steps, in more than half of the samples, epsilon is larger than the median of √v̂ to
        which it is added, while the loss is still high and steps are below a thousandth of the weights; or the 99th
        percentile of |m̂| / (√v̂ + ε), which is about one, is above `threshold`, or has no bound because β₁² is not
        below β₂.

    Why it matters:
        With a large epsilon Adam is plain gradient descent with a rate of lr / ε. Where the first moment remembers
        longer than the second, or the second has rounded to zero, a few weights are thrown far away.

    Example:
        eps=1; or betas=(0.999, 0.9), exchanged.

    Known limits:
        Reads the moments of optimizers that keep them as torch.optim.Adam does. Whoever has raised epsilon and the
        rate together, on purpose, gets updates of healthy size and stays unflagged.

    References:
        Kingma and Ba 2015, Adam; Reddi et al. 2018, On the Convergence of Adam and Beyond, which assumes β₁ below
        the root of β₂; Wortsman et al. 2023, Small-scale proxies for large-scale Transformer training
        instabilities, section 3.4.
    """
    worst: Fault | None = None
    for length in case.by_optimizer("optimizer.step_p99"):
        late = _late(length)
        if late.size < FEWEST:
            raise CannotTellError(f"{late.size} of {FEWEST} samples of the optimizer's moments")
        if float(np.median(late)) > threshold:
            worst = _thrown(length, threshold)
    return worst or _unbounded(case) or _swamped(case)


def _forgetful(case: Case) -> float:
    """Return β₁² / β₂: from one on, gradients that the second moment has forgotten are still in the first."""
    first, second = _betas(case)
    return first**2 / second if second > 0 else math.inf


def _unbounded(case: Case) -> Fault | None:
    if _forgetful(case) < 1:
        return None
    first, second = _betas(case)
    return Fault(
        summary=f"betas=({first:g}, {second:g}): the first moment remembers longer than the second, so that nothing"
        " bounds a step.",
        evidence=(Evidence(summary="β₁² over β₂", value=_forgetful(case), limit=1.0, unit=""),),
        step=0,
    )


def _late(series: Series) -> Floats:
    return series.value[(series.step > SETTLING) & np.isfinite(series.value)]


def _thrown(length: Series, threshold: float) -> Fault:
    middle = float(np.median(_late(length)))
    return Fault(
        summary=f"One weight in a hundred took steps of more than {middle:.3g} times the learning rate, in the median"
        " sample.",
        evidence=(
            Evidence(summary="99th percentile of the step", series=length.name, value=middle, limit=threshold,
                     unit="× learning rate"),
        ),
        step=1,
    )  # fmt: skip


def _swamped(case: Case) -> Fault | None:
    ratio = overall_ratio(case)
    if ratio is not None and ratio > HEALTHY_RATIO:
        return None
    loss = case.series("train.loss")
    first = np.nanmedian(np.abs(loss.value[:SETTLING])) if len(loss) else 0.0
    for share in case.by_optimizer("optimizer.epsilon_ratio"):
        chosen = share.step > SETTLING
        if len(loss) and first > 0:  # what has been learned has no gradients
            level = np.interp(share.step, loss.step, np.nan_to_num(np.abs(loss.value), nan=np.inf))
            chosen &= level > 0.1 * first
        found = share.value[chosen & np.isfinite(share.value)]
        if found.size < FEWEST or float((found > WIDE).mean()) <= 0.5:
            continue
        middle = float(np.median(found))
        place = int(np.flatnonzero(chosen & (share.value > WIDE))[0])
        return Fault(
            summary=f"Adam's epsilon was {middle:.3g} times what it is added to, in the median sample.",
            evidence=(
                Evidence(
                    summary="epsilon over the median of √v̂", series=share.name, value=middle, limit=WIDE, unit=""
                ),
                at(share, place, WIDE),
            ),
            step=1,
        )
    return None


def _keep_float(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Keep the weights in float32 and compute in bfloat16: precision='bf16-mixed'. Where that does not fit,"
        " round at random or carry along what was lost (stochastic rounding, Kahan summation).",
        settings={"trainer.precision": "bf16-mixed"},
        gain="updates of any size add up",
        cost="four bytes a parameter where there were two, for weights and optimizer",
        source="Micikevicius et al. 2018, Mixed Precision Training, section 3.1; Zamirai et al. 2020, Revisiting"
        " BFloat16 Training",
    )


@rule(
    code="OPT031",
    severity=Severity.HIGH,
    live=True,
    needs=("gradient.update_ratio",),
    threshold=0.5,
    unit="share of the weights",
    follows_from=("non-finite", "no-op-step", "bad-optimizer-epsilon"),
    remedies=(_keep_float,),
)
def lost_updates(case: Case, threshold: float) -> Fault | None:
    """Flags weights in half precision that stay as they are because their updates round to nothing.

    What it detects:
        Of the elements of float16 and bfloat16 matrices that had a gradient in most samples, more than `threshold`
        were the same after fifty steps or more as before, in the median window in which the learning rate was at
        least half of its highest.

    Why it matters:
        bfloat16 has eight bits: what changes a weight by less than a five-hundredth changes nothing, and the same
        small step never adds up. The loss falls at first and then stays.

    Example:
        Fine-tuning a model in pure bfloat16 with a learning rate of 1e-5.

    Known limits:
        An optimizer that rounds at random moves such weights, if slowly: at rates below a ten-thousandth of the
        weights it may be flagged. Looks at up to 4,096 elements of each matrix.

    References:
        Zamirai et al. 2020, Revisiting BFloat16 Training.
    """
    lost, rate = case.series("gradient.lost_share"), case.series("optimizer.lr")
    if not len(lost):
        return None  # all weights are in float32, or the run has taken fewer than fifty steps
    fast = rate.step[rate.value >= 0.5 * rate.value.max()] if len(rate) else lost.step
    chosen = np.isfinite(lost.value) & np.isin(lost.step, fast)
    if chosen.sum() < WINDOWS:
        raise CannotTellError(f"{chosen.sum()} of {WINDOWS} windows of fifty steps at a high learning rate")
    middle = float(np.median(lost.value[chosen]))
    if middle <= threshold:
        return None
    return Fault(
        summary=f"{percent(middle)} of the half-precision weights with gradients did not move in fifty steps: their"
        " updates round to nothing.",
        evidence=(
            Evidence(summary="weights that stayed, median window", series=lost.name, value=middle, limit=threshold,
                     unit="share"),
            at(lost, int(np.flatnonzero(chosen)[0]), threshold),
        ),
        step=1,
    )  # fmt: skip
