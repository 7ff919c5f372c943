"""The options of `groundwire verify`; what it needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import complain, put
from .options import Listing, RunPath


def verify(
    run: RunPath,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", "-c", help="Also say whether this file holds the audited weights.")
    ] = None,
    complete: Annotated[  # noqa: FBT002
        bool, typer.Option("--complete", help="First take the digests that the run had no time for.")
    ] = False,
    chosen: Annotated[Listing, typer.Option("--format", "-f", help="text or json.")] = Listing.TEXT,
) -> None:
    """Recompute the digests from the record to the audit to the report, and those of the checkpoints.

    Exit 0 all that is there fits, 1 something does not, 2 usage, 3 nobody can tell.
    """
    from .verified import UNSIGNED, exit_code, verified_json, verified_text
    from .verifying import verify as found_of

    parts = found_of(run, checkpoint, complete=complete)
    put(verified_json(parts) if chosen is Listing.JSON else verified_text(parts))
    complain(UNSIGNED)
    raise typer.Exit(exit_code(parts))
