"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

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
