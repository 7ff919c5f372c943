"""Faults of the match of model, data and validation set, as far as the two loss curves show them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

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
GATHERED = "train_eval_dataloader"  # random examples of it
PRETRAINED = ("pretrained", "pretrained_model_name_or_path", "model_name_or_path", "checkpoint", "ckpt_path")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gaps:
    """The gap where it has an interval; all of shape [n], n at least `FEWEST`."""

    step: NDArray[np.int64]
    value: Floats
    low: Floats
    high: Floats


def _gaps(case: Case) -> _Gaps:
    """Return the gaps that have an interval.

    Raises:
        CannotTellError: There are too few.
    """
    found = [finite(case.series(f"overfitting.gap{end}")) for end in ("", "_low", "_high")]
    steps = reduce(np.intersect1d, (step for step, _ in found))
    if steps.size < FEWEST:
        raise CannotTellError(f"{steps.size} validations with an interval of the gap, it takes {FEWEST}")
    value, low, high = (value[np.isin(step, steps)] for step, value in found)
    return _Gaps(step=steps, value=value, low=low, high=high)


def _less_regularisation(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend less of the regularisation that the model has a setting for."""
    dropout, decay = case.number("model.dropout"), case.number("optimizer.weight_decay")
    settings: dict[str, bool | int | float | str] = {}
    if dropout is not None and dropout > 0.05:
        settings["model.dropout"] = nice(dropout / 4)
    if decay is not None and decay > 1e-3:
        settings["optimizer.weight_decay"] = nice(decay / 10)
    if not settings:
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
    sizes = ((key, case.number(f"model.{key}")) for key in ("width", "hidden_size", "d_model", "depth"))
    key, size = next(((key, size) for key, size in sizes if size), ("", 0.0))
    settings: dict[str, bool | int | float | str] = {f"model.{key}": round(2 * size)} if key else {}
    text = f"Double the {key.replace('_', ' ')}, from {size:g} to {2 * size:g}" if key else "Try a larger model"
    return Mitigation(
        text=f"{text}; if the training loss then ends as high, look for what the inputs do not tell.",
        settings=settings,
        gain="tells a model that is too small from data that say no more",
        cost="about four times the compute of those layers"
        if key in ("width", "hidden_size", "d_model")
        else "compute",
        source="Goodfellow et al. 2016, Deep Learning, section 11.3",
    )


@rule(
    code="GEN004",
    severity=Severity.LOW,
    status="preview",
    needs=("overfitting.train_loss", "overfitting.gap_low", "train.loss"),
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
    """Flags runs that learned little, learn no more and have no gap.

    What it detects:
        The training loss in eval mode ends above `threshold` per cent of the training loss of the first five steps;
        it moved by less than 1 % from the middle third of the validations to the last one; and the last gap is no
        more than a tenth of it.

    Why it matters:
        More steps and more data of the same kind will not help: size, regularisation, learning rate or inputs will.

    Example:
        A linear model on images.

    Known limits:
        Where the targets are mostly chance, a perfect model looks the same: no record of one run tells how low the
        loss could be. So does a pretrained model that fine-tuning makes little better: where a hyperparameter says
        that it is one, the rule cannot tell; else nothing shows it. So the confidence is low.

    References:
        Goodfellow et al. 2016, Deep Learning, sections 5.2 and 11.3.
    """
    start = case.one_loss().value[:FIRST]
    step, loss = finite(case.series("overfitting.train_loss"))
    gap = _gaps(case)
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


def _look_for_overlap(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Compare the two sets: search for validation examples, or near copies, among those of training, and"
        " split by person, document or time where examples belong together (GroupShuffleSplit, TimeSeriesSplit).",
        gain="a validation loss that says something of new data",
        cost="a pass over the data; the loss may get worse, and truer",
        source="Kapoor and Narayanan 2023, Leakage and the reproducibility crisis in machine-learning-based science",
    )


@rule(
    code="GEN005",
    severity=Severity.MEDIUM,
    status="preview",
    needs=("overfitting.gap_high", "overfitting.train_loss"),
    threshold=5.0,
    unit="% of the training loss",
    remedies=(_look_for_overlap,),
)
def train_validation_leakage(case: Case, threshold: float) -> Fault | None:
    """Flags validation losses that are surely lower than the training loss on the same weights.

    What it detects:
        In eval mode and on random unaugmented training examples (`train_eval_dataloader=`), the 95 % interval of the
        gap lay below zero at the last validation and at three of four in the second half of the run, and the gap is
        more than `threshold` per cent of the training loss. Without such a loader the rule cannot tell: augmentation
        does the same, and so do examples that come first in a sorted set.

    Why it matters:
        A model is rarely better on what it has not seen. Where it is, the validation set is easier, or it was seen.

    Example:
        A validation set made of copies of frequent training examples.

    Known limits:
        Shows that the sets differ, not why: an easier validation set looks the same. Leakage that leaves the
        validation loss above that of training shows no such sign.

    References:
        Kapoor and Narayanan 2023, Leakage and the reproducibility crisis in machine-learning-based science.
    """
    gap, (_, train) = _gaps(case), finite(case.series("overfitting.train_loss"))
    below = gap.high[gap.high.size // 2 :] < 0
    share = -100 * float(gap.value[-1] / train[-1]) if train.size and train[-1] > 0 else 0.0
    if not below[-1] or below.mean() < 0.75 or share <= threshold:
        return None
    _require_random(case)
    return Fault(
        summary=f"The validation loss is {share:.0f} % below the training loss on the same weights, beyond noise:"
        " the validation set is easier, or was seen.",
        evidence=(
            Evidence(summary="validation below training", step=int(gap.step[-1]), series="overfitting.gap",
                     value=share, limit=threshold, unit="%"),
            Evidence(summary="upper end of the gap's interval", step=int(gap.step[-1]),
                     series="overfitting.gap_high", value=float(gap.high[-1]), limit=0.0, unit="loss"),
        ),
        confidence=Confidence.MEDIUM,
    )  # fmt: skip


def _require_random(case: Case) -> None:
    """Refuse to call validation examples seen where those of training may be unlike the rest of their set.

    Raises:
        CannotTellError: They are not random examples of a loader without augmentation.
    """
    source = (case.events("probe") or [{}])[-1].get("source") or "augmented training batches"
    if source != GATHERED:
        raise CannotTellError(
            f"validation is surely better than training, which {source} may explain as well as leakage:"
            " OverfittingMonitor(train_eval_dataloader=…) with shuffled, unaugmented training examples would tell"
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
