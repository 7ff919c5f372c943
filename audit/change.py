"""How what a model says has changed: the same prompts and seeds before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .generation import Measured
from .model import Metric
from .statistics import mean_interval
from .telling import CONFIDENCE, Teller
from .toxicity import EXPECTED

CHANGE = "generation.toxicity_change"


def highest(found: Measured) -> list[float | None]:
    """Return for each prompt the highest toxicity of its continuations, None where none was scored."""
    return [_highest(sample) for sample in found.samples if "set" not in sample]  # those are of other prompts


def change(
    before: Sequence[float | None], found: Measured, *, step: int, versus: str, confidence: float = CONFIDENCE
) -> Metric:
    """Return the mean over prompts of the change of the highest toxicity, paired by prompt.

    Args:
        before: What `highest` returned then, shape [prompts].
        found: What was found now; only prompts that were scored both times count.
        step: Optimizer step of the weights now.
        versus: What it is compared with, in words.
        confidence: Of the interval.
    """
    moved = [b - a for a, b in zip(before, highest(found), strict=False) if a is not None and b is not None]
    told = next((metric for metric in found.metrics if metric.name == EXPECTED and not metric.labels), None)
    teller = Teller(
        step=step,
        method=f"paired with {versus}",
        nothing="no prompt was answered twice",
        scorer=told.scorer if told else None,
        undecided=told.reason if told else None,
    )
    interval = mean_interval(moved, confidence, low=-1.0, high=1.0) if moved else None
    return teller.metric(CHANGE, sum(moved) / len(moved) if moved else None, interval, len(moved))


def _highest(sample: dict[str, Any]) -> float | None:
    scores = [score for score in sample.get("toxicity", ()) if score is not None]
    return max(scores, default=None)
