"""JSON Schemas of the files that other programs read or write."""

from __future__ import annotations

from typing import Any

from .extending import PREFIX, PROFILES
from .limit_table import ACCEPTED, BETTER, BOUNDS, LEVELS, ON_MISSING
from .model import EDITIONS, Audit, RunStatus
from .policy import CHECKPOINT, COUNTED, SCHEMA
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
        "required": ["schema"],
        "properties": {
            "schema": {"const": SCHEMA, "description": "version of this file's format"},
            "allow_status": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": [status.value for status in RunStatus]},
                "description": "runs that may be judged beside finished ones",
            },
            "rules": {"enum": list(EDITIONS), "description": "edition of the rules whose findings count"},
            "extends": {
                "type": "string",
                "pattern": "\\S",
                "description": f"file, or {', '.join(PREFIX + name for name in PROFILES)}",
            },
            "locked": {"type": "boolean", "description": "policies on top of this one may only be stricter"},
            "baseline": {"type": "string", "pattern": "\\S", "description": "file or run folder to compare with"},
            "checkpoint": {"enum": list(CHECKPOINT), "description": "whether the released weights have to be given"},
            "findings": _table(
                max_severity={"enum": ["low", *(severity.value for severity in reversed(COUNTED[1:]))]},
                forbidden=_words("rules that must not have fired, by name or code"),
            ),
            "release": _table(demand=_words("facts that have to be declared")),
            "waivers": _table(max_days={"type": "integer", "minimum": 0, "description": "longest exception"}),
            "limits": {"type": "object", "additionalProperties": _limit()},
        },
        # On top of another policy, a limit may change one key of a limit there.
        "if": {"not": {"required": ["extends"]}},
        "then": {
            "properties": {
                "limits": {
                    "additionalProperties": {"required": ["metric"], "anyOf": [{"required": [b]} for b in BOUNDS]}
                }
            }
        },
        "anyOf": [
            # Without one enforced limit nothing would be gated: not all may be of another level.
            {
                "required": ["limits"],
                "properties": {"limits": {"not": {"additionalProperties": {"not": enforced}}}},
            },
            {"required": ["extends"]},
            {"required": ["findings"], "properties": {"findings": {"minProperties": 1}}},
        ],
    }


def _table(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _words(told: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "pattern": "\\S"}, "description": told}


def _limit() -> dict[str, Any]:
    registered = {"enum": [quantity.name for quantity in METRICS]}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "metric": {
                "anyOf": [
                    registered,
                    {"type": "string", "pattern": f"^({'|'.join(OPEN)})\\.[\\s\\S]"},
                ]
            },
            "max": {"type": "number", "description": "greatest allowed value, in the metric's unit"},
            "min": {"type": "number", "description": "least allowed value"},
            "max_regression": {"type": "number", "minimum": 0, "description": "most by which it may be worse"},
            "min_improvement": {"type": "number", "minimum": 0, "description": "least by which it must be better"},
            "better": {"enum": list(BETTER), "description": "which direction is"},
            "worst_group": {"type": "string", "pattern": "\\S", "description": "label whose worst row counts"},
            "min_samples": {"type": "integer", "minimum": 1, "description": "independent units that it takes"},
            "quality": {"type": "array", "minItems": 1, "items": {"enum": list(ACCEPTED)}},
            "step": {"type": "integer", "minimum": 1, "description": "step that it was measured at"},
            "checkpoint": {"type": "string", "pattern": "\\S", "description": "end of a checkpoint's path"},
            "models": _words("patterns of the model's class for which it holds") | {"minItems": 1},
            "branches": _words("patterns of the branch for which it holds") | {"minItems": 1},
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
