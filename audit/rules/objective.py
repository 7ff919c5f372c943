"""Faults of the loss: what it was given, what was made of it, and how sure of itself the model becomes."""

from __future__ import annotations

import numpy as np

from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from ..record import Series
from .case import Case, Floats, sampled_columns
from .declaration import CannotTellError, Fault, rule

FEWEST = 5  # steps that have to have been watched
EXACT = 0.01  # by how much of itself the ratio of two losses may differ where one is a multiple of the other
MOST_STEPS = 0.9  # of the steps, that have to agree
FALLEN = 0.9  # of its start: a loss below it goes the right way
RISEN = 1.5  # the same for the wrong way
SURE = 0.1  # nats: a model with a lower loss is right
STRAIGHT = -0.999  # correlation of a loss with what is minus it and something else
PROBABLE = {
    "cross_entropy": "Give cross_entropy the outputs of the last layer as they are: without softmax or sigmoid.",
    "binary_cross_entropy_with_logits": "Give binary_cross_entropy_with_logits the outputs of the last layer as they"
    " are: without sigmoid, or take binary_cross_entropy.",
    "nll_loss": "Give nll_loss log_softmax(outputs, dim=1), not softmax; or cross_entropy the outputs as they are.",
    "kl_div": "Give kl_div log_softmax of the student's outputs as its first argument, not softmax.",
}
CLASSIFIERS = ("cross_entropy", "nll_loss", "binary_cross_entropy_with_logits")


def _function(name: str) -> str:
    return name.partition("+")[0]


def _watched(case: Case, name: str) -> dict[str, Series]:
    """Return a fact of each loss function that was watched often enough.

    Raises:
        CannotTellError: None was.
    """
    found = {column: series for column, series in sampled_columns(case, name).items() if len(series) >= FEWEST}
    if not found:
        raise CannotTellError(f"fewer than {FEWEST} steps whose loss function was watched")
    return found


def _always(case: Case, name: str, share: float = MOST_STEPS) -> dict[str, Series]:
    """Return loss functions of which something holds in nearly all steps."""
    return {column: series for column, series in _watched(case, name).items() if series.value.mean() >= share}


def _without_softmax(case: Case, fault: Fault) -> Mitigation:
    function = _function(fault.evidence[0].layer or "")
    return Mitigation(
        text=PROBABLE[function],
        gain="the gradient no longer vanishes where the model is sure and wrong, and the loss can fall to zero",
        cost="none; where probabilities are needed, take softmax (or sigmoid) after training",
        source=f"PyTorch documentation, torch.nn.functional.{function}",
    )


@rule(
    code="OPT024",
    severity=Severity.HIGH,
    live=True,
    needs=("objective.value",),
    threshold=0.9,
    unit="share of the steps",
    remedies=(_without_softmax,),
)
def double_softmax(case: Case, threshold: float) -> Fault | None:
    """Flags losses that are given probabilities where they take logits or logarithms.

    What it detects:
        In more than `threshold` of at least five watched steps the rows that went into cross_entropy, nll_loss or
        kl_div were all positive and added up to one, or all that went into binary_cross_entropy_with_logits lay
        between 0 and 1.

    Why it matters:
        cross_entropy takes the softmax itself. Over probabilities the best that it can give is e/(e + classes - 1)
        for the right class: the loss never gets near zero, and gradients are small where they are needed.

    Example:
        A model that ends in nn.Softmax, trained with nn.CrossEntropyLoss.

    Known limits:
        A logarithm of the softmax that is taken twice changes nothing and stays silent. Losses that are written out
        by hand cannot be seen.

    References:
        PyTorch documentation, torch.nn.CrossEntropyLoss; UMLAUT (Schoop, Huang, Hartmann 2021).
    """
    found = {name: s for name, s in _always(case, "objective.probabilities", threshold).items()
             if _function(name) in PROBABLE}  # fmt: skip
    if not found:
        return None
    name, series = next(iter(found.items()))
    binary = _function(name) == "binary_cross_entropy_with_logits"
    what = "numbers from 0 to 1 only" if binary else "rows of probabilities"
    return Fault(
        summary=f"{_function(name)} was given {what}, in {percent(series.value.mean())} of {len(series)} watched"
        " steps.",
        evidence=tuple(
            Evidence(summary="steps in which it was given probabilities", step=int(s.step[0]),
                     series="objective.probabilities", layer=column, value=float(s.value.mean()), limit=threshold,
                     unit="share")
            for column, s in found.items()
        ),
        step=int(series.step[0]),
    )  # fmt: skip


def _turn_around(case: Case, fault: Fault) -> Mitigation:
    maximised = case.setting("optimizer.maximize") is True
    return Mitigation(
        text="Take maximize=True from the optimizer: this loss is to fall."
        if maximised
        else "Return the loss itself from training_step: take the minus away.",
        settings={"optimizer.maximize": False} if maximised else {},
        gain="the model learns what it now unlearns",
        cost="none",
        source="the sign of what was returned, against that of the loss function",
    )


@rule(
    code="OPT025",
    severity=Severity.HIGH,
    live=True,
    needs=("objective.value",),
    threshold=0.9,
    unit="share of the steps",
    remedies=(_turn_around,),
)
def sign_flip(case: Case, threshold: float) -> Fault | None:
    """Flags trainings that make their loss larger.

    What it detects:
        In more than `threshold` of at least five watched steps, what the step returned was minus the sum of its loss
        functions times one and the same number; or it was negative throughout and followed them with a correlation
        below -0.999 while they rose by half. With maximize=True in the optimizer the signs are the other way round.
        Not where the loss function fell by a tenth all the same.

    Why it matters:
        Every step takes the model further from the data, and the number that is logged looks better and better.

    Example:
        return -loss, left over from a log-likelihood.

    Known limits:
        One optimizer that steps by itself. To unlearn examples on purpose looks the same. Losses that are written
        out by hand cannot be seen.

    References:
        Humbatova et al. 2020, Taxonomy of Real Faults in Deep Learning Systems.
    """
    case.one_loss()
    values = _watched(case, "objective.value")
    returned = case.series("objective.returned")
    shared = [s for s in values.values() if len(s) == len(returned)]
    value = np.sum([s.value for s in shared], axis=0) if len(shared) == len(values) else np.zeros(0)
    chosen = np.isfinite(value) & np.isfinite(returned.value[: value.size]) & (value > 0)
    if chosen.sum() < FEWEST:
        raise CannotTellError("what was returned is not known in the steps that were watched")
    maximised = case.setting("optimizer.maximize") is True
    value, followed = value[chosen], returned.value[chosen] * (-1.0 if maximised else 1.0)
    if not _against(value, followed, threshold, alone=len(shared) == 1):
        return None
    how = "the optimizer maximises it" if maximised else "the step returned minus its value"
    return Fault(
        summary=f"{_function(next(iter(values)))} is made larger: {how}; it went from {value[0]:.3g} to"
        f" {value[-1]:.3g}.",
        evidence=(
            Evidence(summary="what was returned, over the loss", series="objective.returned",
                     step=int(returned.step[0]), value=float(np.median(returned.value[chosen] / value)), limit=0.0,
                     unit=""),
        ),
        step=int(returned.step[0]),
    )  # fmt: skip


def _against(value: Floats, followed: Floats, threshold: float, *, alone: bool) -> bool:
    """Return whether what is followed downhill is minus a loss, or little else."""
    first, last = float(value[: FEWEST // 2 + 1].mean()), float(value[-(FEWEST // 2 + 1) :].mean())
    if last < FALLEN * first:
        return False
    ratio = followed / value
    middle = float(np.median(ratio))
    if middle < 0 and (np.abs(ratio - middle) <= EXACT * abs(middle)).mean() >= threshold:
        return True
    if not alone or (followed >= 0).any() or last < RISEN * first:
        return False
    return bool(np.corrcoef(value, followed)[0, 1] < STRAIGHT)


def _right_loss(case: Case, fault: Fault) -> Mitigation:
    what, name = fault.evidence[0].series, fault.evidence[0].layer or ""
    if what == "objective.broadcast":
        text = f"Give {_function(name)} outputs and targets of one shape: outputs.squeeze(-1), or targets[:, None]."
        gain = "each output is compared with its own target and not with all of them"
    elif what == "objective.one_hot":
        text = f"Take cross_entropy(outputs, classes) in place of {_function(name)} on one-hot targets."
        gain = "wrong answers of a sure model get a gradient that does not vanish"
    elif _function(name) == "cross_entropy":
        text = "Take mse_loss for targets that are numbers, binary_cross_entropy_with_logits for one column of yes or"
        text += " no; cross_entropy is for classes, two columns or more."
        gain = "the loss says how far off an output is"
    elif _function(name) == "nll_loss":
        text = "Take cross_entropy(outputs, classes), or give nll_loss log_softmax(outputs, dim=1)."
        gain = "the loss has a lowest value, and takes all classes into account"
    else:
        text = "Give yes or no as 1.0 and 0.0 (labels of -1 and 1: (labels + 1) / 2); for numbers take mse_loss."
        gain = "the loss has a lowest value"
    return Mitigation(text=text, gain=gain, cost="none", source=f"PyTorch documentation, {_function(name)}")


WRONG = {
    "objective.broadcast": "compared every output with every target: [n] met [n, 1]",
    "objective.improper": "was given what it does not take",
    "objective.one_hot": "was given one-hot targets: classes are trained as numbers",
}
IMPROPER = {
    "cross_entropy": "was given targets that are no classes and no probabilities, or a single column of outputs",
    "nll_loss": "was given outputs that are no logarithms of probabilities",
}


@rule(
    code="OPT026",
    severity=Severity.HIGH,
    live=True,
    needs=("objective.value",),
    threshold=0.9,
    unit="share of the steps",
    follows_from=("double-softmax",),
    remedies=(_right_loss,),
)
def wrong_loss(case: Case, threshold: float) -> Fault | None:
    """Flags loss functions that do not fit the task or what they are given.

    What it detects:
        In more than `threshold` of at least five watched steps a loss between numbers (mse_loss, l1_loss and alike)
        compared [n] with [n, 1], which gives n times n differences; or its targets were one-hot. Or cross_entropy
        was given one column only, or targets outside 0 to 1 in several columns; nll_loss numbers that are no
        logarithms of probabilities; a binary loss targets below -0.3 or above 1.3.

    Why it matters:
        The loss falls and the metric does not: outputs go to the mean of all targets, or nowhere.

    Example:
        mse_loss(model(x), y) with outputs of shape [32, 1] and targets of shape [32].

    Known limits:
        One-hot targets of outputs that are probabilities (Brier's score), of autoencoders and of losses between
        views, where they are the identity, stay silent. Losses that are written out by hand cannot be seen.

    References:
        PyTorch documentation, torch.nn.functional; Humbatova et al. 2020, Taxonomy of Real Faults in Deep Learning
        Systems.
    """
    for fact in WRONG:
        found = {name: s for name, s in _always(case, fact, threshold).items() if _counts(case, fact, name)}
        for name, series in found.items():
            said = IMPROPER.get(_function(name), "was given targets that are not yes or no")
            told = said if fact == "objective.improper" else WRONG[fact]
            return Fault(
                summary=f"{_function(name)} {told}, in {percent(series.value.mean())} of {len(series)}"
                " watched steps.",
                evidence=(
                    Evidence(summary="steps in which it was", step=int(series.step[0]), series=fact, layer=name,
                             value=float(series.value.mean()), limit=threshold, unit="share"),
                ),
                step=int(series.step[0]),
                severity=Severity.MEDIUM if fact == "objective.one_hot" else None,
            )  # fmt: skip
    return None


def _counts(case: Case, fact: str, name: str) -> bool:
    """Return whether a fact is a mistake: Brier's score takes probabilities and one-hot targets."""
    return fact != "objective.one_hot" or float(case.series("objective.probabilities", name).value.mean()) < 0.5


def _tame(case: Case, fault: Fault) -> Mitigation:
    rate = case.number("optimizer.lr")
    told = "" if rate is None else f" (the optimizer's is {rate:g})"
    return Mitigation(
        text="Hold logits down: look at the sign of every penalty, add 1e-4 · logsumexp(logits)² to the loss,"
        " normalise what goes into the last layer, clamp a learned temperature (CLIP: at most 100), and give the"
        f" last layer the learning rate of the others{told}.",
        gain="mistakes cost what they should, and half precision holds the logits",
        cost="none to little",
        source="Chowdhery et al. 2022, PaLM, section 5 (z-loss); Wortsman et al. 2023, Small-scale proxies for"
        " large-scale Transformer training instabilities",
    )


@rule(
    code="OPT028",
    severity=Severity.HIGH,
    needs=("objective.logit_max",),
    threshold=50.0,
    unit="",
    follows_from=("non-finite", "double-softmax", "sign-flip", "wrong-loss", "unscaled-input", "bad-init-scale",
                  "missing-zero-grad", "updates-too-large", "divergence", "exploding-gradient"),
    remedies=(_tame,),
)  # fmt: skip
def logit_growth(case: Case, threshold: float) -> Fault | None:
    """Flags logits that grow large without being right.

    What it detects:
        The median over the last quarter of the watched steps of the largest distance of a logit from the mean of its
        row is above `threshold` and twice what it was in the first five, while the loss is above 0.1 nats.

    Why it matters:
        A model that is sure and wrong pays for each mistake with a loss as large as its logits; gradients get steep,
        and in half precision neighbouring logits become the same number.

    Example:
        A penalty of logsumexp² that is subtracted from the loss and not added.

    Known limits:
        Logits that begin large and do not double stay silent, and so does what all logits of a row have in common,
        which drifts where embeddings are tied, and a model that is right about nearly all of its examples.

    References:
        Chowdhery et al. 2022, PaLM; Wortsman et al. 2023, Small-scale proxies for large-scale Transformer training
        instabilities.
    """
    for name, series in _watched(case, "objective.logit_max").items():
        if _function(name) not in CLASSIFIERS:
            continue
        loss = _late(case.series("objective.value", name))
        early, late = float(np.median(series.value[:FEWEST])), _late(series)
        if late > threshold and late > 2 * early and loss > SURE:
            return Fault(
                summary=f"The largest logit into {_function(name)} grew from {early:.3g} to {late:.3g}, with a loss"
                f" of {loss:.3g}.",
                evidence=(
                    Evidence(summary="largest logit, median of the last quarter", series="objective.logit_max",
                             layer=name, step=int(series.step[-1]), value=late, limit=threshold, unit=""),
                    Evidence(summary="the same in the first steps", series="objective.logit_max", layer=name,
                             step=int(series.step[0]), value=early, limit=late / 2, unit=""),
                ),
                confidence=Confidence.MEDIUM,
                step=int(series.step[np.flatnonzero(series.value > threshold / 2)[0]]),
            )  # fmt: skip
    return None


def _late(series: Series) -> float:
    return float(np.median(series.value[-max(1, len(series) // 4) :]))
