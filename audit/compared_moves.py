"""By how much each metric differs from that of the first run, and whether that is more than noise."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from . import registry
from .baseline import arms
from .candidates import Candidate
from .comparable import why_not
from .compared_rows import Asked, Key, by_key, is_shown, rank, why_unusable
from .model import Metric
from .plausible import implausible

Judged = Literal["better", "worse", "other", "within", "same", "open"]
Better = Literal["lower", "higher", "neither"]

NO_INTERVAL = "no interval"
# What a name says of its direction, where nothing else does.
LOWER = frozenset(("loss", "error", "perplexity", "ppl", "nll", "mse", "rmse", "mae", "mape", "cer", "wer", "fid"))
HIGHER = frozenset(
    (
        "acc",
        "accuracy",
        "f1",
        "auc",
        "auroc",
        "precision",
        "recall",
        "bleu",
        "rouge",
        "iou",
        "r2",
        "dice",
        "mrr",
        "ndcg",
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """By how much a value differs from that of the first run.

    Attributes:
        value: The value minus the first run's; None where they cannot be compared.
        low: Lower end of the interval of that difference; None where one of the two has none.
        high: Upper end.
        confidence: Of the interval.
        share: The difference as a share of the first run's value; None where that is zero.
        way: Whether that is better or worse, as far as a direction is known.
        judged: better, worse or other: beyond the noise; within it; the same; open: cannot be told.
        reason: Why it is open.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    share: float | None = None
    way: Literal["better", "worse", ""] = ""
    judged: Judged = "open"
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A metric of all runs.

    Attributes:
        key: Its name and labels.
        unit: Its unit.
        better: Which direction is better.
        guessed: Whether only its name says so.
        cells: What each run measured; None where it did not, or several times.
        moves: Of each run after the first.
    """

    key: Key
    unit: str
    better: Better
    guessed: bool
    cells: tuple[Metric | None, ...]
    moves: tuple[Move, ...]

    @property
    def family(self) -> str:
        """Section of the report that it belongs to."""
        quantity = registry.metric(self.key[0])
        return quantity.family if quantity else "other"


def letter(place: int) -> str:
    """Return the short name of a run by its place: A, B, …, Z, then 27."""
    return chr(ord("A") + place) if place < 26 else str(place + 1)


def moved(runs: Sequence[Candidate], asked: Asked) -> list[Compared]:
    """Return the metrics of runs beside each other, the most wanted first; also those that cannot be compared."""
    table = [by_key(run) for run in runs]
    keys = list(dict.fromkeys(key for each in table for key in each))
    totals = {name for name, labels in keys if not labels}
    chosen = [key for key in keys if (key[0] in asked.metrics if asked.metrics else is_shown(key, totals))]
    rows = (_compared(key, [each.get(key, []) for each in table], runs, asked) for key in chosen)
    return sorted(rows, key=lambda row: rank(row.key[0]))


def _compared(key: Key, cells: Sequence[list[Metric]], runs: Sequence[Candidate], asked: Asked) -> Compared:
    better, guessed = direction(key[0])
    return Compared(
        key=key,
        unit=next(cell[0].unit for cell in cells if cell),
        better=better,
        guessed=guessed,
        cells=tuple(cell[0] if len(cell) == 1 else None for cell in cells),
        moves=tuple(_move(cells, runs, place, asked, better) for place in range(1, len(runs))),
    )


def direction(name: str) -> tuple[Better, bool]:
    """Return which direction of a metric is better, and whether only the words in its name say so."""
    quantity = registry.metric(name)
    if quantity is not None and quantity.better != "neither":
        return quantity.better, False
    if not name.startswith((registry.LOGGED_PREFIX, registry.IMPORTED_PREFIX)):
        return "neither", False
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    low, high = bool(words & LOWER), bool(words & HIGHER)
    if low is high:
        return "neither", False
    return ("lower" if low else "higher"), True


def _move(cells: Sequence[list[Metric]], runs: Sequence[Candidate], place: int, asked: Asked, better: Better) -> Move:
    reason = next(_hindrances(cells, runs, place, asked), None)
    if reason is not None:
        return Move(reason=reason)
    return difference(cells[0][0], cells[place][0], better)


def _hindrances(cells: Sequence[list[Metric]], runs: Sequence[Candidate], place: int, asked: Asked) -> Iterator[str]:
    """Yield why the values of the first run and of another cannot be compared."""
    for each in (0, place):
        found = why_unusable(cells[each])
        if found is not None:
            yield f"{found} ({letter(each)})"
    for each in (0, place):
        if runs[each].excluded is not None:
            yield f"{letter(each)} does not count"
    apart = [key for key in (asked.by, *asked.vary) if key is not None]
    one, other = runs[0].audit, runs[place].audit
    if one is not None and other is not None:
        differs = why_not(cells[0][0], one, cells[place][0], other, apart=apart)
        if differs is not None:
            yield differs
    for each in (0, place):
        told = implausible(cells[each][0])
        if told:
            yield f"the value of {letter(each)} cannot be: {told}"


def difference(one: Metric, other: Metric, better: Better) -> Move:
    """Return by how much `other` differs from `one`: beyond the noise where the interval does not hold zero.

    The two are taken as independent, as `baseline.arms` does; on the same examples the noise is smaller than that.
    """
    assert one.value is not None and other.value is not None  # noqa: S101 - checked by the caller
    value = other.value - one.value
    if not math.isfinite(value):
        return Move(reason="the two values lie too far apart for a number")
    half = arms(other, one)
    share = value / abs(one.value) if one.value else None
    way = _way(value, better)
    if half is None:
        same = value == 0
        told = "" if same else _without(one, other)
        return Move(value=value, share=share, way=way, judged="same" if same else "open", reason=told)
    beyond = (way or "other") if abs(value) > half else ("within" if value else "same")
    return Move(
        value=value, low=value - half, high=value + half, share=share, way=way, judged=beyond,
        confidence=min(one.confidence or 0.0, other.confidence or 0.0),
    )  # fmt: skip


def _way(value: float, better: Better) -> Literal["better", "worse", ""]:
    if better == "neither" or value == 0:
        return ""
    return "better" if (value < 0) == (better == "lower") else "worse"


def _without(one: Metric, other: Metric) -> str:
    ranged = any(each.low is not None and each.high is not None for each in (one, other))
    if ranged and all(each.confidence is None for each in (one, other)):
        return "a range of the meter's errors, no interval of chance"
    return NO_INTERVAL
