"""Epochs beyond those that repeated data are worth."""

from __future__ import annotations

import numpy as np

from ..beststep import falls_again, risen
from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from ..price import finite
from .case import Case
from .declaration import CannotTellError, Fault, rule
from .widening import require_general

FEWEST = 8  # validations
HELPS = 1.0  # % of the validation loss that further epochs have to lower it by


def _epoch_steps(case: Case) -> tuple[float, str]:
    """Return the optimizer steps of an epoch and how they are known.

    Raises:
        CannotTellError: The record does not tell: batches are all alike, and no number of epochs was set.
    """
    known = case.number("data.steps_per_epoch")
    if known:
        return known, "steps per epoch"
    size = case.series("data.batch_size")
    usual = float(np.median(size.value)) if len(size) else 0.0
    short = size.step[size.value < usual]
    if short.size > 1 and len(set(np.diff(short).tolist())) == 1:
        return float(short[1] - short[0]), "the last batch of each is smaller"
    epochs = case.number("trainer.max_epochs")
    if epochs is None:
        raise CannotTellError("the record does not tell how long an epoch is: set max_epochs")
    return case.steps / epochs, "trainer.max_epochs"


def _fewer_epochs(case: Case, fault: Fault) -> Mitigation:
    """Recommend the epochs after which the validation loss was lowest, at most those of the threshold."""
    length, _ = _epoch_steps(case)
    step, value = finite(case.series("overfitting.val_loss"))
    epochs = max(1, int(np.ceil(step[value.argmin()] / length - 1e-9)))
    return Mitigation(
        text=f"Train for {epochs} epochs: the validation loss was lowest then.",
        settings={"trainer.max_epochs": epochs},
        gain=f"keeps the lowest validation loss of this run and saves {percent(1 - epochs * length / case.steps)} of"
        " it",
        cost="none",
        source="Muennighoff et al. 2023, Scaling Data-Constrained Language Models",
    )


def _new_data(case: Case, fault: Fault) -> Mitigation:
    """Recommend new examples, with what repeated ones are worth for language models."""
    from ..scaling.repeated import R_STAR_TOKENS, effective

    epochs = fault.evidence[0].value or 1.0
    worth = float(effective(epochs, 1.0, R_STAR_TOKENS))
    return Mitigation(
        text=f"Add new or augmented examples instead of epochs: for language models, {epochs:.0f} epochs are worth"
        f" what {worth:.1f} times as many different tokens are, and the next one adds"
        f" {np.exp(-(epochs - 1) / R_STAR_TOKENS):.2f} of its tokens.",
        gain="lowers the validation loss, which further epochs no longer do",
        cost="collecting data",
        source="Muennighoff et al. 2023, Scaling Data-Constrained Language Models, section 5",
    )


@rule(
    code="GEN007",
    severity=Severity.LOW,
    status="preview",
    needs=("overfitting.val_loss", "overfitting.gap_low", "overfitting.gap_high"),
    threshold=4.0,
    unit="epochs",
    follows_from=("overfitting", "overtraining"),
    remedies=(_fewer_epochs, _new_data),
)
def data_constrained_repetition(case: Case, threshold: float) -> Fault | None:
    """Flags epochs beyond the fourth that widened the gap and did not lower the validation loss.

    What it detects:
        The run took more than `threshold` epochs; the gap's 95 % interval at the end lies above that at the end of
        epoch `threshold`; and the mean validation loss of the last tenth of validations is not 1 % lower than that
        around there. Where the validation loss was falling again at the end, as in double descent, or was never below
        the first training losses, as before grokking, the rule cannot tell.

    Why it matters:
        Up to about four epochs, repeated examples teach nearly as much as new ones. Beyond, they teach less and less,
        and here they taught nothing that holds for new data.

    Example:
        Forty epochs on a few hundred sentences.

    Known limits:
        The four epochs come from language models; others may take more, which is why the loss has to have stopped
        falling. Where the loader has no length, how long an epoch was is read from its smaller last batch, or from
        `max_epochs`.

    References:
        Muennighoff et al. 2023, Scaling Data-Constrained Language Models (arXiv:2305.16264).
    """
    length, known_by = _epoch_steps(case)
    epochs = case.steps / length
    if epochs <= threshold:
        return None
    step, value = finite(case.series("overfitting.val_loss"))
    low, high = finite(case.series("overfitting.gap_low")), finite(case.series("overfitting.gap_high"))
    if step.size < FEWEST or high[0].size < FEWEST:
        raise CannotTellError(f"{min(step.size, high[0].size)} validations with an interval, it takes {FEWEST}")
    place = int(np.abs(step - threshold * length).argmin())
    width = max(1, step.size // 10)
    before, after = float(value[max(0, place - width // 2) :][:width].mean()), float(value[-width:].mean())
    then = float(high[1][np.abs(high[0] - threshold * length).argmin()])
    grown, fell = float(low[1][-1]) > then, 100 * (1 - after / before) if before > 0 else np.inf
    if not grown or fell >= HELPS or place >= step.size - width:
        return None
    if risen(value) and falls_again(value):
        raise CannotTellError(
            "the validation loss rose and was falling again when the training ended: train on to tell"
        )
    require_general(case, value)
    change = (
        f"lowered the validation loss by {fell:.2g} %" if fell > 0 else f"raised the validation loss by {-fell:.2g} %"
    )
    return Fault(
        summary=f"The epochs after the first {threshold:g} of {epochs:.0f} {change} and widened the gap.",
        evidence=(
            Evidence(summary=f"epochs ({known_by})", step=int(step[-1]), value=epochs, limit=threshold,
                     unit="epochs"),
            Evidence(summary=f"lower end of the gap, against its upper end after {threshold:g} epochs",
                     step=int(low[0][-1]), series="overfitting.gap_low", value=float(low[1][-1]), limit=then,
                     unit="loss"),
        ),
        confidence=Confidence.MEDIUM,
        step=int(step[place]),
    )  # fmt: skip
