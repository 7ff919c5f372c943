"""Labels that the model contradicts."""

from __future__ import annotations

from typing import Any

from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case
from .declaration import CannotTellError, Fault, rule

FEWEST = 200  # examples
AGAIN = 1.5  # observations of an example
UNLEARNED = 0.5  # of the surest examples contradicted, above which the model has not learned the task
INDEPENDENT = 0.75  # probability that the model is surer where it agrees, above which hard examples explain the rest
AGREES = 0.1  # error of the reference, up to which labels go well with the inputs
SAME = 0.01  # observations whose example had another label before


def _told(case: Case) -> dict[str, Any]:
    return case.events("labels")[-1]


def _reference(case: Case) -> float | None:
    """Return the share of labels that a simple method takes for others; None where it was not asked."""
    found = [event for event in case.events("reference") if event["of"] == "classes"]
    return float(found[-1]["reference"]) if found else None


def _clean(case: Case, fault: Fault) -> Mitigation:
    """Recommend to look at the contradicted examples."""
    pairs = _told(case)["pairs"]
    worst = ", ".join(f"{p['label']} taken for {p['taken_for']} ({p['examples']})" for p in pairs[:3])
    most = f" Begin with the labels that are contradicted most: {worst}." if worst else ""
    return Mitigation(
        text="List the examples whose label gets a low probability from a model that was not trained on them, and"
        " have them labelled again: cross_val_predict(…, method='predict_proba') and cleanlab's find_label_issues"
        f" rank them by their place in the data set.{most}",
        gain=f"about {fault.evidence[0].value:.0f} % of the training labels may become right",
        cost="a cross-validation, and people who look at the examples",
        source="Northcutt et al. 2021, Confident Learning; Pleiss et al. 2020, Area Under the Margin",
    )


def _smooth(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend label smoothing where the model has a setting for it."""
    share = min(0.3, round((fault.evidence[0].value or 0.0) / 100, 2))
    key = next((k for k in ("label_smoothing", "smoothing") if case.setting(f"model.{k}") is not None), "")
    return Mitigation(
        text=f"Until labels are clean, make wrong ones count less: F.cross_entropy(…, label_smoothing={share:g}), and"
        " stop before the training loss falls below what the wrong labels allow.",
        settings={f"model.{key}": share} if key else {},
        gain="the model is pulled less towards single wrong labels",
        cost="less certain predictions",
        source="Lukasik et al. 2020, Does label smoothing mitigate label noise?; Arpit et al. 2017, A Closer Look at"
        " Memorization in Deep Networks",
    )


@rule(
    code="DAT003",
    severity=Severity.MEDIUM,
    needs=("labels",),
    threshold=7.0,
    unit="% of the labels of the surest examples",
    remedies=(_clean, _smooth),
)
def label_noise(case: Case, threshold: float) -> Fault | None:
    """Flags training labels that the model contradicts also where it is surest.

    What it detects:
        Probabilities are averaged for each example over its first twenty observations in training, without the first
        third of all. Of the fifth of the examples of which the model is surest, another class than the label is
        likeliest for more than `threshold` per cent, and the model is hardly less sure where it contradicts than
        where it agrees (it is surer of an example that it agrees with with a probability below 0.75). Kernel ridge
        regression, too, errs in more than one of ten labels that are left out when it is fitted: where it does not,
        labels are right, and the model has learned too little.

    Why it matters:
        Wrong labels are learned by heart later, and cost accuracy and steps.

    Example:
        Three of ten labels drawn at random.

    Known limits:
        Hard examples are told from wrong labels by this: of hard ones the model is unsure. Where the true class is
        drawn at random for all inputs alike, that looks the same. Examples are known by their inputs, so that an
        augmented one is never met again, and then nothing is told; nor is it of next tokens, of several labels an
        example, and of labels that are wrong for one kind of input always.

    References:
        Northcutt et al. 2021, Confident Learning; Pleiss et al. 2020, Identifying Mislabeled Data using the Area
        Under the Margin Ranking; Arpit et al. 2017, A Closer Look at Memorization in Deep Networks.
    """
    told = _told(case)
    if told["examples"] < FEWEST or told["observations"] < AGAIN * told["examples"]:
        raise CannotTellError(
            f"{told['observations']:,} observations of {told['examples']:,} examples: it takes {FEWEST}, met again"
        )
    if told["relabelled"] > SAME:
        raise CannotTellError("the same examples come with other labels each time")
    error = _reference(case)
    if error is None:
        raise CannotTellError("no simple method could be asked whether labels go with inputs, as of words it cannot")
    if error <= AGREES:
        return None
    share = 100 * told["surest_contradicted"] / told["surest"]
    if share <= threshold or told["auc"] is None or told["auc"] >= INDEPENDENT:
        return None
    if share > 100 * UNLEARNED:
        raise CannotTellError(
            f"the model contradicts {share:.0f} % of the labels that it is surest of: it has learned too little"
        )
    return Fault(
        summary=f"The model contradicts {share:.0f} % of the labels of the examples that it is surest of, and is as"
        " sure there as elsewhere: about as many of all labels may be wrong.",
        evidence=(
            Evidence(summary=f"of the {told['surest']:,} surest examples contradicted", step=int(told["last_step"]),
                     series="labels", value=share, limit=threshold, unit="%"),
            Evidence(summary="probability that the model is surer where it agrees", step=int(told["last_step"]),
                     series="labels", value=float(told["auc"]), limit=INDEPENDENT, unit=""),
        ),
        confidence=Confidence.MEDIUM,
    )  # fmt: skip
