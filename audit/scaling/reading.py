"""Reads the runs of a table: one row a run, with columns `parameters`, `tokens` or `training_flop`, and `loss`."""

from __future__ import annotations

import math
import os
import reprlib
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..prompts.rows import Form, Row
from ..prompts.tables import table_rows
from ..prompts.textfile import first_line, opened
from .points import FLOP_PER_TOKEN, LARGEST_SIZE, Point

NEEDS = "a scaling law needs 'parameters', 'tokens' or 'training_flop', and 'loss': name them so"
MOST_ROWS = 10_000
SUFFIXES = (".csv", ".tsv", ".txt")


def is_table(source: str) -> bool:
    """Return whether a source is a table and no run."""
    path = Path(source)
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def read_points(path: str | os.PathLike[str]) -> list[Point]:
    """Return the runs of a table; tokens are FLOP / 6·parameters where only the FLOP are told.

    Raises:
        UsageError: It cannot be read, a column is missing, or a number is none that a run has.
    """
    found: list[Point] = []
    with opened(path) as (place, file):
        first = first_line(file)
        if not first:
            raise UsageError(f"{place} is empty: {NEEDS}.")
        for row in table_rows(place, file, first, FORMS, NEEDS):
            found.append(_point(row))
            if len(found) > MOST_ROWS:
                raise UsageError(f"{place} has more than {MOST_ROWS:,} rows: give one row a finished run.")
    if not found:
        raise UsageError(f"{place} holds no rows below its header: give one row a run.")
    return found


def _point(row: Row) -> Point:
    parameters, loss = _positive(row, "parameters"), _positive(row, "loss")
    known = "tokens" if "tokens" in row.values else "training_flop"
    size = _positive(row, known)
    tokens = size if known == "tokens" else size / (FLOP_PER_TOKEN * parameters)
    if tokens < 1:
        raise row.wrong(f"{size:g} FLOP are {tokens:.3g} tokens for {parameters:g} parameters: check both.")
    return Point(name=f"line {row.line}", parameters=parameters, tokens=tokens, loss=loss)


def _positive(row: Row, column: str) -> float:
    """Return the number in a column.

    Raises:
        UsageError: It is no number, not positive or not finite (above 1e40).
    """
    text = str(row.values[column]).strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= LARGEST_SIZE:
        raise row.wrong(f"{column!r} must be a positive number, as in 1.5e9, got {reprlib.repr(text)}.")
    return value


FORMS: tuple[Form[Any], ...] = tuple(
    Form(columns=("parameters", size, "loss"), read=_point) for size in ("tokens", "training_flop")
)
