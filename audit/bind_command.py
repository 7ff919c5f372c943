"""The options of `groundwire bind`; what it needs is imported when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .console import complain, put
from .escape import visible
from .options import RunPath


class As(StrEnum):
    """What was done to the audited weights."""

    MERGED = "merged"
    QUANTISED = "quantised"
    EXPORTED = "exported"
    FINE_TUNED = "fine-tuned"


def bind(
    run: RunPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What was made of the audited weights.")],
    relation: Annotated[As, typer.Option("--as", help="merged, quantised, exported or fine-tuned.")],
    note: Annotated[str, typer.Option("--note", help="How, as in: int8 by torchao 0.9.")] = "",
) -> None:
    """Declare that FILE was made of RUN's weights; what was measured of those does not hold for it."""
    from .binding import bind as declare
    from .binding import bound_text
    from .derivatives import Relation

    name, made = declare(run, file, relation=Relation(relation.value), note=note)
    put(f"{visible(name)}\n")
    complain(bound_text(name, made))
