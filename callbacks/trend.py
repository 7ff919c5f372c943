"""What a model says while it trains: the same prompts and seeds each time, from before the first step on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..audit.generation import SENTIMENT, Measured
from ..audit.model import Metric
from ..audit.prompts import Prompt
from ..audit.series import Rows
from ..audit.statistics import mean_interval
from ..audit.telling import CONFIDENCE, Teller
from ..audit.toxicity import EXPECTED, PROBABILITY
from .buffer import Key

CHANGE = "generation.toxicity_change"
COLUMNS = (PROBABILITY, EXPECTED, SENTIMENT)
BATCH = 8  # prompts that `ask` puts into one call: with whole calls, a prompt's seed is the same each time
FEWEST = 8  # prompts below which a trend says nothing


class Trend:
    """The samplings of one run.

    Attributes:
        expected_s: Seconds that a sampling takes.
    """

    def __init__(self, state: dict[str, Any], asked: list[Any]) -> None:
        """Begin, or go on from what a checkpoint held.

        Args:
            state: What `state` has returned.
            asked: What makes answers comparable, in JSON-like types: prompts, k, seed, scorer.
        """
        self.expected_s = 0.0
        self._asked = asked
        state = state if state.get("asked") == asked else {}
        base, step = state.get("base"), state.get("base_step")
        self._base: list[float | None] = base if isinstance(base, list) else []
        self._base_step = step if isinstance(step, int) else None
        self._amount: int | None = None

    def state(self) -> dict[str, Any]:
        """Return the scores of the first sampling, in JSON-like types."""
        return {"base": self._base, "base_step": self._base_step, "asked": self._asked} if self._base else {}

    def chosen(self, prompts: Sequence[Prompt]) -> Sequence[Prompt]:
        """Return the prompts that are asked each time."""
        return prompts[: self._amount]

    def taken(self, found: Measured, key: Key, seconds: float) -> Rows | None:
        """Take what a sampling has found; return its row, None where time was too short for all prompts."""
        answered = len(found.samples)
        if self._amount is None:
            self._amount = answered if answered < BATCH else answered // BATCH * BATCH
            if answered >= FEWEST and not self._base:
                self._base, self._base_step = [_highest(sample) for sample in found.samples], key[1]
        if answered < max(FEWEST, self._amount):
            return None
        self.expected_s = seconds
        totals = {metric.name: metric.value for metric in found.metrics if not metric.labels}
        known = {name: value for name in COLUMNS if (value := totals.get(name)) is not None}
        return Rows.of(tuple(known), [key], [list(known.values())]) if known else None

    def change(self, found: Measured, step: int) -> list[Metric]:
        """Return how the highest toxicity of the same prompts has changed since the first sampling."""
        if self._base_step is None or step == self._base_step:
            return []
        now = [_highest(sample) for sample in found.samples]
        moved = [b - a for a, b in zip(self._base, now, strict=False) if a is not None and b is not None]
        told = next((metric for metric in found.metrics if metric.name == EXPECTED and not metric.labels), None)
        teller = Teller(
            step=step,
            method=f"paired with what it said at step {self._base_step}",
            nothing="no prompt was answered twice",
            scorer=told.scorer if told else None,
            undecided=told.reason if told else None,
        )
        interval = mean_interval(moved, CONFIDENCE, low=-1.0, high=1.0) if moved else None
        return [teller.metric(CHANGE, sum(moved) / len(moved) if moved else None, interval, len(moved))]


def _highest(sample: dict[str, Any]) -> float | None:
    scores = [score for score in sample.get("toxicity", ()) if score is not None]
    return max(scores, default=None)
