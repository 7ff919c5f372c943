"""What a language model is asked beside its prompts: provocations, sentence pairs, and what it has memorised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from . import likelihood, memorisation, toxicity
from .disparities import SENTIMENT, TOXICITY
from .generation import MEANS, Measured
from .language_model import discreet
from .model import Metric, Quality
from .telling import Teller

if TYPE_CHECKING:
    from .evaluation import Evaluation

ADVERSARIAL = "generation.adversarial_toxicity"
GAPS = {TOXICITY.metric, *(compared.metric for _, compared in MEANS.values())}
NO_LIKELIHOOD = "the model gives no likelihoods: give log_likelihood(texts)"

Run = Callable[["Evaluation", Measured, Teller, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One thing that is asked.

    Attributes:
        what: In words.
        weight: Its share of the time, beside those of the others; the prompts have 1.
        names: Metrics that it yields.
        run: Asks for so many seconds and adds what it found.
    """

    what: str
    weight: float
    names: Sequence[str]
    run: Run


def parts(evaluation: Evaluation) -> list[Part]:
    """Return what was wanted; what cannot be asked of this model says so."""
    asked, likely = evaluation.questions, evaluation.model.log_likelihood is not None
    found: list[Part] = []
    if asked.adversarial:
        found.append(Part(what="provocations", weight=0.4, names=(ADVERSARIAL,), run=_provoke))
    if asked.groups:
        gaps = (TOXICITY.metric, SENTIMENT.metric)
        found.append(Part(what="groups of people", weight=1.0, names=gaps, run=_differ))
    if asked.pairs and likely:
        found.append(Part(what="sentence pairs", weight=0.3, names=likelihood.NAMES[:1], run=_prefer))
    if asked.train_texts is not None:
        names: Sequence[str] = (memorisation.VERBATIM,)
        found.append(Part(what="training passages", weight=0.4, names=names, run=_repeat))
        names = (memorisation.AUC, memorisation.LOSS_GAP)
        found.append(Part(what="membership", weight=0.3, names=names, run=_recognise if likely else _unlikely(names)))
    if asked.canaries:
        names = (memorisation.EXPOSURE,)
        found.append(Part(what="canaries", weight=0.3, names=names, run=_expose if likely else _unlikely(names)))
    return found


def _unlikely(names: Sequence[str]) -> Run:
    """Return a part that says that the model gives no likelihoods."""

    def run(_evaluation: Evaluation, found: Measured, teller: Teller, _seconds: float) -> None:
        found.metrics += teller.none(names, NO_LIKELIHOOD)

    return run


def _provoke(evaluation: Evaluation, found: Measured, teller: Teller, seconds: float) -> None:
    """Add how often the model yields to prompts that try to provoke it, in all and by kind."""
    prompts = evaluation.questions.adversarial
    other = evaluation.sample(prompts, seconds=seconds, step=teller.step, what="adversarial")
    found.problems += other.problems
    told = next(metric for metric in other.metrics if metric.name == toxicity.PROBABILITY and not metric.labels)
    kinds: dict[str, list[Any]] = {"": []}
    for prompt, sample in zip(prompts, other.samples, strict=False):
        sample |= {"set": "adversarial"} | ({"provocation": prompt.kind} if prompt.kind else {})
        for kind in {"", prompt.kind} if "toxicity" in sample else ():
            kinds.setdefault(kind, []).append(sample["toxicity"])
    found.samples += other.samples
    own = replace(
        teller, scorer=told.scorer, quality=Quality.MODELLED, undecided=told.reason, method=told.method,
        nothing=told.reason or "no prompt was answered",
    )  # fmt: skip
    found.metrics += [_yielded(rows, own.about(kind=kind) if kind else own) for kind, rows in kinds.items()]


def _yielded(rows: Sequence[Sequence[float | None]], teller: Teller) -> Metric:
    first = toxicity.rates(rows, replace(teller, method=""))[0]
    return first.model_copy(update={"name": ADVERSARIAL, "unit": "share", "method": teller.method})


def _differ(evaluation: Evaluation, found: Measured, teller: Teller, seconds: float) -> None:
    """Add how differently the model speaks of groups of people."""
    other = evaluation.sample(evaluation.questions.groups, seconds=seconds, step=teller.step, what="group")
    found.problems += other.problems
    found.metrics += [metric for metric in other.metrics if metric.name in GAPS]
    found.disparities += other.disparities
    found.samples += [sample | {"set": "groups"} for sample in other.samples]


def _prefer(evaluation: Evaluation, found: Measured, teller: Teller, seconds: float) -> None:
    """Add which sentences of pairs the model thinks likelier."""
    told = evaluation.bounded(seconds).log_likelihood
    assert told is not None  # noqa: S101 - else the part is left out
    with evaluation.isolated():
        pairs = evaluation.questions.pairs
        other = likelihood.measure_likelihood(pairs, told, teller=teller, deadline=time.monotonic() + seconds)
    found.metrics += other.metrics
    found.problems += other.problems


def _repeat(evaluation: Evaluation, found: Measured, teller: Teller, seconds: float) -> None:
    """Add how much of its training texts the model repeats."""
    model, asked = evaluation.bounded(seconds), evaluation.questions
    if model.greedy is None:
        teller = replace(teller, method="continuations as generate draws them, which repeat less than greedy ones")
    go_on = discreet(model.greedy or model.generate)
    with evaluation.isolated():
        repeated = memorisation.verbatim(
            evaluation.corpus, go_on, teller=teller, held_out=asked.held_out_texts, seed=asked.seed,
            deadline=time.monotonic() + seconds,
        )  # fmt: skip
    found.metrics += repeated.metrics
    found.events += [("repeated", asdict(example)) for example in repeated.examples]


def _recognise(evaluation: Evaluation, found: Measured, teller: Teller, seconds: float) -> None:
    """Add whether the model's loss tells texts that it was trained on from others."""
    told, asked = evaluation.bounded(seconds).log_likelihood, evaluation.questions
    assert told is not None  # noqa: S101 - else the part only says so
    told = discreet(told)
    with evaluation.isolated():
        found.metrics += memorisation.membership(
            evaluation.corpus, asked.held_out_texts, told, teller=teller, seed=asked.seed,
            deadline=time.monotonic() + seconds,
        )  # fmt: skip


def _expose(evaluation: Evaluation, found: Measured, teller: Teller, seconds: float) -> None:
    """Add how exposed planted secrets are."""
    told, asked = evaluation.bounded(seconds).log_likelihood, evaluation.questions
    assert told is not None  # noqa: S101 - else the part only says so
    told = discreet(told)
    texts = asked.train_texts
    if texts is not None:
        absent = [c for c in asked.canaries if not any(c.text in text for text in texts)]
        if absent:
            found.metrics += teller.none(
                (memorisation.EXPOSURE,), f"{len(absent)} of {len(asked.canaries)} canaries stand in no training text"
            )
            return
    with evaluation.isolated():
        found.metrics += memorisation.canary_exposure(
            asked.canaries, told, teller=teller, seed=asked.seed, deadline=time.monotonic() + seconds
        )
