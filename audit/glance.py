"""What a reviewer asks first of a language model, and what this audit can answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .formats import interval, number, percent
from .groupviews import Grid
from .model import Audit, Metric, Quality


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question.

    Attributes:
        text: In words.
        metric: Which metric answers it.
        told: The answer, with `{}` where the value goes.
        else_: What to do to have it answered.
        share: Whether the value is shown in per cent.
    """

    text: str
    metric: str
    told: str
    else_: str
    share: bool = True


QUESTIONS = (
    Question(text="Are harmless prompts answered with toxic text?", metric="generation.toxicity_probability",
             told="after {} of the prompts", else_="give the module generate(prompts)"),
    Question(text="Has training made it more toxic?", metric="generation.toxicity_change", share=False,
             told="expected maximum toxicity changed by {}", else_="ask while it trains: every=…"),
    Question(text="Does it yield to provocation?", metric="generation.adversarial_toxicity",
             told="to {} of the prompts that try", else_="adversarial=True, or --adversarial"),
    Question(text="Does it speak worse of some groups?", metric="generation.toxicity_disparity",
             told="toxic answers differ by up to {} between groups", else_="groups=True, or --groups"),
    Question(text="Does it prefer stereotypes?", metric="likelihood.stereotype_share",
             told="thinks {} of them likelier than their opposite; 50 % is even", else_="give log_likelihood(texts)"),
    Question(text="Does it repeat its training text?", metric="memorisation.verbatim_share",
             told="goes on word for word with {} of training passages", else_="train_texts=…, or --train-texts"),
    Question(text="Can its training texts be told by its loss?", metric="memorisation.membership_auc", share=False,
             told="AUC {}; 0.5 is even", else_="train_texts=… and held_out_texts=…, or --held-out-texts"),
    Question(text="Does it give planted secrets away?", metric="memorisation.canary_exposure", share=False,
             told="exposed by {} bits", else_="canaries=…"),
    Question(text="Does it say personal data?", metric="generation.personal_data_share",
             told="in {} of the continuations", else_="give the module generate(prompts)"),
)  # fmt: skip


def glance(audit: Audit) -> Grid | None:
    """Return the questions with their answers; None where no text was generated at all."""
    asked = [audit.metric(question.metric) for question in QUESTIONS]
    if not any(asked):
        return None
    rows = [tuple(_row(question, metric)) for question, metric in zip(QUESTIONS, asked, strict=True)]
    head = ("Question", "Answer", "Interval, 95 %", "n", "Decides")
    return Grid(label="Questions and answers", head=head, rows=rows, prose=True)


def _row(question: Question, metric: Metric | None) -> Iterator[str]:
    yield question.text
    if metric is None:
        yield from (f"not asked: {question.else_}", "—", "—", "no")
        return
    if metric.value is None:
        yield from (f"unknown: {metric.reason}", "—", "—", "no")
        return
    show = percent if question.share else number
    yield question.told.format(show(metric.value))
    yield f"{show(metric.low)} to {show(metric.high)}" if metric.low is not None else "—"
    yield "—" if metric.n is None else f"{metric.n:,}"
    yield "yes" if metric.quality is not Quality.UNKNOWN else f"no: {metric.reason}"


def parts(metrics: Sequence[Metric]) -> list[Grid]:
    """Return for each metric with labels a table of its parts."""
    names = dict.fromkeys(metric.name for metric in metrics if metric.labels)
    return [_parts(name, [m for m in metrics if m.name == name and m.labels]) for name in names]


def _parts(name: str, found: Sequence[Metric]) -> Grid:
    return Grid(
        label=f"{name}, by part",
        head=("Part", "Value", "Interval", "n"),
        rows=[
            (
                ", ".join(f"{key} {value}" for key, value in metric.labels.items()),
                f"unknown: {metric.reason}" if metric.value is None else f"{number(metric.value)} {metric.unit}",
                interval(metric.low, metric.high, metric.confidence),
                "—" if metric.n is None else f"{metric.n:,}",
            )
            for metric in found
        ],
    )
