"""The first lines of a comparison of more than two runs."""

from __future__ import annotations

from collections.abc import Sequence

from .compared_findings import FindingChange
from .compared_moves import Compared, letter
from .compared_rows import named
from .compared_views import short
from .compared_words import LONGEST, STATES, Headline, cut, judged, name_of, rules, said
from .comparing import Comparison
from .formats import interval, number
from .spread import CONFIDENCE

MOST_LETTERS = 8


def of_many(found: Comparison, main: Sequence[Compared], changes: Sequence[Sequence[FindingChange]]) -> Headline:
    """Return the headline of several runs: how repeats spread, else how they stand against the first."""
    text = _of_repeats(found, main) or _against_first(main, len(changes) + 1)
    told = [(f"{letter(place)} against A", _brief(main, place - 1, each) if found.runs[place].excluded is None
             else "does not count") for place, each in enumerate(changes, start=1)]  # fmt: skip
    return Headline(symbol="–", tone="plain", text=text, told=told)


def _brief(main: Sequence[Compared], place: int, changes: Sequence[FindingChange]) -> str:
    better, worse = (judged(main, place, way) for way in ("better", "worse"))
    parts = [f"{said(better, worse, '')}, beyond the noise"] if better or worse else []
    for state, title in STATES.items():
        chosen = [each for each in changes if each.state == state and each.counts]
        parts += [f"{title.lower()}: {rules(chosen)}"] if chosen and state != "persisting" else []
    return "; ".join(parts) or "nothing beyond the noise, and no finding that counts gone or new"


def _of_repeats(found: Comparison, main: Sequence[Compared]) -> str | None:
    """Return how repeats of one thing spread; None where the runs are something else."""
    if len(found.groups) != 1 or found.groups[0].no_interval is not None:
        return None
    wanted = {row.key: row for row in main}
    for each in sorted(found.rows, key=lambda row: list(wanted).index(row.key) if row.key in wanted else len(wanted)):
        told = each.spreads[0]
        if told is not None and told.low is not None:
            ends = interval(told.low, told.high, CONFIDENCE)
            return f"{told.n} repeats: {short(named(each.key), LONGEST)} is {number(told.mean)} on average, {ends}"
    return f"{len(found.groups[0].labels)} repeats of one thing"


def _against_first(main: Sequence[Compared], amount: int) -> str:
    for row in main:
        ways = [move.judged for move in row.moves]
        if "better" in ways or "worse" in ways:
            told = [f"{_letters(ways, way)} {way}" for way in ("better", "worse") if way in ways]
            return f"Against A, in {name_of(row)}: {', '.join(told)}, beyond the noise"
    nothing = f"Cannot tell which of {amount} runs is best: nothing can be compared"
    return next(filter(None, map(_best, main)), nothing)


def _best(row: Compared) -> str:
    """Return which run has the best value of a metric that no run differs in beyond the noise."""
    usable = [move.value is not None for move in row.moves]
    usable = [any(usable), *usable]
    known = {place: cell.value for place, cell in enumerate(row.cells) if cell is not None and usable[place]}
    values = {place: value for place, value in known.items() if value is not None}
    if len(values) < 2:
        return ""
    best = (min if row.better == "lower" else max)(values, key=lambda place: values[place])
    noise = "not beyond the noise" if any(move.low is not None for move in row.moves) else "the noise is not known"
    return f"{letter(best)} has the best {name_of(row)} by value, {number(values[best])}; {noise}"


def _letters(ways: Sequence[str], way: str) -> str:
    return cut([letter(place) for place, each in enumerate(ways, start=1) if each == way], MOST_LETTERS)
