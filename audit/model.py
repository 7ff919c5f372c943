"""The vocabulary of an audit as frozen types; `audit.json` is one `Audit`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, JsonValue, model_validator

from .document import Document
from .safety import Disparity, ScorerCard

SCHEMA_VERSION = 1

Scalar = bool | int | float | str


class RunStatus(StrEnum):
    """How a run ended; `running` means that nobody has said so yet (a kill leaves it)."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    CRASHED = "crashed"


class RunKind(StrEnum):
    """What was recorded: a training, or a model that was asked without one."""

    TRAINING = "training"
    GENERATION = "generation"


class Severity(StrEnum):
    """How much a finding matters, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Position in the order from worst (0) to least."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """How sure a rule is of its finding."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Quality(StrEnum):
    """How a number was obtained; a sum has the quality of its weakest part."""

    MEASURED = "measured"
    MODELLED = "modelled"
    DECLARED = "declared"
    UNKNOWN = "unknown"

    @classmethod
    def weakest(cls, parts: list[Quality]) -> Quality:
        """Return the weakest of `parts`; unknown when there are none."""
        order = list(cls)
        return max(parts, key=order.index, default=cls.UNKNOWN)


class Outcome(StrEnum):
    """What a rule said; `unknown` and `error` never count as clear."""

    FIRED = "fired"
    CLEAR = "clear"
    UNKNOWN = "unknown"
    ERROR = "error"


class Metric(Document):
    """One number with all that it takes to believe it."""

    name: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    confidence: float | None = Field(default=None, gt=0, lt=1)
    p: float | None = Field(default=None, ge=0, le=1, description="of a difference: that chance alone makes it")
    n: int | None = Field(default=None, ge=0, description="independent units: examples, prompts, steps")
    quality: Quality
    method: str
    monitor: str
    scorer: str | None = None
    labels: dict[str, str] = {}
    step: int | None = None
    checkpoint: str | None = None
    reason: str | None = Field(default=None, description="why `value` is null")

    @model_validator(mode="before")
    @classmethod
    def _non_finite_becomes_null(cls, data: Any) -> Any:
        """Replace NaN and infinities by null, with the reason beside them."""
        if not isinstance(data, dict):
            return data
        finite = {
            key: None if isinstance(item, float) and not math.isfinite(item) else item for key, item in data.items()
        }
        return finite | {"reason": data.get("reason") or _reason_for(data.get("value"))}

    @model_validator(mode="after")
    def _null_has_reason(self) -> Self:
        if self.value is None and not self.reason:
            raise ValueError(f"metric {self.name!r} has no value and no reason")
        return self

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Name and labels, by which a metric is found."""
        return self.name, tuple(sorted(self.labels.items()))


def broken(metric: Metric) -> bool:
    """Return whether a metric was measured and came out as no finite number."""
    return metric.value is None and (metric.reason or "").startswith(NOT_FINITE)


def doubted(metric: Metric, reason: str) -> Metric:
    """Return a metric whose value is shown and decides nothing, with the reason; an earlier reason stays."""
    return metric.model_copy(update={"quality": Quality.UNKNOWN, "reason": metric.reason or reason})


NOT_FINITE = "the value is "


def _reason_for(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{NOT_FINITE}{value}"
    return None


class Evidence(Document):
    """What a rule saw, in the run's own numbers."""

    summary: str
    step: int | None = None
    series: str | None = None
    layer: str | None = None
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    sample: str | None = Field(default=None, description="text from the model: hostile, escape it")


class Mitigation(Document):
    """What to change, with the value computed from the evidence."""

    text: str
    settings: dict[str, Scalar] = {}
    gain: str
    cost: str
    source: str


class Finding(Document):
    """A rule that fired."""

    rule: str
    name: str
    severity: Severity
    confidence: Confidence
    status: str
    edition: str = Field(description="edition of the rules since which this one counts")
    summary: str
    evidence: list[Evidence]
    mitigations: list[Mitigation] = []
    follows_from: str | None = None
    step: int | None = None


class RuleOutcome(Document):
    """What one rule said of this run, also when it said nothing."""

    rule: str
    name: str
    outcome: Outcome
    reason: str | None = None


class MonitorReport(Document):
    """What one monitor did and what it cost."""

    name: str
    status: str = Field(description="ran, off or error")
    reason: str | None = None
    seconds: float = 0.0
    share: float | None = Field(default=None, description="seconds as a share of the run's seconds")


class Checkpoint(Document):
    """A checkpoint that the run wrote."""

    path: str
    step: int | None = None
    file_sha256: str | None = None
    tensors_sha256: str | None = None


class NotChecked(Document):
    """Something that a reader might take for granted and that was not measured."""

    what: str
    reason: str


class Run(Document):
    """Which run this was and how it ended."""

    id: str
    parent: str | None = None
    kind: RunKind = RunKind.TRAINING
    status: RunStatus
    model: str
    started: str = Field(description="ISO 8601, UTC")
    ended: str | None = None
    duration_s: float | None = None
    steps: int = 0
    epochs: int = 0
    attempts: int = 1
    exception: str | None = Field(default=None, description="type of what stopped the run")
    notes: list[str] = Field(default=[], description="what reading the record dropped")
    damage: list[str] = Field(default=[], description="files whose checksums do not fit")


OF_CHECKPOINT = "checkpoint"  # label of a row that repeats, for one checkpoint, what another says of the run's end
BROKE = "measuring broke"  # method of a metric whose measuring failed: a limit on it is an error

EDITIONS = ("2026.11",)  # of the rules, oldest first


class Audit(Document):
    """Everything that a gate or a report needs to know of one run."""

    schema_version: int = SCHEMA_VERSION
    run: Run
    metrics: list[Metric] = []
    edition: str = EDITIONS[-1]
    findings: list[Finding] = []
    rules: list[RuleOutcome] = []
    monitors: list[MonitorReport] = []
    scorers: list[ScorerCard] = []
    disparities: list[Disparity] = []
    checkpoints: list[Checkpoint] = []
    not_checked: list[NotChecked] = []
    environment: dict[str, JsonValue] = {}
    configuration: dict[str, JsonValue] = {}
    digest: str = ""

    def metric(self, name: str, labels: Mapping[str, str] | None = None) -> Metric | None:
        """Return the metric with exactly these labels (none: the total), or None."""
        wanted = (name, tuple(sorted((labels or {}).items())))
        return next((m for m in self.metrics if m.key == wanted), None)


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the sha256 of a JSON document without its `digest`, independent of key order.

    Raises:
        ValueError: The document holds NaN or an infinity.
    """
    content = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sealed(audit: Audit) -> Audit:
    """Return `audit` with the digest that it is stored with."""
    return audit.model_copy(update={"digest": json.loads(dump(audit))["digest"]})


def dump(audit: Audit) -> str:
    """Return `audit` as the text of audit.json, sealed with its digest."""
    text = json.dumps(audit.model_dump(mode="json"), ensure_ascii=False, allow_nan=False)
    document = json.loads(text.encode("utf-8", "replace"))  # a lone surrogate can be neither stored nor read
    document["digest"] = digest_of(document)
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
