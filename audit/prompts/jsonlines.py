"""JSON lines: one object on each line."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ..errors import UsageError
from .rows import Row


def json_rows(path: Path, file: TextIO) -> Iterator[Row]:
    """Yield one row for each line of JSON."""
    for number, line in enumerate(file, 1):
        if line.strip():
            values = parsed(line)
            if not isinstance(values, dict):
                problem = "is not a JSON object: write one on each line"
                raise UsageError(f"{path}, line {number}: {reprlib.repr(line.strip())} {problem}")
            yield Row(path=path, line=number, values=values)


def parsed(text: str) -> Any:
    """Return what a JSON text means, or None when it means nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # a number of 5,000 digits is a bare ValueError
        return None


def is_list(first: str) -> bool:
    """Return whether a file's first line begins a JSON list, and not a text in brackets."""
    return first.strip() in ("[", "[{") or isinstance(parsed(first), list)
