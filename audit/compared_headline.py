"""The first lines of a comparison: which run is better in what, beyond the noise or not, and what got worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .compared_findings import FindingChange
from .compared_many import MOST_LETTERS, of_many
from .compared_moves import Compared, letter
from .compared_words import MOST_NAMED, STATES, Headline, Told, cut, judged, main_rows, name_of, rules, said, values
from .comparing import Comparison
from .firstscreen import Tone
from .formats import count

TONES: dict[tuple[bool, bool], tuple[str, Tone]] = {  # by whether something is better, and something worse
    (True, False): ("▲", "pass"),
    (False, True): ("▼", "fail"),
    (True, True): ("◆", "unknown"),
    (False, False): ("–", "plain"),
}


def headline(found: Comparison, rows: Sequence[Compared], changes: Sequence[Sequence[FindingChange]]) -> Headline:
    """Return what a reader who reads one line must know.

    Args:
        found: The comparison.
        rows: Metrics of all runs.
        changes: Of each run after the first, what became of findings.
    """
    main, runs = main_rows(rows), found.runs[: len(changes) + 1]
    if runs[0].excluded is not None or all(run.excluded is not None for run in runs[1:]):
        return _hindered(found, changes)
    if len(runs) == 2:
        return _of_two(main, changes[0])
    return of_many(found, main, changes)


def _hindered(found: Comparison, changes: Sequence[Sequence[FindingChange]]) -> Headline:
    bad = [letter(place) for place, run in enumerate(found.runs) if run.excluded is not None]
    verb = "does" if len(bad) == 1 else "do"
    told = [(f"{letter(place)}: {term}" if len(changes) > 1 else term, text)
            for place, each in enumerate(changes, start=1) for term, text in _of_findings(each)]  # fmt: skip
    text = f"Cannot tell which run is better: {cut(bad, MOST_LETTERS)} {verb} not count"
    return Headline(symbol="?", tone="unknown", text=text, told=told)


def _of_two(main: Sequence[Compared], changes: Sequence[FindingChange]) -> Headline:
    better, worse = (judged(main, 0, way) for way in ("better", "worse"))
    gone, fresh = ([each for each in changes if each.state == state and each.counts] for state in ("gone", "new"))
    symbol, tone = TONES[bool(better or gone), bool(worse or fresh)]
    if better or worse:
        text = f"B is {said(better, worse)}, beyond the noise"
    else:
        text, symbol, tone = _undecided(main, symbol, tone)
    counts = [f"{count(len(gone), 'finding')} gone"] if gone else []
    counts += [f"{count(len(fresh), 'new finding')}"] if fresh else []
    text = "; ".join([text, *([", ".join(counts)] if counts else [])])
    return Headline(symbol=symbol, tone=tone, text=text, told=[*_of_findings(changes), *_of_metrics(main, 0)])


def _undecided(main: Sequence[Compared], symbol: str, tone: Tone) -> tuple[str, str, Tone]:
    moves = [row.moves[0] for row in main if row.moves[0].value is not None]
    if not moves:
        return "Cannot tell whether B is better than A: they have no number that can be compared", "?", "unknown"
    if any(move.low is not None for move in moves):
        return "No difference between A and B beyond the noise, where that can be told", symbol, tone
    leaning = next((row for row in main if row.moves[0].way), None)
    if leaning is None:
        return "A and B have the same values, as far as they can be compared", "=", tone
    told = f"B is {leaning.moves[0].way} than A in {name_of(leaning)}; whether beyond the noise, cannot be told"
    return told, "?", "unknown"


def _of_findings(changes: Sequence[FindingChange]) -> Iterator[Told]:
    """Yield what was applied, and which findings are gone, new and still there."""
    by_state = {state: [each for each in changes if each.state == state] for state in STATES}
    applied = list(dict.fromkeys(str(taken) for each in by_state["gone"] for taken in each.applied))
    if applied:
        yield "Applied, as A's findings recommend", cut(applied, 2 * MOST_NAMED)
    for state, title in STATES.items():
        if by_state[state]:
            yield title, rules(by_state[state])


def _of_metrics(main: Sequence[Compared], place: int) -> Iterator[Told]:
    """Yield the values behind the first line, and those that went one way without an interval."""
    kinds = {
        "Better, beyond the noise": ("better", "better"),
        "Worse, beyond the noise": ("worse", "worse"),
        "Better by value, noise unknown": ("open", "better"),
        "Worse by value, noise unknown": ("open", "worse"),
    }
    for title, kind in kinds.items():
        told = [values(row, place) for row in main if (row.moves[place].judged, row.moves[place].way) == kind]
        if told:
            yield title, cut(told)
    within = [values(row, place) for row in main if row.moves[place].judged == "within"]
    if within:
        yield "Within the noise", cut(within)
