"""A comparison for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .candidates import Candidate
from .compared_rows import Row
from .comparing import Comparison
from .spread import CONFIDENCE

SCHEMA_VERSION = 1


def as_json(found: Comparison) -> str:
    """Return a comparison for programs."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "confidence": CONFIDENCE,
        "folds": found.asked.folds,
        "by": found.asked.by,
        "runs": [_run(run) for run in found.runs],
        "groups": [asdict(group) for group in found.groups],
        "metrics": [_metric(row, found) for row in found.rows],
        "not_compared": [{"name": key[0], "labels": dict(key[1]), "reason": why} for key, why in found.refused],
        "differences": [asdict(each) for each in found.differences],
        "notes": list(found.notes),
        "hindrance": found.hindrance,
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _run(run: Candidate) -> dict[str, Any]:
    told = None if run.audit is None else run.audit.run
    return {
        "label": run.label,
        "url": run.url,
        "id": None if told is None else told.id,
        "status": run.status,
        "model": None if told is None else told.model,
        "steps": None if told is None else told.steps,
        "counted": run.excluded is None,
        "reason": run.excluded,
        "settings": run.settings,
    }


def _metric(row: Row, found: Comparison) -> dict[str, Any]:
    runs = {
        run.label: None if metric is None else {"value": metric.value, "low": metric.low, "high": metric.high,
                                                "counted": run.label in row.counted, "reason": metric.reason}
        for run, metric in zip(found.runs, row.cells, strict=True)
    }  # fmt: skip
    groups = [
        {"value": group.value} | ({} if told is None else asdict(told))
        for group, told in zip(found.groups, row.spreads, strict=True)
    ]
    name, labels = row.key
    about = {"name": name, "labels": dict(labels), "unit": row.unit, "better": row.better, "best": list(row.best)}
    return about | {"groups": groups, "runs": runs}
