"""What a notebook shows of a callback: what it will measure, how far the run is, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..audit.errors import GroundwireError
from ..audit.formats import count
from ..audit.gate import Verdict
from ..audit.load import load_audit
from ..audit.storage import join, open_folder
from ..audit.summary_html import Line, Summary, summary_of
from .monitor import Monitor
from .session import Session

BEGINNING = "It measures every fit of a Trainer that has it among its callbacks."


def summary(
    monitors: Sequence[Monitor], session: Session | None, folder: str | None, verdict: Verdict | None
) -> Summary:
    """Return the summary of a callback's run as it stands.

    Args:
        monitors: What the callback consists of.
        session: The run in progress, None outside one.
        folder: Of the run in progress or of the last one, None where there was none.
        verdict: What the callback's policy says of the last one.
    """
    if session is not None:
        return _running(session)
    if folder is None:
        names = ", ".join(monitor.name for monitor in monitors) or "nothing"
        return Summary(
            symbol="–", tone="plain", title="Nothing audited yet", detail=f"{BEGINNING} Monitors: {names}."
        )
    return _ended(folder, verdict)


def _running(session: Session) -> Summary:
    """Return what is known while the run goes: nothing is judged before its end but what may warn."""
    watch, monitors = session.watch, session.monitors
    fired = watch.fired if watch is not None else {}
    on = ", ".join(monitor.name for monitor in monitors if not monitor.off) or "nothing"
    off = [f"{monitor.name}: {monitor.off}" for monitor in monitors if monitor.off]
    found = [Line(severity="warning", summary=_since(name, step), remedy="") for name, step in fired.items()]
    return Summary(
        symbol="…",
        tone="unknown" if found else "plain",
        title=f"Running: {count(session.batch, 'batch', 'batches')}",
        detail=f"Measuring {on}.",
        facts=(session.run.model, f"run {session.run.id}"),
        findings=found,
        unchecked=off,
        where=session.folder.url,
    )


def _since(name: str, step: int | None) -> str:
    return name if step is None else f"{name}, since step {step:,}"


def _ended(folder: str, verdict: Verdict | None) -> Summary:
    try:
        audit, digest_ok = load_audit(folder)
        there = open_folder(folder).exists("report.html")
    except (GroundwireError, OSError) as error:
        return Summary(symbol="?", tone="unknown", title="No audit to show", detail=str(error), where=folder)
    where = join(folder, "report.html") if there else folder
    return summary_of(audit, verdict, digest_ok=digest_ok, where=where)
