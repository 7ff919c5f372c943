"""The options of `groundwire redact`; what it needs is imported when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .console import complain, put
from .escape import visible
from .options import RunPath

if TYPE_CHECKING:
    from .redacting import Redaction

DRY = "Only list what would go."


def redact(
    run: RunPath,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY)] = False,  # noqa: FBT002
    force: Annotated[bool, typer.Option("--force", help="Also where the run may still be running.")] = False,  # noqa: FBT002
) -> None:
    """Take generated and training text out of every file of RUN; digests, counts and numbers stay.

    What was sent to loggers, and pages that were written elsewhere, are not touched. Exit 0 done, or nothing to do.
    """
    from .redacting import redact as take_out

    found = take_out(run, force=force, dry_run=dry_run)
    put("".join(f"{visible(name)}: {visible(told)}\n" for name, told in found.files))
    for note in found.notes:
        complain(note)
    complain(sentence(found, dry_run=dry_run))


def sentence(found: Redaction, *, dry_run: bool) -> str:
    """Return what was done, or would be, in one sentence."""
    from .redaction_work import amounts

    if not found.files:
        return f"nothing in {found.url} is left to redact"
    gone = amounts(found.counts) or "no text"
    if dry_run:
        return f"{found.url}: {gone} would go from {len(found.files):,} files; nothing was changed"
    sealed = f", audit.json has the new digest {found.after[:12]}… (it was {found.before[:12]}…)"
    return f"redacted {found.url}: {gone} gone, digests and counts are kept" + (sealed if found.before else "")
