"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .errors import UsageError

LATER = "When needed"

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Run folder: a path or an fsspec URL.")]


class Format(StrEnum):
    """How a verdict is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Listing(StrEnum):
    """How a list is printed."""

    TEXT = "text"
    JSON = "json"


def write(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a file that the user named.

    Raises:
        UsageError: It is there already and must not be replaced, or cannot be written.
    """
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        hint = "use --force to replace it, or --output for another place"
        raise UsageError(f"{path} is there already: {hint}.") from error
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
