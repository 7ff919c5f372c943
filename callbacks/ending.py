"""What rank zero says and writes: one line at the start; audit, page and a few lines at the end."""

from __future__ import annotations

import logging
from typing import IO

from ..audit.errors import GroundwireError
from ..audit.escape import visible
from ..audit.formats import count, duration, percent, setting
from ..audit.gate import Verdict
from ..audit.judge import judge
from ..audit.model import Audit, Finding, RunStatus, dump, sealed
from ..audit.record import Record
from ..audit.storage import Folder, join
from .monitor import Monitor

log = logging.getLogger(__name__)

MOST_FINDINGS = 3  # on the terminal


def opening_line(monitors: list[Monitor], where: str) -> str:
    """Return one line that says what is measured, what is not and why, and where."""
    on = ", ".join(monitor.name for monitor in monitors if not monitor.off) or "nothing"
    off = "".join(f" · not {monitor.name}: {monitor.off}" for monitor in monitors if monitor.off)
    return visible(f"groundwire  measuring {on}{off} · {where}")


def conclude(folder: Folder, lead: Monitor, status: RunStatus, *, out: IO[str]) -> None:
    """Judge the record into audit.json, render the page unless the run was interrupted, and say so."""
    record = Record.open(folder.url)
    audit = sealed(judge(record))
    folder.write("audit.json", dump(audit).encode())
    verdict, unjudged = _judged(folder, lead)
    page = ""
    if status is not RunStatus.INTERRUPTED and getattr(lead, "report", True):
        from ..audit.report import render_html

        inputs = getattr(getattr(lead, "enforcement", None), "inputs", None)
        shown = render_html(audit, record, verdict, baseline=inputs.baseline if inputs else None)
        folder.write("report.html", shown.encode("utf-8", "replace"))
        page = join(folder.url, "report.html")
    told = [f"  {visible(verdict.summary if verdict else unjudged)}"] if verdict or unjudged else []
    out.write("".join(f"{line}\n" for line in [*summary(audit, page or folder.url, short=not page), *told]))


def _judged(folder: Folder, lead: Monitor) -> tuple[Verdict | None, str]:
    """Return what the callback's policy says, or why it could not be asked."""
    enforcement = getattr(lead, "enforcement", None)
    try:
        return (enforcement.judge(folder.url) if enforcement else None), ""
    except GroundwireError as error:
        return None, f"GATE: UNKNOWN ({error})"


def summary(audit: Audit, where: str, *, short: bool) -> list[str]:
    """Return at most eight lines: cost, the worst findings with their remedy, what is missing, where it is."""
    run = audit.run
    cost = sum(monitor.share or 0.0 for monitor in audit.monitors)
    time = f" · {duration(run.duration_s)}" if run.duration_s else ""
    head = f"groundwire  {run.status} · {count(run.steps, 'step')}{time} · audit cost {percent(cost)}"
    if short:
        return [f"{head} · {count(len(audit.findings), 'finding')} · {where}"]
    shown = [line for finding in audit.findings[:MOST_FINDINGS] for line in [finding_line(finding)]]
    more = len(audit.findings) - len(shown)
    if more > 0:
        shown.append(f"  + {count(more, 'more finding')}")
    missing = ", ".join(item.what for item in audit.not_checked[:4])
    return [head, *shown, f"  – not checked: {visible(missing)}", f"  {where}"]


def finding_line(finding: Finding) -> str:
    """Return a finding and its first remedy on one line."""
    mark = "!" if finding.severity.rank > 1 else "✗"
    remedy = ""
    if finding.mitigations:
        first = finding.mitigations[0]
        settings = ", ".join(f"{key}={setting(value)}" for key, value in first.settings.items())
        remedy = f" → {settings or first.text.partition(':')[0]}"
    return visible(f"  {mark} {finding.name}  {finding.summary}{remedy}")
