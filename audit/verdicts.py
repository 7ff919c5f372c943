"""A verdict as text, JSON or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable

from .escape import markdown_text, visible
from .gate import Verdict
from .limits import LimitVerdict, allowed, observed
from .model import Audit

SYMBOLS = {"pass": "✓", "fail": "✗", "unknown": "?", "error": "?", "waived": "○"}
ORDER = ("fail", "error", "unknown", "waived", "pass")


def as_text(verdict: Verdict, audit: Audit) -> str:
    """Return the verdict for a terminal; the last line is the gate's word."""
    lines = [f"{SYMBOLS[verdict.outcome]} {verdict.headline.upper()}  {_about(audit)}"]
    limits = _sorted(verdict)
    name_width = max((len(limit.id) for limit in limits), default=0)
    value_width = max((len(observed(limit)) for limit in limits), default=0)
    for limit in limits:
        warn = " (warning)" if limit.level == "warn" else ""
        measured = f"{limit.id:<{name_width}}  {observed(limit):<{value_width}}"
        lines.append(f"  {SYMBOLS[limit.outcome]} {measured}  {allowed(limit)}{warn}")
        if limit.reason:
            lines.append(f"    {limit.reason}" + (f" → {limit.advice}" if limit.advice else ""))
    return "\n".join(visible(line) for line in lines) + f"\n{verdict.summary}\n"


def as_json(verdict: Verdict, audit: Audit) -> str:
    """Return the verdict for programs."""
    document = {
        "schema_version": 1,
        "run": {"id": audit.run.id, "status": audit.run.status.value},
        "policy": verdict.policy,
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "summary": verdict.summary,
        "limits": [
            {
                "id": limit.id,
                "metric": limit.metric,
                "level": limit.level,
                "outcome": limit.outcome,
                "observed": limit.observed.model_dump(mode="json") if limit.observed else None,
                "min": limit.minimum,
                "max": limit.maximum,
                "margin": limit.margin,
                "reason": limit.reason,
                "advice": limit.advice,
                "needed": limit.needed,
            }
            for limit in verdict.limits
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def as_markdown(verdict: Verdict, audit: Audit) -> str:
    """Return the verdict for a pull request."""
    lines = [
        f"### {SYMBOLS[verdict.outcome]} {verdict.headline}",
        "",
        markdown_text(_about(audit)),
        "",
        "| | limit | observed | allowed | why and what to do |",
        "|---|---|---|---|---|",
    ]
    for limit in _sorted(verdict):
        cells = (limit.id, observed(limit), allowed(limit), f"{limit.reason} {limit.advice}".strip())
        shown = " | ".join(map(markdown_text, cells))
        lines.append(f"| {SYMBOLS[limit.outcome]} | {shown} |")
    return "\n".join([*lines, "", f"`{verdict.summary}`", ""])


def _about(audit: Audit) -> str:
    return f"{audit.run.model} · {audit.run.id} · {audit.run.status} · {audit.run.steps:,} steps"


def _sorted(verdict: Verdict) -> list[LimitVerdict]:
    return sorted(verdict.limits, key=lambda limit: (ORDER.index(limit.outcome), limit.level))


FORMATS: dict[str, Callable[[Verdict, Audit], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}
