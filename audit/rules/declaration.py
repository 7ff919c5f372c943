"""How a rule is declared: once, at its function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..model import EDITIONS, Confidence, Evidence, Mitigation, Severity

if TYPE_CHECKING:
    from .case import Case

HEADINGS = ("What it detects", "Why it matters", "Example", "Known limits", "References")


class CannotTellError(Exception):
    """Raised by a rule whose evidence is there but too weak; the message says why and what would help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What a rule found; `severity` where it is not the rule's own."""

    summary: str
    evidence: tuple[Evidence, ...]
    confidence: Confidence = Confidence.HIGH
    step: int | None = None
    severity: Severity | None = None


Judge = Callable[["Case", float], Fault | None]
Remedy = Callable[["Case", Fault], Mitigation | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One fault: how it is called, what it needs and what to do about it.

    Attributes:
        code: Stable code, never reused.
        name: States the flaw.
        severity: How much a finding matters.
        status: Whether a benchmark has proven it; `preview` rules may change within an edition, are shown apart
            as `info`, and count for no limit.
        since: Edition in which it came to count.
        needs: Series or metrics without which the rule is unknown.
        threshold: Default limit, in `unit`.
        unit: Unit of `threshold`.
        follows_from: Names of rules whose finding explains this one, when both fire.
        live: Whether it also judges a run that still goes, by what it did lately.
        short_run: Whether the rule also judges runs that are too short for the others.
        remedies: Functions that compute mitigations from the case and the fault, best first.
        judge: The function itself.
        documentation: Its docstring.
    """

    code: str
    name: str
    severity: Severity
    status: Literal["stable", "preview"]
    since: str
    needs: tuple[str, ...]
    threshold: float
    unit: str
    follows_from: tuple[str, ...]
    live: bool
    short_run: bool
    remedies: tuple[Remedy, ...]
    judge: Judge
    documentation: str

    @property
    def flaw(self) -> str:
        """First sentence of the documentation."""
        return self.documentation.partition("\n")[0]

    @property
    def shown(self) -> str:
        """Severity of its findings, or that it is not proven yet."""
        return self.severity.value if self.status == "stable" else self.status

    @property
    def sections(self) -> dict[str, str]:
        """Documentation by heading, in the fixed order."""
        parts = re.split(rf"^({'|'.join(HEADINGS)}):$", self.documentation, flags=re.MULTILINE)
        return {head: inspect.cleandoc(text) for head, text in zip(parts[1::2], parts[2::2], strict=True)}


def rule(
    *,
    code: str,
    severity: Severity,
    needs: tuple[str, ...],
    threshold: float,
    unit: str,
    status: Literal["stable", "preview"] = "stable",
    since: str = EDITIONS[0],
    follows_from: tuple[str, ...] = (),
    live: bool = False,
    short_run: bool = False,
    remedies: tuple[Remedy, ...] = (),
) -> Callable[[Judge], Rule]:
    """Declare a rule; its name is the function's, its documentation the function's docstring."""

    def declare(judge: Judge) -> Rule:
        return Rule(
            code=code,
            name=judge.__name__.replace("_", "-"),
            severity=severity,
            status=status,
            since=since,
            needs=needs,
            threshold=threshold,
            unit=unit,
            follows_from=follows_from,
            live=live,
            short_run=short_run,
            remedies=remedies,
            judge=judge,
            documentation=inspect.cleandoc(judge.__doc__ or ""),
        )

    return declare
