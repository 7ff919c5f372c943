"""The same rules while the run goes: a line the first time that one fires, and what the user wants done then."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from ..audit.escape import visible
from ..audit.judge import judge
from ..audit.model import Finding
from ..audit.record import Record
from ..audit.recorder import plain
from ..audit.rules import RULES
from ..audit.runfile import RunFile
from ..audit.series import Rows
from .ending import finding_line

log = logging.getLogger(__name__)

MOST_LINES = 3
WINDOW = 2000  # per-step rows that are looked at
SHARE = 0.002  # of the run's time that looking may take
LIVE = tuple(rule for rule in RULES if rule.live)
NAMES = tuple(rule.name for rule in LIVE)


class Watch:
    """What rank zero has written lately, judged from time to time."""

    def __init__(self, run: RunFile, *, quiet: bool) -> None:
        self.fired: dict[str, int | None] = {}  # rules that fired, with their steps
        self._run, self._quiet = run, quiet
        self._attempt = run.attempts[-1].number
        self._rows: dict[str, list[Rows]] = {}
        self._events: list[dict[str, Any]] = []
        self._lines = 0
        self._next = 0.0

    def rows(self, table: str, rows: Rows) -> None:
        """Take rows; of those of every step the last ones are kept."""
        kept = self._rows.setdefault(table, [])
        if len(rows):
            kept.append(rows)
        while table == "steps" and sum(map(len, kept[1:])) > WINDOW:
            kept.pop(0)

    def taken(self, table: str) -> list[Rows]:
        """Return what was kept of a table."""
        return list(self._rows.get(table, ()))

    def told(self, kind: str) -> bool:
        """Return whether an event of this kind has come before."""
        return any(event["kind"] == kind for event in self._events)

    def event(self, kind: str, step: int | None, data: dict[str, Any]) -> None:
        """Take an event."""
        if len(self._events) < WINDOW:
            head = {"kind": kind, "attempt": self._attempt, "rank": 0, "step": step}
            self._events.append(head | plain(data))

    def look(self, *, at_once: bool) -> list[Finding]:
        """Return findings of rules that have not fired before, when it is time to look."""
        if not at_once and time.monotonic() < self._next:
            return []
        began = time.perf_counter()
        audit = judge(Record.of(self._run, self._rows, self._events), LIVE)
        fresh = [finding for finding in audit.findings if finding.name not in self.fired]
        self.fired |= {finding.name: finding.step for finding in fresh}
        for finding in fresh:
            self._tell(finding)
        took = time.perf_counter() - began
        self._next = time.monotonic() + took / SHARE
        return fresh

    def _tell(self, finding: Finding) -> None:
        if not finding.follows_from and finding.severity.rank <= 2:
            self.say(finding_line(finding))

    def say(self, line: str) -> None:
        """Write a line for people, one of at most three."""
        if self._quiet or self._lines >= MOST_LINES:
            return
        self._lines += 1
        sys.stderr.write(f"groundwire{visible(line)}\n")
