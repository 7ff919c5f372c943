"""JSON Schemas of the files that other programs read or write."""

from __future__ import annotations

from typing import Any

from .model import EDITIONS, Audit, RunStatus
from .policy import LEVELS, ON_MISSING, SCHEMA
from .registry import IMPORTED_PREFIX, LOGGED_PREFIX, METRICS
from .runfile import RunFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"

OPEN = tuple(prefix.removesuffix(".") for prefix in (LOGGED_PREFIX, IMPORTED_PREFIX))  # families without a list


def json_schema(of: str) -> dict[str, Any]:
    """Return the schema of `audit` (audit.json), `run` (run.json) or `policy` (policy.toml)."""
    if of == "policy":
        return {"$schema": DIALECT} | _policy()
    return {"$schema": DIALECT} | (Audit.model_json_schema() if of == "audit" else _run())


def _run() -> dict[str, Any]:
    """Return the schema of run.json, with the status that is written at its top for other readers."""
    found = RunFile.model_json_schema()
    status = {"enum": [status.value for status in RunStatus], "description": "how the latest attempt ended"}
    return found | {"properties": found["properties"] | {"status": status}}


def _policy() -> dict[str, Any]:
    """Return what `policy.py` checks, as far as a schema can say it: not that min is at most max."""
    enforced = {"properties": {"level": {"const": "error"}}}
    return {
        "title": "Policy",
        "type": "object",
        "additionalProperties": False,
        "required": ["schema", "limits"],
        "properties": {
            "schema": {"const": SCHEMA, "description": "version of this file's format"},
            "allow_status": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": [status.value for status in RunStatus]},
                "description": "runs that may be judged beside finished ones",
            },
            "rules": {"enum": list(EDITIONS), "description": "edition of the rules whose findings count"},
            "limits": {
                "type": "object",
                "additionalProperties": _limit(),
                # Without one enforced limit nothing would be gated: not all may be of another level.
                "not": {"additionalProperties": {"not": enforced}},
            },
        },
    }


def _limit() -> dict[str, Any]:
    registered = {"enum": [quantity.name for quantity in METRICS]}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["metric"],
        "anyOf": [{"required": ["max"]}, {"required": ["min"]}],
        "properties": {
            "metric": {
                "anyOf": [
                    registered,
                    {"type": "string", "pattern": f"^({'|'.join(OPEN)})\\.[\\s\\S]"},
                ]
            },
            "max": {"type": "number", "description": "greatest allowed value, in the metric's unit"},
            "min": {"type": "number", "description": "least allowed value"},
            "level": {"enum": list(LEVELS), "default": LEVELS[0]},
            "on_missing": {"enum": list(ON_MISSING), "default": ON_MISSING[0]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "scorer": {"type": "string", "pattern": "\\S", "description": "scorer that the metric must come from"},
            "confidence": {
                "type": "number",
                "minimum": 0.5,
                "exclusiveMaximum": 1,
                "description": "judge by the metric's interval at this confidence, not by its point",
            },
        },
    }
