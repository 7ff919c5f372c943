"""Words for what a comparison shows: names of metrics and findings, and the first line's parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .compared_findings import FindingChange
from .compared_forest import signed
from .compared_moves import Compared
from .compared_rows import named
from .compared_views import BARE, short
from .firstscreen import Tone
from .formats import amount, interval

WORDS = {
    "overfitting.gap": "overfitting gap",
    "generation.toxicity_probability": "share of toxic answers",
    "generation.expected_max_toxicity": "expected maximum toxicity",
    "carbon.energy_kwh": "energy",
    "carbon.emissions_kg": "emissions",
    "carbon.duration_s": "metered time",
    "carbon.cost": "cost of energy",
}
MAIN = ("logged", "imported", "overfitting", "generation", "carbon")  # families of headline metrics, in their order
MINOR = frozenset({"overfitting.gap_relative"})
MOST_NAMED, MOST_FINDINGS = 3, 4
LONGEST = 60  # characters of a name in a sentence
STATES = {
    "gone": "Findings gone",
    "new": "New findings",
    "persisting": "Still there",
    "open": "Cannot tell whether gone or new",
}
Told = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """What a comparison shows.

    Attributes:
        symbol: Of the first line.
        tone: Of the first line.
        text: The first line.
        told: What it rests on, as terms with texts.
    """

    symbol: str
    tone: Tone
    text: str
    told: list[Told]


def main_rows(rows: Sequence[Compared]) -> list[Compared]:
    """Return the metrics that a first line may name: with a direction, validation before training."""
    found = [row for row in rows if row.family in MAIN and row.better != "neither" and row.key[0] not in MINOR
             and (row.family != "carbon" or row.key[0] in WORDS)]  # fmt: skip
    validated = any(row.family == "logged" and not _trains(row) for row in found)
    kept = [row for row in found if not (validated and row.family == "logged" and _trains(row))]
    return sorted(kept, key=lambda row: MAIN.index(row.family))


def _trains(row: Compared) -> bool:
    return "train" in row.key[0]


def said(better: Sequence[str], worse: Sequence[str], than: str = " than A") -> str:
    """Return in what a run is better and worse, in words."""
    told = [(word, names) for word, names in (("better", better), ("worse", worse)) if names]
    return " and ".join(f"{word}{'' if place else than} in {cut(names)}" for place, (word, names) in enumerate(told))


def judged(main: Sequence[Compared], place: int, way: str) -> list[str]:
    """Return the names of the metrics in which a run is better or worse beyond the noise."""
    return [name_of(row) for row in main if row.moves[place].judged == way]


def rules(changes: Iterable[FindingChange]) -> str:
    """Return findings by name and code."""
    return cut([_finding(each) for each in changes], MOST_FINDINGS)


def _finding(change: FindingChange) -> str:
    hint = "" if _stable(change) else ", preview"
    return f"{short(change.name, LONGEST)} ({short(change.rule, LONGEST)}{hint})"


def _stable(change: FindingChange) -> bool:
    told = change.before or change.after
    return told is not None and told.status == "stable"


def values(row: Compared, place: int) -> str:
    """Return both values of a metric, with the difference."""
    move, one, other = row.moves[place], row.cells[0], row.cells[place + 1]
    assert one is not None and other is not None and one.value is not None and other.value is not None  # noqa: S101
    unit = "" if row.unit in BARE else row.unit
    told = [] if move.share is None else [signed(move.share)]
    told += [] if move.low is None else [f"difference {interval(move.low, move.high, move.confidence)}"]
    beside = f" ({', '.join(told)})" if told else ""
    return f"{name_of(row)} {amount(one.value, unit)} → {amount(other.value, unit)}{beside}"


def name_of(row: Compared) -> str:
    """Return what a metric is called in a sentence."""
    return WORDS[row.key[0]] if row.key[0] in WORDS and not row.key[1] else short(named(row.key), LONGEST)


def cut(texts: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return the first of some texts, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
