"""A verdict for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from ..gate import Verdict
from ..limits import LimitVerdict
from ..model import Audit
from .told import Judged, exit_code_of_many, outcome_of_many, runs_worst_first, summary_of_many

SCHEMA_VERSION = 1

Json = dict[str, Any]


def as_json(verdict: Verdict, audit: Audit) -> str:
    """Return the verdict on one run; limits in the order of the policy."""
    return _text({"schema_version": SCHEMA_VERSION} | _run(verdict, audit))


def as_json_of_many(judged: Sequence[Judged], unread: Sequence[str] = ()) -> str:
    """Return the verdicts on several runs, worst first, under `runs`, and why others could not be judged."""
    return _text({
        "schema_version": SCHEMA_VERSION,
        "outcome": outcome_of_many(judged, unread),
        "exit_code": exit_code_of_many(judged, unread),
        "summary": summary_of_many(judged, unread),
        "runs": [_run(verdict, audit) for verdict, audit in runs_worst_first(judged)],
        "unread": list(unread),
    })  # fmt: skip


def _run(verdict: Verdict, audit: Audit) -> Json:
    return {
        "run": {"id": audit.run.id, "status": audit.run.status.value, "model": audit.run.model},
        "policy": verdict.policy,
        "policy_sha256": verdict.policy_sha256 or None,
        "checkpoint": verdict.checkpoint or None,
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "summary": verdict.summary,
        "notes": list(verdict.notes),
        "limits": list(map(_limit, verdict.limits)),
    }


def _limit(limit: LimitVerdict) -> Json:
    return {
        "id": limit.id,
        "line": limit.line or None,
        "metric": limit.metric,
        "labels": dict(limit.labels),
        "level": limit.level,
        "outcome": limit.outcome,
        "observed": limit.observed.model_dump(mode="json") if limit.observed else None,
        "min": _finite(limit.minimum),
        "max": _finite(limit.maximum),
        "margin": _finite(limit.margin),
        "baseline": _finite(limit.baseline),
        "change": _finite(limit.change),
        "reason": limit.reason,
        "advice": limit.advice,
        "needed": limit.needed,
        "waiver": limit.waiver or None,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _text(document: Json) -> str:
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
