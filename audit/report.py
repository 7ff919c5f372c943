"""Renders an audit as HTML and as Markdown. What is shown is chosen in `page.py`, laid out in templates/."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from . import firstscreen, page, provenance, unchecked
from .baseline import Baseline
from .changes import changes
from .charts import LineChart
from .curves import Reader, SeriesSource
from .escape import Escaped, markdown_code, markdown_text, visible
from .exports.frameworks import frameworks
from .firstscreen import Verdict
from .formats import count, duration, interval, moment, number, percent, setting
from .model import Audit, Outcome
from .recommendations import recommendations
from .sampleviews import Samples, sample_views

__all__ = ["Samples", "SeriesSource", "Verdict", "render_html", "render_markdown"]


def render_html(
    audit: Audit,
    record: SeriesSource | None,
    verdict: Verdict | None = None,
    *,
    digest_ok: bool = True,
    samples: Samples = "redacted",
    baseline: Baseline | None = None,
) -> str:
    """Return the report as one self-contained HTML file: no script, no request, a strict CSP.

    Args:
        audit: What the run's audit.json holds.
        record: Series and events for charts and samples; without one, the report says so.
        verdict: What the gate said; without one there are only findings.
        digest_ok: Whether the digest of audit.json fits its content.
        samples: How much generated text to show.
        baseline: Another run's audit to compare with.
    """
    environment = html_environment()
    style = environment.get_template("report.css").render()
    content = _content(audit, record, verdict, digest_ok=digest_ok, samples=samples, baseline=baseline)
    return environment.get_template("report.html.j2").render(content, csp=content_policy(style))


def render_markdown(
    audit: Audit,
    record: SeriesSource | None = None,
    verdict: Verdict | None = None,
    *,
    digest_ok: bool = True,
    baseline: Baseline | None = None,
) -> str:
    """Return verdict, findings, metrics and what was not checked as Markdown, without any generated text."""
    content = _content(audit, record, verdict, digest_ok=digest_ok, samples="none", baseline=baseline, charts=False)
    return _markdown().get_template("report.md.j2").render(content)


def render_drawing(chart: LineChart) -> str:
    """Return a chart as an SVG file of its own, for the documentation."""
    return html_environment().get_template("picture.svg.j2").render(chart=chart).lstrip()


def content_policy(style: str) -> str:
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
    baseline: Baseline | None,
    charts: bool = True,
) -> dict[str, Any]:
    """Return everything that the templates lay out."""
    reader = Reader(record if charts else None)
    sections = page.families(audit, reader, samples, facts=reader if charts else Reader(record))
    shown, total = sample_views(reader, samples)
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
        "unjudged": (unjudged := unchecked.unjudged(audit)),
        "open": unchecked.by_reason(unjudged),
        "changes": changes(audit, baseline),
        "baseline": baseline,
        "recommendations": recommendations(stable[: page.MOST_FINDINGS], preview[: page.MOST_FINDINGS]),
        "clear": [rule for rule in audit.rules if rule.outcome is Outcome.CLEAR],
        "sources": provenance.sources(audit),
        "commit": provenance.commit(audit),
        "frameworks": frameworks(audit),
        "digest_ok": digest_ok,
        "no_charts": _no_charts(record, reader) if charts else "",
        "failures": reader.failures[:10],
        "most": page.MOST_ROWS,
    }


def _no_charts(record: SeriesSource | None, reader: Reader) -> str:
    if record is None:
        return "Charts and samples are left out: only audit.json was read, not the record beside it."
    if reader.failures:
        return "Some charts or samples are left out because the record could not be read."
    return ""


@functools.cache
def html_environment() -> Environment:
    """Return an environment that shows acting characters and escapes every printed value for HTML."""
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
