"""Faults of the match of model, data and validation set, as far as the two loss curves show them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Confidence, Evidence, Mitigation, Severity
from ..price import finite
from .case import Case, Floats, nice
from .declaration import CannotTellError, Fault, rule
from .evidence import lower_rate

FEWEST = 8  # validations
FLAT = 1.0  # % of the loss that a flat third may still fall or rise
SMALL_GAP = 0.1  # of the training loss, that a gap may have where the model has learned nothing by heart
FIRST = 5  # steps that say where the training loss began
ALMOST_NONE = 0.5  # % of where the training loss began, within which wavering is of no account
QUARTILE = 1.1503  # standard deviations from the middle, within which three quarters of normal noise lie
MISSED = 45.0  # % of what a reference gets right
MISSED_BY_SMALL = 12.0  # the same of a model that is linear, has a narrow last layer, or no longer moves at full rate
SURELY = 0.5  # of these, at the lower end of the interval
FROZEN = 0.5  # of the weights, of which most was learned before
LITTLE = 0.1  # of the examples or of the variance: a reference that reaches no more than that tells nothing
STILL_FALLING = 25.0  # % of the training loss, in the last third
PER_OUTPUT = 4  # units
WIDTHS = ("width", "hidden_size", "d_model")
PRETRAINED = ("pretrained", "pretrained_model_name_or_path", "model_name_or_path", "checkpoint", "ckpt_path")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaps:
    """The gap where it has an interval; all of shape [n], n at least `FEWEST`."""

    step: NDArray[np.int64]
    value: Floats
    low: Floats
    high: Floats


def gaps(case: Case) -> Gaps:
    """Return the gaps that have an interval.

    Raises:
        CannotTellError: There are too few.
    """
    found = [finite(case.series(f"overfitting.gap{end}")) for end in ("", "_low", "_high")]
    steps = reduce(np.intersect1d, (step for step, _ in found))
    if steps.size < FEWEST:
        raise CannotTellError(f"{steps.size} validations with an interval of the gap, it takes {FEWEST}")
    value, low, high = (value[np.isin(step, steps)] for step, value in found)
    return Gaps(step=steps, value=value, low=low, high=high)


def _less_regularisation(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend less of the regularisation that the model has a setting for."""
    dropout, decay = case.number("model.dropout"), case.number("optimizer.weight_decay")
    settings: dict[str, bool | int | float | str] = {}
    if dropout is not None and dropout > 0.05:
        settings["model.dropout"] = nice(dropout / 4)
    if decay is not None and decay > 1e-3:
        settings["optimizer.weight_decay"] = nice(decay / 10)
    if not settings or _narrow(case):
        return None
    told = " and ".join(f"{key.partition('.')[2].replace('_', ' ')} {value:g}" for key, value in settings.items())
    return Mitigation(
        text=f"Regularise less: {told}.",
        settings=settings,
        gain="the training loss can fall further, as long as there is no gap",
        cost="none; a gap that opens shows when it was too much",
        source="Goodfellow et al. 2016, Deep Learning, section 11.4",
    )


def _larger_model(case: Case, fault: Fault) -> Mitigation:
    """Recommend twice the width or depth that the model has a setting for."""
    sizes = ((key, case.number(f"model.{key}")) for key in (*WIDTHS, "depth"))
    key, size = next(((key, size) for key, size in sizes if size), ("", 0.0))
    larger = max(2 * size, _wide_enough(case) if key != "depth" else 0)
    settings: dict[str, bool | int | float | str] = {f"model.{key}": round(larger)} if key else {}
    text = f"Raise the {key.replace('_', ' ')} from {size:g} to {larger:g}" if key else "Try a larger model"
    return Mitigation(
        text=f"{text}; if the training loss then ends as high, look for what the inputs do not tell.",
        settings=settings,
        gain="tells a model that is too small from data that say no more",
        cost=f"about {(larger / size) ** 2:.0f} times the compute of those layers" if key in WIDTHS else "compute",
        source="Goodfellow et al. 2016, Deep Learning, section 11.3",
    )


def _narrow(case: Case) -> bool:
    """Return whether hidden layers are so narrow that this comes first."""
    width = next((size for key in WIDTHS if (size := case.number(f"model.{key}"))), None)
    return width is not None and width < _wide_enough(case)


def _wide_enough(case: Case) -> int:
    """Return four units for each output: where a layer has fewer units than there are outputs, they share them."""
    probes = [event["output"]["dimension"] for event in case.events("representation") if event.get("output")]
    return PER_OUTPUT * int(probes[-1]) if probes else 0


@rule(
    code="GEN004",
    severity=Severity.LOW,
    status="preview",
    needs=("overfitting.train_loss", "train.loss"),
    threshold=70.0,
    unit="% of the first training loss",
    follows_from=(
        "stagnant-loss",
        "over-regularised",
        "updates-too-small",
        "scheduler-mistake",
        "vanishing-gradient",
    ),
    remedies=(_less_regularisation, _larger_model),
)
def underfitting(case: Case, threshold: float) -> Fault | None:
    """Flags runs that learned little of what their data tell, learn no more and have no gap.

    What it detects:
        Where a model classifies examples or predicts a number for each: at the end it makes more errors on examples
        that it was trained on than kernel ridge regression makes on the same ones, each left out when it is fitted to
        up to 511 others. Of what this reference gets better than always saying the same, the model misses more than
        45 %, or 12 % where it is linear, its last hidden layer has fewer units than there are outputs, or its loss
        moved by less than 1 % in the last third of the run at a learning rate that had not come down; at the lower
        end of the 95 % interval at least half of that; and its training loss fell by less than a quarter in that
        third. That weighs medium, with high confidence. Where most weights are frozen, as with adapters, this is not
        asked.

        Elsewhere: the training loss in eval mode ends above `threshold` per cent of the training loss of the first
        five steps; it moved by less than 1 % from the middle third of the validations to the last one; and the last
        gap is no more than a tenth of it.

    Why it matters:
        More steps and more data of the same kind will not help: size, regularisation, learning rate or inputs will.

    Example:
        A linear model on images.

    Known limits:
        Where the targets are mostly chance, a perfect model looks the same: no record of one run tells how low the
        loss could be, where the reference does not apply. So does a pretrained model that fine-tuning makes little
        better: where a hyperparameter says that it is one, the rule cannot tell; else nothing shows it. So the
        confidence is low there. The reference looks at raw inputs: of large images, text and long series it knows
        little, and then it names nothing.

    References:
        Goodfellow et al. 2016, Deep Learning, sections 5.2 and 11.3; Rasmussen and Williams 2006, Gaussian Processes
        for Machine Learning, sections 2.2 and 5.4.2.
    """
    if any(event.get("frozen", 0.0) < FROZEN for event in case.events("reference")[-1:]):
        return _beaten(case)
    start = case.one_loss().value[:FIRST]
    step, loss = finite(case.series("overfitting.train_loss"))
    gap = gaps(case)
    if loss.size < FEWEST or not np.isfinite(start).all() or start.mean() <= 0:
        raise CannotTellError("the training loss has too few finite, positive values")
    _, middle, last = (float(part.mean()) for part in np.array_split(loss, 3))
    share, fell = 100 * last / float(start.mean()), 100 * (1 - last / middle)
    if share <= threshold or abs(fell) >= FLAT or gap.value[-1] > SMALL_GAP * last:
        return None
    _require_untrained(case)
    return Fault(
        summary=f"The training loss stands still at {last:.3g}, {share:.0f} % of where it began, with hardly a gap.",
        evidence=(
            Evidence(summary="last third of the training loss, of its first steps", step=int(step[-1]),
                     series="overfitting.train_loss", value=share, limit=threshold, unit="%"),
            Evidence(summary="fall from the middle third to the last", step=int(step[-1]),
                     series="overfitting.train_loss", value=fell, limit=FLAT, unit="%"),
        ),
        confidence=Confidence.LOW,
    )  # fmt: skip


def _beaten(case: Case) -> Fault | None:
    """Return the fault where a simple method knows more of left-out examples than the model of those it has seen."""
    told = case.events("reference")[-1]
    step, loss = finite(case.series("overfitting.train_loss"))
    reach = told["trivial"] - told["reference"]
    beaten_by = (told["model"] - told["reference"], told["low"])
    missed, surely = (100 * value / reach if reach > 0 else 0.0 for value in beaten_by)
    if missed <= MISSED_BY_SMALL or reach <= LITTLE:
        return None
    if loss.size < 3:
        raise CannotTellError(f"{loss.size} of 3 validations: whether the loss still falls is not known")
    before = float(np.interp(step[-1] * 2 / 3, step, loss))
    fell = 100 * (1 - float(loss[-1]) / before) if before > 0 else 0.0
    limit = MISSED_BY_SMALL if _small(case) or (abs(fell) < FLAT and _at_full_rate(case)) else MISSED
    if missed <= limit or surely <= SURELY * limit or fell >= STILL_FALLING:
        return None
    return Fault(
        summary=f"On examples that it was trained on the model errs {_errs(told, told['model'])}; a simple method"
        f" errs {_errs(told, told['reference'])} on examples that it has not seen: the model learns too little.",
        evidence=(
            Evidence(summary=f"of what the reference gets right missed, {told['examples']:,} examples",
                     step=int(step[-1]), series="reference", value=missed, limit=limit, unit="%"),
        ),
        confidence=Confidence.HIGH,
        severity=Severity.MEDIUM,
    )  # fmt: skip


def _small(case: Case) -> bool:
    """Return whether the last layer gets fewer features than it has outputs, or the inputs themselves."""
    probes = [event for event in case.events("representation") if event.get("output")]
    last = probes[-1] if probes else None
    return last is not None and (last.get("raw") or last["hidden"]["dimension"] < last["output"]["dimension"])


def _at_full_rate(case: Case) -> bool:
    """Return whether the learning rate has not come down: a loss stands still, too, where steps get small."""
    rate = case.series("optimizer.lr").value
    return bool(rate.size) and float(rate[-1]) >= 0.5 * float(rate.max())


def _errs(told: dict[str, Any], error: float) -> str:
    return f"in {100 * error:.1f} %" if told["of"] == "classes" else f"by {100 * error:.0f} % of the variance"


def _require_untrained(case: Case) -> None:
    """Refuse to judge by where the loss began if the model had learned before.

    Raises:
        CannotTellError: A hyperparameter names what it was trained on before, or where from.
    """
    key = next((key for key in PRETRAINED if case.setting(f"model.{key}")), None)
    if key is not None:
        raise CannotTellError(
            f"the model began pretrained (model.{key}): a loss that stays near its beginning may be low enough"
        )


def _average_weights(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Average the weights of the last steps (WeightAveraging or StochasticWeightAveraging), or let the"
        " learning rate come down at the end, before judging by a single validation.",
        gain="the noise of single steps cancels out",
        cost="a copy of the weights",
        source="Izmailov et al. 2018, Averaging Weights Leads to Wider Optima and Better Generalization",
    )


def _wait_longer(case: Case, fault: Fault) -> Mitigation:
    _, value = finite(case.series("overfitting.val_loss"))
    longest = waited = 0
    for better in np.minimum.accumulate(value)[:-1] > value[1:]:
        waited = 0 if better else waited + 1
        longest = max(longest, waited)
    return Mitigation(
        text=f"Stop early, if at all, with EarlyStopping(patience={longest + 1}) or more: this run waited up to"
        f" {longest} validations for a new lowest loss.",
        gain="no stop by one unlucky validation",
        cost="the steps of that many validations",
        source="Prechelt 1998, Early Stopping: But When?",
    )


@rule(
    code="GEN006",
    severity=Severity.LOW,
    status="preview",
    needs=("overfitting.val_loss", "overfitting.train_loss", "train.loss"),
    threshold=4.0,
    unit="% of the loss",
    follows_from=("non-finite", "divergence", "oscillation", "loss-spike", "updates-too-large", "exploding-gradient"),
    remedies=(lower_rate, _average_weights, _wait_longer),
)
def unstable_validation(case: Case, threshold: float) -> Fault | None:
    """Flags validation losses that waver because the model jumps from one validation to the next.

    What it detects:
        In the second half of the run single validation losses spread around a smooth curve by more than `threshold`
        per cent of their median, and so do the losses of the training probe, which has the same examples each time.
        Both spreads are more than half a per cent of the training loss of the first five steps: what wavers around
        a loss that has almost gone is of no account. The spread is taken from the upper quartile of the second
        differences, which a single spike hardly moves.

    Why it matters:
        It is the model that jumps, not the examples: which checkpoint looks best is decided by luck.

    Example:
        A constant, high learning rate on small batches.

    Known limits:
        Of fewer than 40 validations the spread is not well known: of healthy runs of which only every second to
        fifth validation was kept, 2 to 3 per cent were named. Where the overhead budget leaves the probe fewer
        batches at one validation than at another, it wavers, too; then only the validation loss tells.

    References:
        Izmailov et al. 2018, Averaging Weights Leads to Wider Optima and Better Generalization.
    """
    start = case.one_loss().value[:FIRST]
    losses = {name: finite(case.series(f"overfitting.{name}")) for name in ("val_loss", "train_loss")}
    fewest = min(value.size for _, value in losses.values())
    if fewest < FEWEST:
        raise CannotTellError(f"{fewest} validations with a finite loss of both sets, it takes {FEWEST}")
    if not np.isfinite(start).all() or start.mean() <= 0:
        raise CannotTellError(
            "the first training losses are not finite and positive: there is nothing to compare with"
        )
    found = {name: _spread(value, float(start.mean())) for name, (_, value) in losses.items()}
    if any(share <= threshold or whole <= ALMOST_NONE for share, whole in found.values()):
        return None
    (val, _), (train, _) = found.values()
    step, _ = losses["val_loss"]
    return Fault(
        summary=f"Single validation losses waver by ± {val:.0f} % around their course, and losses on the same"
        f" training examples by ± {train:.0f} %: the model jumps.",
        evidence=tuple(
            Evidence(summary=f"spread of single losses, {name}", step=int(losses[series][0][-1]),
                     series=f"overfitting.{series}", value=min(found[series][0], 1e6), limit=threshold, unit="%")
            for series, name in (("val_loss", "validation"), ("train_loss", "training probe"))
        ),
        confidence=Confidence.MEDIUM,
        step=int(step[step.size // 2]),
    )  # fmt: skip


def _spread(value: Floats, start: float) -> tuple[float, float]:
    """Return how single losses of the second half spread around a smooth curve, in % of their median and of `start`.

    From second differences, in which a line vanishes: their variance is six times that of independent noise. By the
    upper quartile of their sizes, which of a normal distribution lies at 1.15 standard deviations.
    """
    late = value[value.size // 2 :]
    spread = float(np.quantile(np.abs(np.diff(late, n=2)), 0.75)) / QUARTILE / math.sqrt(6)
    level = abs(float(np.median(late)))
    return 100 * spread / level if level else math.inf, 100 * spread / start
