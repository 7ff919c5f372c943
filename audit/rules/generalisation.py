"""Faults of generalisation: what the model has learned by heart, and training that no longer helps."""

from __future__ import annotations

import itertools

import numpy as np

from ..beststep import FEWEST as PRICED
from ..beststep import UnclearError, falls_again, risen
from ..formats import percent
from ..model import Confidence, Evidence, Metric, Mitigation, Severity
from ..price import Price, in_words, price
from ..record import Series
from .case import Case, nice
from .declaration import CannotTellError, Fault, rule
from .widening import require_alone, require_general

STRIPS = 3
MOST_DROPOUT = 0.5
SURELY = 5.0  # % above the lowest loss, for a high confidence
WAITED = 3  # validations after the lowest that early stopping waits for by default


def _regularise(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend more of the regularisation that the model already has a setting for."""
    settings: dict[str, bool | int | float | str] = {}
    dropout, decay = case.setting("model.dropout"), case.setting("optimizer.weight_decay")
    if isinstance(dropout, int | float) and dropout < MOST_DROPOUT:
        settings["model.dropout"] = nice(min(MOST_DROPOUT, dropout + 0.2))
    if isinstance(decay, int | float) and decay < 0.1:
        settings["optimizer.weight_decay"] = 0.1
    if not settings:
        return None
    told = " and ".join(f"{key.partition('.')[2].replace('_', ' ')} {value}" for key, value in settings.items())
    return Mitigation(
        text=f"Regularise: {told}.",
        settings=settings,
        gain="a smaller gap at the same model size",
        cost="the training loss falls more slowly",
        source="Srivastava et al. 2014, Dropout; Loshchilov and Hutter 2019, Decoupled Weight Decay",
    )


def _stop_at_best(case: Case, fault: Fault) -> Mitigation:
    """Recommend the step with the lowest validation loss, priced by the run's own ledger."""
    best, found = fault.step or 1, _price(case)
    if found is not None and found.steps:
        stop = found.best.step
        text = f"Stop at step {stop:,}, as EarlyStopping(patience={found.patience}) would soon after"
        kept = f"a validation loss within {found.best.within:.2g} of the lowest"
        saved = f"{percent(found.share)} of the {found.basis}{in_words(found, _totals(case))}"
    else:
        stop, kept = best, "the best validation loss of this run"
        text = f"Stop at step {best:,}, where the validation loss was lowest"
        saved = f"{percent(1 - best / max(case.steps, 1))} of the steps"
    return Mitigation(
        text=f"{text}, or keep that checkpoint.",
        settings={"trainer.max_steps": stop},
        gain=f"keeps {kept} and saves {saved}",
        cost="none",
        source="Prechelt 1998, Early Stopping: But When?",
    )


def _totals(case: Case) -> dict[str, Metric]:
    names = ("carbon.energy_kwh", "carbon.emissions_kg", "carbon.cost")
    return {name: total for name in names if (total := case.metric(name)) is not None}


def _price(case: Case) -> Price | None:
    """Return what the steps after the best one cost; None where no best step can be told."""
    try:
        return price(case)
    except UnclearError:
        return None


def _more_data(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Train on more or more varied examples, or augment those that you have.",
        gain="can lower the gap and the validation loss together",
        cost="collecting data",
        source="Hestness et al. 2017, Deep Learning Scaling is Predictable, Empirically",
    )


@rule(
    code="GEN001",
    severity=Severity.HIGH,
    status="preview",
    needs=("overfitting.gap", "overfitting.val_loss"),
    threshold=5.0,
    unit="% above the lowest validation loss",
    remedies=(_regularise, _stop_at_best, _more_data),
)
def overfitting(case: Case, threshold: float) -> Fault | None:
    """Flags runs that go on learning the training data at the cost of everything else.

    What it detects:
        The last gap between validation and training loss, both in eval mode on the same weights, has a 95 %
        interval above zero; the validation loss stands more than `threshold` per cent above its lowest value
        (Prechelt's generalisation loss); and it has risen since then by five standard errors of its noise, or,
        with fewer than six validations, over three successive strips. The training loss has not risen since then
        by more than a quarter of that. The confidence is high where the intervals of the gap around the lowest
        validation loss and at the end do not overlap.

    Why it matters:
        The model that is saved last is worse than one that the run already had, on everything but the data
        that it was trained on.

    Example:
        A wide network on two hundred examples.

    Known limits:
        The validation examples are always the same: of fewer than a hundred, the loss may rise although that of new
        data does not (4 of 75 healthy runs with 24 to 96 of them). Where the loss was falling again when the run
        ended, as in double descent, the rule cannot tell; nor where both losses rose, nor where the validation loss
        was never below the first training losses, as before grokking. A training loss that is scaled, or holds
        more than the validation loss, may hide or feign the last.

    References:
        Prechelt 1998, Early Stopping: But When?
    """
    gap = case.metric("overfitting.gap")
    if gap is None or gap.value is None:
        raise CannotTellError(f"the gap is not known: {gap.reason if gap else 'it was not measured'}")
    if gap.low is None:
        raise CannotTellError("the gap has no interval: the probe held fewer than two batches")
    loss = _finite(case.series("overfitting.val_loss"))
    best, raised = _generalisation_loss(*loss)
    if gap.low <= 0 or raised <= threshold or not _has_risen(loss[1], best):
        return None
    require_general(case, loss[1])
    confidence, step = require_alone(case, *loss), int(loss[0][best])
    return Fault(
        summary=f"Validation loss rose {raised:.0f} % above its lowest at step {step:,}; the gap is"
        f" {gap.value:.2f} [{gap.low:.2f}, {gap.high or gap.value:.2f}].",
        evidence=(
            Evidence(summary="validation loss above its lowest", step=int(loss[0][-1]), series="overfitting.val_loss",
                     value=raised, limit=threshold, unit="%"),
            Evidence(summary="gap of validation and training loss", step=int(loss[0][-1]),
                     series="overfitting.gap", value=gap.value, limit=0.0, unit="loss"),
        ),
        confidence=confidence,
        step=step,
    )  # fmt: skip


@rule(
    code="GEN002",
    severity=Severity.MEDIUM,
    status="preview",
    needs=("overfitting.val_loss",),
    threshold=20.0,
    unit="% of the steps",
    follows_from=("overfitting",),
    remedies=(_stop_at_best,),
)
def overtraining(case: Case, threshold: float) -> Fault | None:
    """Flags training that went on after the validation loss was lowest.

    What it detects:
        More than `threshold` per cent of the steps came after the step with the lowest validation loss, over more
        validations than the three that early stopping waits for by default; the last third of them has a mean more
        than 2 % above the loss around the lowest one, and the loss has risen by five standard errors of its noise,
        or, with fewer than six validations, over three successive strips. Where it was falling again at the end, the
        rule cannot tell. Nor can it where the 95 % interval of the last gap holds zero, where the training loss rose
        by more than a quarter of that, too, or where the validation loss was never below the first training losses.
        The price is that of the steps after the first whose validation loss was the lowest within one standard error.

    Why it matters:
        Those steps cost energy, time and money, and the model got worse.

    Example:
        Fifty epochs where ten would do.

    Known limits:
        Some tasks get better long after they got worse; a run that ends before that looks the same, unless it had
        learned nothing general (grokking). See GEN001 for small validation sets.

    References:
        Prechelt 1998, Early Stopping: But When?
    """
    step, value = _finite(case.series("overfitting.val_loss"))
    best, _ = _generalisation_loss(step, value)
    # Means, not points: the lowest of many noisy losses is low by chance.
    around, last = value[max(0, best - 1) : best + 2].mean(), np.array_split(value[best:], STRIPS)[-1]
    raised = 100 * (float(last.mean() / around) - 1) if last.size else 0.0
    after = 100 * (1 - float(step[best]) / max(case.steps, 1))
    waited = value.size - 1 - best <= WAITED
    if raised <= 2 or after <= threshold or waited or not _has_risen(value, best):
        return None
    require_general(case, value)
    confidence = require_alone(case, step, value)
    _require_gap(case)
    found = _require_price(case, step.size)
    told = f", {percent(found.share)} of the {found.basis}{in_words(found, _totals(case))}" if found else ""
    return Fault(
        summary=f"{after:.0f} % of the steps came after the best one ({int(step[best]):,}){told}.",
        evidence=(
            Evidence(summary="steps after the lowest validation loss", step=int(step[best]),
                     series="overfitting.val_loss", value=after, limit=threshold, unit="%"),
        ),
        confidence=confidence if raised > SURELY else Confidence.MEDIUM,
        step=int(step[best]),
    )  # fmt: skip


def _require_gap(case: Case) -> None:
    """Refuse to call a rise overtraining where the validation set is too small to tell it from chance.

    Raises:
        CannotTellError: The interval of the gap holds zero.
    """
    gap = case.metric("overfitting.gap")
    if gap is not None and gap.low is not None and gap.low <= 0:
        raise CannotTellError(
            "the validation loss rose, but the interval of the gap holds zero: a larger validation set would tell"
        )


def _require_price(case: Case, validations: int) -> Price | None:
    """Return the price; None of too few validations for one.

    Raises:
        CannotTellError: There are enough, and they show no best step, as in double descent.
    """
    try:
        return price(case)
    except UnclearError as error:
        if validations < PRICED:
            return None
        raise CannotTellError(str(error)) from error


def _finite(series: Series) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.isfinite(series.value)
    if chosen.sum() <= STRIPS:
        raise CannotTellError(f"{int(chosen.sum())} validations with a finite loss, it takes {STRIPS + 1}")
    return series.step[chosen], series.value[chosen]


def _generalisation_loss(step: np.ndarray, value: np.ndarray) -> tuple[int, float]:
    """Return the place of the lowest loss and by how many per cent the last one stands above it."""
    best = int(value.argmin())
    if value[best] <= 0:
        raise CannotTellError("the validation loss is not positive: a relative rise means nothing")
    return best, 100 * float(value[-1] / value[best] - 1)


def _has_risen(value: np.ndarray, best: int) -> bool:
    """Return whether the loss has risen since its lowest by more than its noise; of few losses, strip by strip.

    Raises:
        CannotTellError: It has risen, and was falling again at the end.
    """
    if value.size < PRICED:
        return _rises(value[best:])
    if not risen(value):
        return False
    if falls_again(value):
        raise CannotTellError(
            "the validation loss rose and was falling again when the training ended (double descent or grokking):"
            " train on to tell"
        )
    return True


def _rises(value: np.ndarray) -> bool:
    """Return whether the mean rises over successive strips after the first value."""
    after = value[1:]
    if after.size < STRIPS:
        return False
    means = [float(strip.mean()) for strip in np.array_split(after, STRIPS)]
    return float(value[0]) < means[0] and all(a < b for a, b in itertools.pairwise(means))
