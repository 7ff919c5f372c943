"""Validation examples that were trained on, by digests of the examples and by the two losses."""

from __future__ import annotations

from typing import Any

from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from ..price import finite
from .capacity import gaps
from .case import Case
from .declaration import CannotTellError, Fault, rule

GATHERED = "train_eval_dataloader"  # random examples of it
LEAKED, LEAKED_SHARE = 5, 0.01  # validation examples that are training examples


def _take_out(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend to split what is on both sides, where examples are known to be."""
    seen = _overlap(case)
    if seen is None or seen["shared"] < LEAKED:
        return None
    return Mitigation(
        text=f"Drop duplicates before splitting (about {percent(seen['shared'] / max(1, seen['val']))} of the"
        " validation examples are training examples too), split once by index or by a hash of the example, keep both"
        " lists, and assert set(train).isdisjoint(val).",
        gain="a validation loss that says something of new data",
        cost="the loss gets worse, and truer; choices that were made by the old one have to be made again",
        source="Kapoor and Narayanan 2023, Leakage and the reproducibility crisis in machine-learning-based science",
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
    needs=("data.batch_size",),
    threshold=5.0,
    unit="% of the training loss",
    remedies=(_take_out, _look_for_overlap),
)
def train_validation_leakage(case: Case, threshold: float) -> Fault | None:
    """Flags validation examples that are training examples, or a validation loss surely below that of training.

    What it detects:
        More than 1 % of the first validation's examples, and at least five, equal one of the first epoch's training
        examples in all tensors of the batch; and more than twice the share of training examples that equal another
        one, as in data of few possible values.

        Or, in eval mode and on random unaugmented training examples (`train_eval_dataloader=`), the 95 % interval of
        the gap lay below zero at the last validation and at three of four in the second half of the run, and the gap
        is more than `threshold` per cent of the training loss. Without such a loader the rule cannot tell by it:
        augmentation does the same, and so do examples that come first in a sorted set.

    Why it matters:
        What was trained on says nothing of new data: the model that is chosen is the one that knows most by heart.
        And a model is rarely better on what it has not seen: where it is, that is easier, or it was seen.

    Example:
        Rows that were duplicated, as for rare classes, before the split.

    Known limits:
        Near copies are not seen, nor is what augmentation, another length or an index in the batch makes unlike. With
        several ranks, rank zero's part of both sets is compared. The sign in the loss shows that the sets differ, not
        why: an easier validation set looks the same.

    References:
        Kapoor and Narayanan 2023, Leakage and the reproducibility crisis in machine-learning-based science.
    """
    seen = _overlap(case)
    leaked = _leaked(seen) if seen else None
    if leaked is not None:
        return leaked
    try:
        gap = gaps(case)
    except CannotTellError:
        if seen:  # no example is on both sides, and that was asked
            return None
        raise
    _, train = finite(case.series("overfitting.train_loss"))
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


def _overlap(case: Case) -> dict[str, Any] | None:
    """Return what is known of the examples of both sides, None without any of validation."""
    found = (case.events("inputs.examples") or [{}])[-1]
    return found if found.get("val") and found.get("train") else None


def _leaked(seen: dict[str, Any]) -> Fault | None:
    shared, share, twins = seen["shared"], seen["shared"] / seen["val"], seen["twins"] / seen["train"]
    if shared < LEAKED or share <= LEAKED_SHARE or share <= 2 * twins:
        return None
    sampled = f", one in {seen['one_in']} of all" if seen["one_in"] > 1 else ""
    return Fault(
        summary=f"{shared:,} of {seen['val']:,} validation examples ({percent(share)}{sampled}) are training"
        " examples.",
        evidence=(
            Evidence(summary="validation examples among those of training", value=100 * share,
                     limit=100 * max(LEAKED_SHARE, 2 * twins), unit="%"),
            Evidence(summary="training examples like another one", value=100 * twins, unit="%"),
        ),
        confidence=Confidence.HIGH,
        severity=Severity.HIGH,
        step=0,
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
