"""A run's summary as a notebook shows it: in a frame of its own, which no style of the notebook reaches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from . import page, report
from .firstscreen import Tone, Verdict, headline
from .formats import count, duration, setting
from .load import NAME, load_audit
from .model import Audit, Finding
from .storage import join, open_folder
from .unchecked import unjudged

MOST_FINDINGS, MOST_UNCHECKED = 3, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One finding.

    Attributes:
        severity: In words; `preview` of a rule that counts for nothing yet.
        summary: What was found.
        remedy: What to change first, as settings or in words; empty where nothing is known.
    """

    severity: str
    summary: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Summary:
    """What is to be known of a run at a glance; a notebook shows it as a small page.

    Attributes:
        symbol: Of the verdict.
        tone: Of its colour.
        title: The verdict, or what the run does.
        detail: A sentence below it.
        facts: Model, run, status, length, where they are known.
        notices: What has to be known before anything is believed.
        findings: The worst first.
        more: How many findings there are beside those.
        unchecked: What was not checked.
        where: Where the report or the record lies; empty where there is none yet.
    """

    symbol: str
    tone: Tone
    title: str
    detail: str
    facts: Sequence[str] = ()
    notices: Sequence[str] = ()
    findings: Sequence[Line] = ()
    more: int = 0
    unchecked: Sequence[str] = ()
    where: str = ""

    def __repr__(self) -> str:
        return f"<{self.symbol} {self.title} · {self.detail}>"

    def _repr_html_(self) -> str:
        """Return a frame that holds the summary; nothing in it can run, be sent or leave it."""
        environment = report.html_environment()
        style = environment.get_template("summary.css").render()
        inner = environment.get_template("summary.html.j2").render(summary=self, csp=report.content_policy(style))
        frame = environment.get_template("summary_frame.html.j2")
        return frame.render(page=Markup(inner), findings=bool(self.findings))  # noqa: S704 - a template's


def open_summary(url: str | os.PathLike[str]) -> Summary:
    """Return the summary of a run that has its audit.

    Args:
        url: Path or fsspec URL of the run folder.

    Raises:
        RecordError: There is no audit, or it cannot be read.
    """
    folder = open_folder(url)
    audit, digest_ok = load_audit(folder.url)
    name = next((name for name in ("report.html", NAME) if folder.exists(name)), NAME)
    return summary_of(audit, digest_ok=digest_ok, where=join(folder.url, name))


def summary_of(audit: Audit, verdict: Verdict | None = None, *, digest_ok: bool = True, where: str = "") -> Summary:
    """Return the summary of an audit.

    Args:
        audit: What was judged.
        verdict: What the gate said; without one there are only findings.
        digest_ok: Whether the digest of audit.json fits its content.
        where: Where the report lies.
    """
    run, head, open_ = audit.run, headline(audit, verdict), [what for what, _ in unjudged(audit)]
    facts = (run.model, f"run {run.id}", run.status.value, count(run.steps, "step"), duration(run.duration_s))
    more = max(0, len(open_) - MOST_UNCHECKED)
    return Summary(
        symbol=head.symbol,
        tone=head.tone,
        title=head.text,
        detail=head.detail,
        facts=facts,
        notices=page.notices(audit, digest_ok=digest_ok),
        findings=[_line(finding) for finding in audit.findings[:MOST_FINDINGS]],
        more=max(0, len(audit.findings) - MOST_FINDINGS),
        unchecked=[*open_[:MOST_UNCHECKED], *([f"{more:,} more"] if more else [])],
        where=where,
    )


def _line(finding: Finding) -> Line:
    remedy = ""
    if finding.mitigations:
        first = finding.mitigations[0]
        remedy = ", ".join(f"{key} = {setting(value)}" for key, value in first.settings.items()) or first.text
    severity = finding.severity.value if finding.status == "stable" else "preview"
    return Line(severity=severity, summary=finding.summary, remedy=remedy)
