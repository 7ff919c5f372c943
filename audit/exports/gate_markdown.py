"""A verdict as Markdown for a comment or a job summary: worst first, within what GitHub takes.

GitHub takes 65,536 characters of a comment, and drops a job summary of more than 1,024 KiB as a whole. The smaller
budget keeps both: 65,536 characters are at most 192 KiB.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..escape import markdown_text
from ..formats import count
from ..gate import Verdict
from ..limits import LimitVerdict, allowed
from ..model import Audit
from .told import (
    SYMBOLS,
    Judged,
    about,
    by_policy,
    distance,
    measured,
    name,
    nearest,
    runs_worst_first,
    summary_of_many,
    why,
    worst_first,
)

COMMENT = 65_536  # characters
_NAME, _LONG = 120, 600  # characters of a name or a value, and of a sentence, before they are escaped
_NOTES = 10
_TELLING = 300  # characters kept for saying what is left out
_HEAD = ("| | limit | observed | allowed | why and what to do |", "|---|---|---|---|---|")


class _Page:
    """Lines that fit a budget, and how much did not."""

    def __init__(self, room: int) -> None:
        self.lines: list[str] = []
        self.runs = self.limits = 0
        self._room = room

    def add(self, *lines: str, keep: int = 0) -> bool:
        """Append lines if they fit and leave so much room; say whether they did."""
        size = sum(map(_size, lines))
        if size + keep > self._room:
            return False
        self.lines += lines
        self._room -= size
        return True

    def left_out(self) -> list[str]:
        """Return what is said of the rest."""
        parts = [count(amount, what) for amount, what in ((self.runs, "run"), (self.limits, "limit")) if amount]
        told = f"… {' and '.join(parts)} more, none of them worse, left out to fit into {COMMENT:,} characters"
        return ["", f"{told}: `--format json` has all."] if parts else []


def as_markdown(judged: Sequence[Judged], unread: Sequence[str] = (), *, most: int = COMMENT) -> str:
    """Return the verdict, saying what is left out.

    Args:
        judged: Runs with what the gate says of them.
        unread: Why other runs could not be judged, a sentence each.
        most: Characters that it may have, as GitHub counts them; 30,000 or more.
    """
    tail = [*_listed(unread, "run"), "", f"`{summary_of_many(judged, unread)}`"]
    page = _Page(most - sum(map(_size, tail)) - _TELLING)
    several = len(judged) + len(unread) > 1
    for place, (verdict, audit) in enumerate(runs_worst_first(judged)):
        if not _run(page, verdict, audit, first=not place, short=several and verdict.outcome == "pass"):
            page.runs = len(judged) - place
            break
    return "\n".join([*page.lines, *page.left_out(), *tail, ""])


def _run(page: _Page, verdict: Verdict, audit: Audit, *, first: bool, short: bool) -> bool:
    """Write what is said of a run; say whether there was room for its beginning."""
    head = [f"### {SYMBOLS[verdict.outcome]} {verdict.headline}", ""]
    told = [about(verdict, audit), by_policy(verdict)]
    if verdict.outcome == "pass":
        told.append(nearest(verdict))
    told = [_prose(part, _LONG) for part in told if part]
    if short:
        return page.add("", f"{SYMBOLS['pass']} {' · '.join(told)}")
    table = [] if not verdict.limits else ["", *_HEAD]
    notes = _listed(verdict.notes, "note")
    keep = sum(map(_size, notes))
    if not page.add(*([] if first else [""]), *head, " · ".join(told), *table, keep=keep):
        return False
    rows = list(map(_row, worst_first(verdict.limits)))
    added = next((place for place, row in enumerate(rows) if not page.add(row, keep=keep)), len(rows))
    page.limits += len(rows) - added
    return page.add(*notes)


def _listed(sentences: Sequence[str], what: str) -> list[str]:
    shown = [f"- {_prose(told, 2 * _NAME)}" for told in sentences[:_NOTES]]
    more = len(sentences) - len(shown)
    return ["", *shown, *([f"- … and {count(more, f'more {what}')}"] if more else [])] if shown else []


def _row(limit: LimitVerdict) -> str:
    told = ". ".join(filter(None, (distance(limit), why(limit), limit.advice and f"Do: {limit.advice}")))
    warn = "only warns" if limit.level == "warn" else ""
    cells = (
        _prose(name(limit), _NAME),
        _prose(measured(limit), _NAME),
        _prose(allowed(limit), _NAME),
        _prose(". ".join(filter(None, (warn, told))), _LONG),
    )
    return f"| {SYMBOLS[limit.outcome]} | {' | '.join(cells)} |"


def _prose(text: str, most: int) -> str:
    """Return text of which GitHub makes neither markup nor a mention, nor a link to an issue from `#1`."""
    return str(markdown_text(text, cap=most)).replace("\\#", "＃")


def _size(line: str) -> int:
    """Return the length of a line as GitHub may count it: UTF-16 units, and two for its end."""
    return len(line.encode("utf-16-le")) // 2 + 2
