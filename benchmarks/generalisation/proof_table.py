"""What the rules say of the trials that are built for them, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

from .proving import Proved
from .truths import MEASURES


def markdown(proved: Sequence[Proved]) -> str:
    """Return the tables."""
    return "\n".join([*_summary(proved), "", *_rows(proved), "", *_lists(proved)])


def _rules(proved: Sequence[Proved]) -> list[str]:
    return sorted({one.proof.rule for one in proved})


def _summary(proved: Sequence[Proved]) -> Iterator[str]:
    yield "| rule | with the fault: named | cannot tell | healthy: falsely named | cannot tell |"
    yield "|---|---|---|---|---|"
    for rule in _rules(proved):
        cells = []
        for faulty in (True, False):
            of = [one for one in proved if one.proof.rule == rule and one.proof.faulty is faulty]
            cells += [f"{sum(one.named for one in of)} of {len(of)}", str(sum(bool(one.open) for one in of))]
        yield f"| {rule} | {' | '.join(cells)} |"


def _rows(proved: Sequence[Proved]) -> Iterator[str]:
    yield "| run | truth | named | cannot tell | further findings |"
    yield "|---|---|---|---|---|"
    for rule in _rules(proved):
        yield f"| **{rule}**: {MEASURES[rule].title} | | | | |"
        of = [one for one in proved if one.proof.rule == rule]
        for faulty, name in dict.fromkeys((one.proof.faulty, one.proof.trial.setup.name) for one in of):
            runs = [one for one in of if (one.proof.faulty, one.proof.trial.setup.name) == (faulty, name)]
            yield _row(f"{'fault' if faulty else 'healthy'}: {name}", runs)


def _row(title: str, of: Sequence[Proved]) -> str:
    truth = ", ".join(_percent(one.truth) for one in of)
    further = sorted({code for one in of for code in one.fired} - {one.proof.rule for one in of})
    named, unsure = sum(one.named for one in of), sum(bool(one.open) for one in of)
    return f"| {title} | {truth} | {named} of {len(of)} | {unsure} | {', '.join(further) or '–'} |"


def _percent(value: float) -> str:
    if isnan(value):
        return "–"
    return f"{value:.0f} %" if abs(value) >= 10 else f"{value:.1f} %"


def _lists(proved: Sequence[Proved]) -> Iterator[str]:
    lists = {
        "Missed": [one for one in proved if one.proof.faulty and not one.named],
        "Falsely named": [one for one in proved if not one.proof.faulty and one.named],
        "Not as meant, by the test set": [one for one in proved if not one.as_built],
    }
    for title, found in lists.items():
        told = (f"{one.proof.id} ({_percent(one.truth)}{f'; {one.open}' if one.open else ''})" for one in found)
        yield f"{title}: {', '.join(told) or 'none'}."
