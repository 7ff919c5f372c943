"""The picture of differences: how far a run lies from the first, each metric on one line, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .charts import WIDTH, Scale, Table, nice_ticks, scale_for
from .compared_moves import Compared, Move
from .compared_rows import named
from .formats import NOTHING, interval, percent

NAMES, VALUES = 186.0, 62.0  # widths of the columns on both sides
ROW, HEAD, FOOT = 24.0, 26.0, 34.0
NAME_LENGTH = 22  # characters of a name that fit into its column, on narrow screens, too
MOST = 14
FARTHEST = 2.0  # share of the first run's value; what lies beyond is drawn at the edge


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One metric in place.

    Attributes:
        y: Of its line.
        name: The end of its name.
        x: Of the difference.
        low: Of the lower end of the interval; None where there is none.
        high: Of the upper end.
        beyond: Whether the interval does not hold zero.
        value: The difference as text.
    """

    y: float
    name: str
    x: float
    low: float | None
    high: float | None
    beyond: bool
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Forest:
    """Differences from the first run, in per cent of its values."""

    title: str
    caption: str
    height: float
    marks: tuple[Mark, ...]
    zero: float
    zero_label: str
    ticks: tuple[tuple[float, str], ...]
    table: Table
    left: float = NAMES
    right: float = WIDTH - VALUES
    width: float = WIDTH


def forest(rows: Sequence[Compared], place: int, *, first: str, other: str) -> Forest | None:
    """Return the picture of a run's differences; None where none is in per cent.

    Args:
        rows: Metrics.
        place: Of the run among their moves.
        first: Short name of the first run.
        other: Short name of the run.
    """
    known = [(row, row.moves[place]) for row in rows if row.moves[place].share is not None]
    found = sorted(known, key=lambda each: each[1].low is None)  # those with an interval first
    shown = found[:MOST]
    if not any(move.share for _, move in shown):
        return None
    ends = [end for row, move in shown for end in _ends(row, move) if end is not None]
    held = np.clip(np.asarray([*ends, 0.0]), -FARTHEST, FARTHEST)
    across = scale_for(held, start=NAMES, end=WIDTH - VALUES)
    return Forest(
        title=f"How far {other} lies from {first}",
        caption=_caption(len(shown), len(found), first, far=max(map(abs, ends)) > FARTHEST),
        height=HEAD + ROW * len(shown) + FOOT,
        marks=tuple(_mark(row, move, index, across) for index, (row, move) in enumerate(shown)),
        zero=round(float(across.place(0.0)), 1),
        zero_label=f"as {first}",
        ticks=tuple((round(float(across.place(at)), 1), signed(at)) for at in nice_ticks(across.low, across.high, 4)),
        table=_table(shown),
    )


def signed(share: float | None) -> str:
    """Return a share in per cent with its sign."""
    return f"+{percent(share)}" if share is not None and share > 0 else percent(share)


def _ends(row: Compared, move: Move) -> tuple[float | None, float | None, float | None]:
    """Return the difference and the ends of its interval, as shares of the first run's value."""
    first = row.cells[0]
    size = abs(first.value) if first is not None and first.value else 1.0
    low, high = (None if end is None else end / size for end in (move.low, move.high))
    return move.share, low, high


def _mark(row: Compared, move: Move, index: int, across: Scale) -> Mark:
    x, low, high = (None if end is None else round(float(across.place(end)), 1) for end in _ends(row, move))
    name = named(row.key)
    return Mark(
        y=HEAD + ROW * (index + 0.5),
        name=name if len(name) <= NAME_LENGTH else f"…{name[1 - NAME_LENGTH :]}",
        x=x or 0.0,
        low=low,
        high=high,
        beyond=move.judged in ("better", "worse", "other"),
        value=signed(move.share) if abs(move.share or 0.0) <= FARTHEST else _far(move.share or 0.0),
    )


def _far(share: float) -> str:
    return f"> {signed(FARTHEST)}" if share > 0 else f"< {signed(-FARTHEST)}"


def _caption(shown: int, amount: int, first: str, *, far: bool) -> str:
    text = (
        f"Differences in per cent of {first}'s value. A filled dot lies beyond the noise: its bar, the interval of"
        " the difference, does not reach the line in the middle. A hollow dot lies within it, or has no interval."
    )
    text += f" What lies more than {percent(FARTHEST)} away is drawn at the edge." if far else ""
    return text + (f" The first {shown} of {amount} metrics." if shown < amount else "")


def _table(shown: Sequence[tuple[Compared, Move]]) -> Table:
    rows = []
    for row, move in shown:
        share, low, high = _ends(row, move)
        scaled = (None if end is None else 100 * end for end in (low, high))
        ends = NOTHING if low is None else f"{interval(*scaled)} %"
        rows.append((named(row.key), signed(share), ends))
    return Table(header=("metric", "difference", "interval"), rows=tuple(rows))
