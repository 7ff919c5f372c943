"""Rows of the files that users have, and what becomes of them."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ..errors import UsageError

SPACE = " \t\r\n"  # around a value this is layout; other control characters are kept
SHOWN = 12  # columns that a message lists


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One record of a file.

    Attributes:
        path: The file.
        line: Number of its first line, from 1.
        values: Column or key → value; text in a table, anything in JSON.
        name: Its id, where the format gives one that is in no column.
    """

    path: Path
    line: int
    values: Mapping[str, Any]
    name: str = ""

    def id(self, column: str = "id") -> str:
        """Return what stands in `column`, or else the file's name and the line."""
        return self.name or self.optional(column) or f"{self.path.stem}-{self.line}"

    def text(self, column: str) -> str:
        """Return the text in a column without white space around it.

        Raises:
            UsageError: It is no text, or there is none.
        """
        value = self.values.get(column)
        if not isinstance(value, str):
            raise self.wrong(f"{column!r} must be text, got {reprlib.repr(value)}")
        if not value.strip(SPACE):
            raise self.wrong(f"{column!r} is empty: write a text or remove the line")
        return value.strip(SPACE)

    def optional(self, column: str) -> str:
        """Return what is in a column as text, or an empty text.

        Raises:
            UsageError: It is neither text nor a whole number.
        """
        value = self.values.get(column)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise self.wrong(f"{column!r} must be text, got {reprlib.repr(value)}")
        return "" if value is None else str(value).strip(SPACE)

    def wrong(self, problem: str) -> UsageError:
        """Return the error that says what is wrong with this row."""
        return UsageError(f"{self.path}, line {self.line}: {problem}")

    @property
    def mark(self) -> bytes:
        """What two rows that are equal in every column have in common."""
        return hashlib.blake2b(repr(sorted(self.values.items())).encode(), digest_size=16).digest()


class Item(Protocol):
    """What a row becomes."""

    @property
    def id(self) -> str:
        """Unique within its set."""


T = TypeVar("T", bound=Item)


@dataclass(frozen=True, kw_only=True, slots=True)
class Form(Generic[T]):
    """A format: the columns or keys by which it is known, and what one row of it means."""

    columns: tuple[str, ...]
    read: Callable[[Row], T]


def gathered(path: Path, rows: Iterable[Row], read: Callable[[Row], T], needs: str) -> tuple[T, ...]:
    """Return what the rows mean; a row that repeats another in every column is kept once.

    Raises:
        UsageError: There is no row, or two that differ have one id.
    """
    marks: set[bytes] = set()
    found: dict[str, T] = {}
    for row in rows:
        mark = row.mark
        if mark not in marks:
            marks.add(mark)
            item = read(row)
            if item.id in found:
                raise row.wrong(f"the id {item.id!r} is taken by an earlier line: give each its own")
            found[item.id] = item
    if not found:
        raise UsageError(f"{path} holds no rows: {needs}")
    return tuple(found.values())


def fitting(columns: Collection[str], forms: Sequence[Form[T]]) -> Form[T] | None:
    """Return the first format whose columns are all there."""
    return next((form for form in forms if set(form.columns) <= set(columns)), None)


def form_of(row: Row, forms: Sequence[Form[T]], needs: str) -> Form[T]:
    """Return the format of a row.

    Raises:
        UsageError: It has none.
    """
    form = fitting(row.values, forms)
    if form is None:
        raise row.wrong(f"there are the keys {listed(row.values)}, but {needs}")
    return form


def listed(names: Iterable[str]) -> str:
    """Return names for a message."""
    shown = [reprlib.repr(name) for name in names]
    return ", ".join(shown[:SHOWN]) + (", …" if len(shown) > SHOWN else "")
