"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .errors import UsageError
from .file_names import RELEASE, WAIVERS

LATER = "When needed"

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Run folder: a path or an fsspec URL.")]
WaiversPath = Annotated[
    Path | None, typer.Option("--waivers", help=f"Exceptions; default: {WAIVERS} beside the policy.")
]
BaselinePath = Annotated[str | None, typer.Option("--baseline", help="Run or file to compare with.")]
CheckpointPath = Annotated[
    Path | None, typer.Option("--checkpoint", "-c", help="What is released: has to be what was audited.")
]
ReleasePath = Annotated[
    Path | None, typer.Option("--release", help=f"Declared facts; default: {RELEASE}, if it is there.")
]


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
