"""Renders an audit as HTML and as Markdown. What is shown is chosen in `page.py`, laid out in templates/."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from . import firstscreen, page
from .curves import Reader, SeriesSource
from .escape import Escaped, markdown_code, markdown_text, visible
from .firstscreen import Verdict
from .formats import count, duration, interval, moment, number, percent, setting
from .model import Audit, Outcome
from .page import Samples

__all__ = ["Samples", "SeriesSource", "Verdict", "render_html", "render_markdown"]


def render_html(
    audit: Audit,
    record: SeriesSource | None,
    verdict: Verdict | None = None,
    *,
    digest_ok: bool = True,
    samples: Samples = "redacted",
) -> str:
    """Return the report as one self-contained HTML file: no script, no request, a strict CSP.

    Args:
        audit: What the run's audit.json holds.
        record: Series and events for charts and samples; without one, the report says so.
        verdict: What the gate said; without one there are only findings.
        digest_ok: Whether the digest of audit.json fits its content.
        samples: How much generated text to show.
    """
    environment = _html()
    style = environment.get_template("report.css").render()
    content = _content(audit, record, verdict, digest_ok=digest_ok, samples=samples)
    return environment.get_template("report.html.j2").render(content, csp=_csp(style))


def render_markdown(
    audit: Audit,
    record: SeriesSource | None = None,
    verdict: Verdict | None = None,
    *,
    digest_ok: bool = True,
) -> str:
    """Return verdict, findings, metrics and what was not checked as Markdown, without any generated text."""
    content = _content(audit, record, verdict, digest_ok=digest_ok, samples="none", charts=False)
    return _markdown().get_template("report.md.j2").render(content)


def _csp(style: str) -> str:
    """Return a policy that allows the one style sheet of the report and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"style-src 'sha256-{digest}'; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _content(
    audit: Audit,
    record: SeriesSource | None,
    verdict: Verdict | None,
    *,
    digest_ok: bool,
    samples: Samples,
    charts: bool = True,
) -> dict[str, Any]:
    """Return everything that the templates lay out."""
    reader = Reader(record if charts else None)
    sections = page.families(audit, reader, samples, facts=reader if charts else Reader(record))
    shown, total = page.sample_views(reader, samples)
    stable = [finding for finding in audit.findings if finding.status == "stable"]
    preview = [finding for finding in audit.findings if finding.status != "stable"]
    return {
        "audit": audit,
        "run": audit.run,
        "verdict": verdict,
        "headline": firstscreen.headline(audit, verdict),
        "limits": firstscreen.limit_groups(verdict),
        "closest": firstscreen.closest(verdict),
        "facts": page.facts(audit),
        "notices": page.notices(audit, digest_ok=digest_ok),
        "findings": page.findings(stable, reader, samples=samples),
        "previews": page.findings(preview, reader, samples=samples),
        "more_findings": max(0, len(stable) - page.MOST_FINDINGS),
        "families": sections,
        "samples": shown,
        "sample_total": total,
        "samples_mode": samples,
        "unjudged": page.unjudged(audit),
        "clear": [rule for rule in audit.rules if rule.outcome is Outcome.CLEAR],
        "environment": _capped(audit.environment),
        "configuration": _capped(audit.configuration),
        "digest_ok": digest_ok,
        "no_charts": _no_charts(record, reader) if charts else "",
        "failures": reader.failures[:10],
        "most": page.MOST_ROWS,
    }


def _capped(document: dict[str, Any]) -> list[tuple[str, str]]:
    return list(itertools.islice(page.flattened(document), page.MOST_ROWS))


def _no_charts(record: SeriesSource | None, reader: Reader) -> str:
    if record is None:
        return "Charts and samples are left out: only audit.json was read, not the record beside it."
    if reader.failures:
        return "Some charts or samples are left out because the record could not be read."
    return ""


@functools.cache
def _html() -> Environment:
    return _environment(lambda value: visible(value) if _is_raw(value) else _dash(value))


@functools.cache
def _markdown() -> Environment:
    """Return an environment that escapes for Markdown: autoescape leaves alone what `finalize` has made."""
    environment = _environment(lambda value: markdown_text(str(_dash(value))) if _needs_markdown(value) else value)
    environment.filters["code"] = lambda value: markdown_code(str(value))
    return environment


def _environment(finalize: Any) -> Environment:
    """Return a strict environment; `finalize` sees every printed value, so nothing can be forgotten."""
    environment = Environment(
        autoescape=True,
        finalize=finalize,
        loader=PackageLoader("groundwire.templates", ""),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    filters = {
        "number": number,
        "percent": percent,
        "duration": duration,
        "count": count,
        "moment": moment,
        "setting": setting,
    }
    environment.filters.update(cast(dict[str, Any], filters))
    environment.globals["interval"] = interval
    return environment


def _is_raw(value: object) -> bool:
    return isinstance(value, str) and not hasattr(value, "__html__")


def _needs_markdown(value: object) -> bool:
    return not isinstance(value, Escaped) and not hasattr(value, "__html__")


def _dash(value: object) -> object:
    return "—" if value is None else value
