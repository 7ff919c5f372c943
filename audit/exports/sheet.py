"""A card as rows of figures, each with its provenance beside it: as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..escape import markdown_text, visible
from ..formats import number

NOT_KNOWN = "not known"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure of a card.

    Attributes:
        name: What it is.
        value: With its unit.
        quality: `measured`, `modelled`, `declared` or `unknown`; empty for what is no figure.
        how: Method, or why it is not known.
    """

    name: str
    value: str
    quality: str = ""
    how: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A card: rows below a title, and sentences below the rows."""

    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def amount(value: float | None, unit: str, *, digits: int = 3) -> str:
    """Return a value with its unit."""
    return NOT_KNOWN if value is None else f"{number(value, digits=digits)} {unit}".rstrip()


def as_text(sheet: Sheet) -> str:
    """Return a card for a terminal."""
    return "".join(f"{visible(line)}\n" for line in _lines(sheet))


def _lines(sheet: Sheet) -> Iterator[str]:
    yield from (sheet.title, "")
    names = max(len(row.name) for row in sheet.rows)
    for row in sheet.rows:
        told = f" ({row.quality})" if row.quality else ""
        yield f"  {row.name:<{names}}  {row.value}{told}"
        if row.how:
            yield f"  {'':<{names}}  {row.how}"
    yield ""
    yield from sheet.notes


def as_markdown(sheet: Sheet, *, level: int = 1) -> str:
    """Return a card as a table below a heading of the given level."""
    lines = [f"{'#' * level} {markdown_text(sheet.title)}", "", "| | | provenance | how |", "|---|---|---|---|"]
    for row in sheet.rows:
        lines.append(f"| {' | '.join(map(markdown_text, (row.name, row.value, row.quality, row.how)))} |")
    for note in sheet.notes:
        lines += ["", markdown_text(note)]
    return "\n".join([*lines, ""])
