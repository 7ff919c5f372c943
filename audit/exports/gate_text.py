"""A verdict for a terminal: worst first, no line wider than the terminal, nothing cut without a sign."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import TextIO

from ..escape import visible
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

WIDTH = 120  # columns where no terminal says them
NARROWEST = 30  # what is narrower is written as if it had so many
MOST_MET = 10  # met limits, and met runs, that are listed
MOST_WHOLE = 10  # of several runs, those that are shown with their limits
_NAME, _LONG = 60, 600  # characters of a name or a value, and of a sentence
_GAP = "  "
_COLORS = {"pass": "32", "fail": "31", "unknown": "33", "error": "33", "waived": "36"}
# What a CI log would obey: `::command::` at the start of a line, `##[command]` and `##vso[…]` anywhere in it.
_COMMANDS = re.compile(r"::|##(?=\w*\[)")

Cells = tuple[str, ...]


def wants_color(stream: TextIO) -> bool:
    """Return whether a stream is a terminal whose user has not declined colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def as_text(
    judged: Sequence[Judged], unread: Sequence[str] = (), *, width: int | None = None, color: bool = False
) -> str:
    """Return the verdict for a terminal; the last line is the gate's word, whatever its length.

    Args:
        judged: Runs with what the gate says of them.
        unread: Why other runs could not be judged, a sentence each.
        width: Columns; those of the terminal unless given.
        color: Whether symbols and headlines are coloured.
    """
    columns = max(NARROWEST, width or shutil.get_terminal_size((WIDTH, 24)).columns)
    several, lines = len(judged) + len(unread) > 1, []
    ordered = runs_worst_first(judged)
    bad = [one for one in ordered if one[0].outcome != "pass" or not several]
    for verdict, audit in bad[:MOST_WHOLE]:
        lines += [*_run(verdict, audit, columns, color=color, met=not several), *([""] if several else [])]
    met = ordered[len(bad) :]
    for verdict, audit in [*bad[MOST_WHOLE:], *met[:MOST_MET]]:
        lines += _marked("", verdict.outcome, _in_short(verdict, audit), columns, color=color)
    for reason in unread:
        lines += _marked("", "unknown", _plain(reason, _LONG), columns, color=color)
    if len(met) > MOST_MET:
        lines += _wrapped(f"… and {len(met) - MOST_MET:,} more runs that meet the policy", "", columns)
    return "".join(f"{line}\n" for line in [*lines, summary_of_many(judged, unread)])


def _in_short(verdict: Verdict, audit: Audit) -> str:
    limit = next(iter(worst_first(verdict.limits)), None)
    worst = "" if limit is None else ": ".join(filter(None, (name(limit), distance(limit) or why(limit))))
    told = nearest(verdict) if verdict.outcome == "pass" else worst
    return _plain(" · ".join(filter(None, (about(verdict, audit), told))), _LONG)


def _run(verdict: Verdict, audit: Audit, columns: int, *, color: bool, met: bool) -> Iterator[str]:
    head = f"{verdict.headline.upper()}  {_plain(about(verdict, audit), _LONG)}"
    yield from _marked("", verdict.outcome, head, columns, color=color)
    yield from _wrapped(_plain(by_policy(verdict), _LONG), _GAP, columns)
    if verdict.outcome == "pass" and nearest(verdict):
        yield from _wrapped(_plain(nearest(verdict), _LONG), _GAP, columns)
    limits = worst_first(verdict.limits)
    passed = [limit for limit in limits if limit.outcome == "pass"]
    shown = [limit for limit in limits if limit.outcome != "pass"] + (passed[:MOST_MET] if met else [])
    rows = [_cells(limit) for limit in shown]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    said: set[tuple[str, str]] = set()
    for limit, cells in zip(shown, rows, strict=True):
        reason = why(limit), limit.advice
        yield from _limit(limit, cells, widths, columns, color=color, again=any(reason) and reason in said)
        said.add(reason)
    left = len(verdict.limits) - len(shown)
    if left:
        yield from _wrapped(f"✓ {count(left, 'other limit')} met", _GAP, columns)
    for note in verdict.notes:
        yield from _wrapped(f"! {_plain(note, _LONG)}", _GAP, columns, hang=_GAP)


def _cells(limit: LimitVerdict) -> Cells:
    told = " · ".join(filter(None, (distance(limit), "only warns" if limit.level == "warn" else "")))
    return tuple(_plain(cell, _NAME) for cell in (name(limit), measured(limit), allowed(limit), told))


def _limit(
    limit: LimitVerdict, cells: Cells, widths: list[int], columns: int, *, color: bool, again: bool
) -> Iterator[str]:
    """Yield a limit with its reason and advice, unless one before it has told the same."""
    row = _GAP.join(cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)).rstrip()
    if _width(row) + 4 > columns:  # does not fit beside the others: one part after another
        row = _GAP.join(filter(None, cells))
    yield from _marked(_GAP, limit.outcome, row + f"{_GAP}(as above)" * again, columns, color=color)
    if again:
        return
    if limit.outcome != "pass" and why(limit):
        yield from _wrapped(_plain(why(limit), _LONG), _GAP * 2, columns)
    if limit.outcome != "pass" and limit.advice:
        yield from _wrapped(f"→ {_plain(limit.advice, _LONG)}", _GAP * 2, columns, hang=_GAP)


def _marked(indent: str, outcome: str, text: str, columns: int, *, color: bool) -> Iterator[str]:
    """Yield a text behind the symbol of its outcome."""
    symbol = SYMBOLS[outcome]
    first, *rest = _wrapped(f"{symbol} {text}", indent, columns, hang=_GAP)
    if color:
        first = first.replace(symbol, f"\x1b[{_COLORS[outcome]}m{symbol}\x1b[0m", 1)
    yield from (first, *rest)


def _wrapped(text: str, indent: str, columns: int, *, hang: str = "") -> Iterator[str]:
    """Yield plain text as lines of at most so many columns; words that are longer are broken."""
    from rich.cells import chop_cells

    line, room, fresh = indent, columns - len(indent + hang), True
    for word in text.split(" "):
        for place, part in enumerate(chop_cells(word, room) or [""]):
            if not fresh and (place or _width(line) + 1 + _width(part) > columns):
                yield line.rstrip()
                line, fresh = indent + hang, True
            line += part if fresh else f" {part}"
            fresh = fresh and not part  # a gap between columns begins no line
    yield line.rstrip()


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _plain(text: str, most: int) -> str:
    """Return text in which nothing acts, neither on a terminal nor on the CI that reads its log."""
    return _COMMANDS.sub(lambda found: f"{found[0][0]}\\x{ord(found[0][1]):02x}", visible(text, cap=most))
