"""A rule's documentation for a terminal."""

from __future__ import annotations

import textwrap

from . import Rule
from .pictures import in_bars, pictures

WIDTH = 88


def explanation(rule: Rule) -> str:
    """Return what `groundwire explain` prints."""
    head = f"{rule.code} {rule.name} ({rule.severity.value}, {rule.status})\n{rule.flaw}\n"
    unit = f" {rule.unit}" if rule.unit else ""
    facts = f"Threshold: {rule.threshold:g}{unit}. Needs: {', '.join(rule.needs)}.\n"
    parts = [f"\n{heading}\n{_indented(text)}\n" for heading, text in rule.sections.items()]
    picture = pictures().get(rule.code)
    seen = f"\nWhat it looks like\n{in_bars(picture)}" if picture else ""
    return head + facts + "".join(parts) + seen


def _indented(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, initial_indent="  ", subsequent_indent="  ")
