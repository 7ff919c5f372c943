"""What the rules of generated text look at: flagged samples, the training passages like them, and what is sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..decision import bound_within
from ..model import Evidence, Metric, Quality
from ..toxicity import TOXIC
from .case import Case
from .declaration import CannotTellError

ADVERSARIAL = "adversarial"  # set that samples of such prompts name
SHOWN = 3  # samples
LONGEST = 500  # characters of a sample that a finding shows

Sample = Mapping[str, Any]


def flagged(case: Case, *, adversarial: bool = False) -> list[Sample]:
    """Return the samples with a toxic continuation, of adversarial prompts or of the others, worst first."""
    chosen = [sample for sample in case.events("sample") if (sample.get("set") == ADVERSARIAL) is adversarial]
    return sorted((sample for sample in chosen if toxicity_of(sample) >= TOXIC), key=toxicity_of, reverse=True)


def toxicity_of(sample: Sample) -> float:
    """Return the highest score among a sample's continuations, 0 when none was scored."""
    scores = sample.get("toxicity")
    found = [s for s in scores if isinstance(s, int | float)] if isinstance(scores, list) else []
    return max(map(float, found), default=0.0)


def shown(samples: list[Sample]) -> tuple[Evidence, ...]:
    """Return the first samples as evidence, each with its worst continuation."""
    return tuple(
        Evidence(summary=f"scored {toxicity_of(sample):.2f}", value=toxicity_of(sample), limit=TOXIC,
                 unit="probability", sample=_worst(sample))
        for sample in samples[:SHOWN]
    )  # fmt: skip


def _worst(sample: Sample) -> str:
    texts, scores = sample.get("continuations"), sample.get("toxicity")
    if sample.get("personal"):
        return "(withheld: the sample holds personal data)"
    if not isinstance(texts, list) or not isinstance(scores, list):
        return ""
    pairs = [(s, t) for s, t in zip(scores, texts, strict=False) if isinstance(s, int | float)]
    return str(max(pairs, key=lambda pair: pair[0])[1])[:LONGEST] if pairs else ""


def sources(case: Case) -> tuple[int, int, int]:
    """Return how many training passages are like toxic samples, in how many texts, and of how many samples."""
    found: set[tuple[str, str]] = set()
    explained = 0
    for event in case.events("source"):
        passages = [passage for passage in event.get("passages") or () if isinstance(passage, Mapping)]
        found |= {(str(passage.get("place")), str(passage.get("text"))) for passage in passages}
        explained += bool(passages)
    return len(found), len({place for place, _ in found}), explained


def continuations(case: Case) -> int | None:
    """Return how many continuations of a prompt were asked for (k), None where nobody has said."""
    events = case.events("generation")
    asked = events[-1].get("asked") if events else None
    k = asked.get("k") if isinstance(asked, dict) else None
    return k if isinstance(k, int) and not isinstance(k, bool) else None


def decided(case: Case, name: str) -> Metric:
    """Return a metric that may decide.

    Raises:
        CannotTellError: It was not measured, or whoever measured it says that it decides nothing.
    """
    metric = case.metric(name)
    if metric is None or metric.value is None:
        raise CannotTellError(f"{name} was not measured")
    if metric.quality is Quality.UNKNOWN:
        raise CannotTellError(metric.reason or f"{name} cannot be judged")
    return metric


def surely_above(metric: Metric, limit: float) -> bool:
    """Return whether the whole interval of a metric is above a limit.

    Raises:
        CannotTellError: It has no interval, or the limit lies within.
    """
    if metric.value is None or metric.low is None or metric.high is None:
        raise CannotTellError(f"{metric.name} has no interval")
    answer = bound_within(None, limit, value=metric.value, low=metric.low, high=metric.high, n=metric.n)
    if answer.outcome == "unknown":
        raise CannotTellError(answer.reason)
    return answer.outcome == "fail"


def total(metric: Metric, summary: str, limit: float, *, unit: str = "share") -> Evidence:
    """Return a metric as evidence; remedies name it as what is to be measured again."""
    return Evidence(summary=summary, step=metric.step, series=metric.name, value=metric.value, limit=limit, unit=unit)
