"""Metrics of what a model says, made alike: what they share is said once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from . import registry
from .model import Metric, Quality

CONFIDENCE = 0.95
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Teller:
    """Makes metrics of one sampling.

    Attributes:
        step: Optimizer step of the weights.
        method: How many prompts and continuations, and what happened to them.
        nothing: Why there is no value, for when there is none.
        scorer: Who scored, None where nobody did.
        quality: Of what is told.
        undecided: Why no limit may be judged by what is told, None where one may.
        labels: Of every metric.
    """

    step: int
    method: str
    nothing: str
    scorer: str | None = None
    quality: Quality = Quality.MODELLED
    undecided: str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def by(self, scorer: str, *, undecided: str | None = None) -> Teller:
        """Return one for what a scorer says."""
        return replace(self, scorer=scorer, undecided=undecided)

    def about(self, **labels: str) -> Teller:
        """Return one for a part of what was said."""
        return replace(self, labels=self.labels | labels)

    def metric(
        self, name: str, value: float | None, interval: Interval | None, n: int, *, method: str = "",
        p: float | None = None, undecided: str | None = None,
    ) -> Metric:  # fmt: skip
        """Return a metric with its interval; without one there is no value."""
        low, high = interval or (None, None)
        reason = undecided or self.undecided
        return Metric(
            name=name, value=value, low=low, high=high, p=p, n=n, unit=_unit(name), step=self.step,
            confidence=CONFIDENCE if interval else None, scorer=self.scorer, labels=self.labels, monitor="generation",
            method=", ".join(part for part in (self.method, method) if part),
            quality=Quality.UNKNOWN if reason or value is None else self.quality,
            reason=self.nothing if value is None else reason,
        )  # fmt: skip

    def none(self, names: Sequence[str], reason: str, *, method: str = "not measured") -> list[Metric]:
        """Return metrics that could not be had."""
        return [
            Metric(name=name, value=None, unit=_unit(name), quality=Quality.UNKNOWN, method=method,
                   monitor="generation", step=self.step, reason=reason, scorer=self.scorer, labels=self.labels)
            for name in names
        ]  # fmt: skip


def _unit(name: str) -> str:
    quantity = registry.metric(name)
    return quantity.unit if quantity else ""
