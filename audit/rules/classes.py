"""Faults of the classes: few examples of some, and a model that has given them up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case, Floats, nice, sampled_columns
from .declaration import CannotTellError, Fault, rule
from .evidence import NAMED

RECALL = 0.3  # below which a class is given up
ENOUGH = 10  # examples of rare classes from which their recall can be told
FEWEST = 200  # examples from which it can be told which classes are rare
LISTED = 20  # classes whose weights a text lists


@dataclass(frozen=True, kw_only=True, slots=True)
class Classes:
    """Examples of each class, of one loss function; arrays of shape [classes].

    Attributes:
        name: The loss function.
        seen: Examples in the watched training steps.
        asked: Examples of which it is known whether they were found: of the second half of the validations, or
            of the watched steps.
        found: How many of them were.
        validated: Whether they were held out.
    """

    name: str
    seen: Floats
    asked: Floats
    found: Floats
    validated: bool

    def rare(self, ratio: float) -> NDArray[np.bool_]:
        """Return which classes have less than one `ratio`th of the examples of the largest one."""
        known = (self.seen > 0) | (self.asked >= ENOUGH)
        return np.asarray(known & (self.seen * ratio < self.seen.max()), dtype=np.bool_)


def classes_of(case: Case) -> list[Classes]:
    """Return what is known of classes, for each loss function that judges examples by class."""
    names = dict.fromkeys(column.rpartition(" ")[0] for column in case.columns("objective.class_count"))
    return [_classes(case, name) for name in names if name]


def _classes(case: Case, name: str) -> Classes:
    seen = _sum(case, "objective.class_count", name)
    asked, found = (_sum(case, f"objective.val_{what}", name, late=True) for what in ("count", "hits"))
    validated = asked.size == seen.size and asked.sum() > 0
    if not validated:
        asked, found = (_sum(case, f"objective.class_{what}", name, late=True) for what in ("count", "hits"))
    return Classes(name=name, seen=seen, asked=asked, found=found, validated=bool(validated))


def _sum(case: Case, table: str, name: str, *, late: bool = False) -> Floats:
    columns = {column: s for column, s in sampled_columns(case, table).items() if column.rpartition(" ")[0] == name}
    ordered = sorted(columns, key=lambda column: int(column.rpartition(" ")[2]))
    values = [columns[column].value for column in ordered]
    return np.array([float(value[value.size // 2 if late else 0 :].sum()) for value in values])


def _weigh(case: Case, fault: Fault) -> Mitigation | None:
    name = fault.evidence[0].layer or ""
    classes = next(found for found in classes_of(case) if found.name == name)
    weights = classes.seen.sum() / (classes.seen.size * np.maximum(classes.seen, 1))
    positive, key = nice(float(classes.seen[0] / max(1.0, classes.seen[-1]))), "model.pos_weight"
    if classes.seen.size == 2 and name.startswith("binary"):
        return Mitigation(
            text=f"Count the rare answer as often as the other: pos_weight=torch.tensor({positive:g}).",
            settings={key: positive} if case.setting(key) is not None else {},
            gain="a mistake on the rare class costs as much as all those on the other", source=SOURCE,
            cost="probabilities are no longer those of the data: correct them or the threshold afterwards",
        )  # fmt: skip
    listed = ", ".join(f"{nice(float(weight)):g}" for weight in weights[:LISTED])
    rest = "" if weights.size <= LISTED else f" and so on: examples / ({weights.size} · examples of the class)"
    weighted = any(event["name"] == name and event["weighted"] for event in case.events("objective.facts"))
    return Mitigation(
        text=f"{'Mend the weights of classes, which are given' if weighted else 'Weigh classes by their counts'}:"
        f" weight=torch.tensor([{listed}]){rest}; or draw them equally often with a WeightedRandomSampler.",
        gain="a mistake on a rare class costs as much as one on a frequent class",
        cost="probabilities are no longer those of the data; very few examples are learned by heart",
        source=SOURCE,
    )


def _collect(case: Case, fault: Fault) -> Mitigation:
    named = ", ".join(str(item.summary.split(":")[0]) for item in fault.evidence[1:])
    return Mitigation(
        text=f"Collect more examples of {named}, or augment those there are.",
        gain="what is rare is learned and not only weighed",
        cost="labelling",
        source="He and Garcia 2009, Learning from Imbalanced Data",
    )


SOURCE = "He and Garcia 2009, Learning from Imbalanced Data, section 3; PyTorch documentation, CrossEntropyLoss"


@rule(
    code="DAT002",
    severity=Severity.MEDIUM,
    needs=("objective.class_count",),
    threshold=10.0,
    unit="× the rarest class",
    follows_from=("double-softmax", "sign-flip", "wrong-loss", "non-finite", "divergence", "stagnant-loss",
                  "updates-too-large", "updates-too-small", "over-regularised", "dead-units", "symmetric-init",
                  "parameter-never-updated"),
    remedies=(_weigh, _collect),
)  # fmt: skip
def class_imbalance(case: Case, threshold: float) -> Fault | None:
    """Flags rare classes that the model has given up.

    What it detects:
        The most frequent class has more than `threshold` times as many examples as some others in the watched
        training steps, and of the examples of those fewer than three in ten get the largest logit, while the others
        do in more than half: in the second half of the validations, or, without any, of the watched steps.

    Why it matters:
        The mean loss hardly notices: a model that never says the rare class is right most of the time.

    Example:
        Fraud, one case in a hundred, trained as it comes.

    Known limits:
        Of validations, the first eight batches count. Up to a hundred classes, one an example; words and pixels are
        not judged. Imbalance that does no harm stays silent. Where the rare class cannot be told apart at all,
        weights only trade one kind of mistake for another.

    References:
        He and Garcia 2009, Learning from Imbalanced Data; Amazon SageMaker Debugger, rule ClassImbalance.
    """
    known = classes_of(case)
    enough = [found for found in known if found.seen.sum() >= FEWEST]
    if not enough:
        raise CannotTellError(f"fewer than {FEWEST} examples in the steps that were watched")
    for found in enough:
        rare = found.rare(threshold)
        if rare.any():
            fault = _given_up(found, rare, threshold)
            if fault is not None:
                return fault
    return None


def _given_up(classes: Classes, rare: NDArray[np.bool_], threshold: float) -> Fault | None:
    asked, found = float(classes.asked[rare].sum()), float(classes.found[rare].sum())
    others = float(classes.found[~rare].sum() / max(1.0, classes.asked[~rare].sum()))
    if asked < ENOUGH:
        raise CannotTellError(f"{asked:.0f} of {ENOUGH} examples of the rare classes tell how many are recognised")
    recall = found / asked
    if recall >= RECALL or others <= 0.5:
        return None
    numbers = np.flatnonzero(rare)
    ratio = float(classes.seen.max() / max(1.0, classes.seen[rare].min()))
    where = "validation" if classes.validated else "training"
    worst = sorted(numbers, key=lambda number: classes.seen[number])[:NAMED]
    named = ", ".join(f"{number}" for number in worst)
    label = "class" if numbers.size == 1 else "classes"
    more = f" and {numbers.size - NAMED} more" if numbers.size > NAMED else ""
    return Fault(
        summary=f"Of {label} {named}{more}, up to {ratio:.0f} times rarer than the most frequent, {percent(recall)}"
        f" are recognised in {where}; of the others {percent(others)}.",
        evidence=(
            Evidence(summary="most frequent class over the rarest", series="objective.class_count",
                     layer=classes.name, value=ratio, limit=threshold, unit="×"),
            *(Evidence(summary=f"class {number}: share recognised", layer=classes.name, unit="share", limit=RECALL,
                       series="objective.val_hits" if classes.validated else "objective.class_hits",
                       value=float(classes.found[number] / max(1.0, classes.asked[number])))
              for number in worst),
        ),
        confidence=Confidence.HIGH if classes.validated else Confidence.MEDIUM,
    )  # fmt: skip
