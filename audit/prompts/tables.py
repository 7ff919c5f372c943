"""Tables with a header: comma, tab or semicolon between values, quotation marks around those that need them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from ..errors import UsageError
from .rows import Form, Row, fitting, listed

DELIMITERS = (",", "\t", ";")


def table_delimiter(first: str, forms: Sequence[Form[Any]]) -> str | None:
    """Return what divides the columns of a table whose header is `first`, or None when that is no header."""
    fits = (mark for mark in DELIMITERS if fitting(_header(first, mark), forms))
    return next(fits, None)


def table_rows(path: Path, file: TextIO, first: str, forms: Sequence[Form[Any]], needs: str) -> Iterator[Row]:
    """Yield the rows below the header `first`.

    Raises:
        UsageError: A column is missing or there twice, or a row is broken.
    """
    delimiter = table_delimiter(first, forms)
    if delimiter is None:
        columns = max((_header(first, mark) for mark in DELIMITERS), key=len)
        raise UsageError(f"{path} has the columns {listed(columns)}, but {needs}")
    columns = _header(first, delimiter)
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise UsageError(f"{path} has two columns {twice[0]!r}: rename one of them")
    rows = _cells(path, file, delimiter)
    next(rows)  # the header
    for line, cells in rows:
        if len(cells) != len(columns):
            counts = f"{len(cells)} values for {len(columns)} columns"
            raise UsageError(f"{path}, line {line}: {counts}: put values with a delimiter in quotation marks")
        yield Row(path=path, line=line, values=dict(zip(columns, cells, strict=True)))


def _header(line: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([line], delimiter=delimiter), [])
    return [cell.strip().lower() for cell in cells]


def _cells(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of a row's first line and its cells; rows with nothing in them are left out."""
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UsageError(f"{path}, line {line} is not valid CSV ({error}): check its quotation marks") from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells
