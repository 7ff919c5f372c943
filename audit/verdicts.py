"""A verdict in each of its formats, of one run or of several, worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from .exports.annotations import as_annotations as as_github_of_many
from .exports.gate_json import as_json, as_json_of_many
from .exports.gate_markdown import as_markdown as as_markdown_of_many
from .exports.gate_text import as_text as as_text_of_many
from .exports.gate_text import wants_color
from .exports.junit import as_junit as as_junit_of_many
from .exports.sarif import as_sarif as as_sarif_of_many
from .exports.told import Judged, exit_code_of_many, summary_of_many
from .gate import Verdict
from .model import Audit

__all__ = [
    "FORMATS", "MANY", "Judged", "as_json", "as_markdown", "as_text", "exit_code_of_many", "summary_of_many",
    "wants_color",
]  # fmt: skip


class Writer(Protocol):
    """Writes the verdicts on several runs, worst first, and why other runs could not be judged."""

    def __call__(self, judged: Sequence[Judged], unread: Sequence[str] = (), /) -> str:
        """Return the text."""


def as_text(verdict: Verdict, audit: Audit, *, width: int | None = None, color: bool = False) -> str:
    """Return the verdict for a terminal; the last line is the gate's word."""
    return as_text_of_many([(verdict, audit)], width=width, color=color)


def as_markdown(verdict: Verdict, audit: Audit) -> str:
    """Return the verdict for a comment of a pull request or a job summary, within what GitHub takes."""
    return as_markdown_of_many([(verdict, audit)])


MANY: dict[str, Writer] = {
    "text": as_text_of_many,
    "json": as_json_of_many,
    "markdown": as_markdown_of_many,
    "junit": as_junit_of_many,
    "sarif": as_sarif_of_many,
    "github": as_github_of_many,
}


def _of_one(write: Writer, verdict: Verdict, audit: Audit) -> str:
    return write([(verdict, audit)])


FORMATS: dict[str, Callable[[Verdict, Audit], str]] = {
    name: partial(_of_one, write) for name, write in MANY.items()
} | {"json": as_json}
