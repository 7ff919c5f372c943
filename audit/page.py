"""What the report shows, chosen and ordered, as plain values: the templates only lay it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from . import registry
from .carbonviews import carbon_overview
from .curves import Reader
from .evidencecharts import of_evidence
from .figures import FAMILIES, Chart, labelled
from .firstscreen import PLAIN, sample_of
from .footnotes import footnoted
from .formats import amount, count, duration, interval, number, percent
from .glance import glance, parts
from .groupviews import Detail, Grid, group_details, scorer_details
from .leads import LEADS
from .model import Audit, Finding, Metric, Quality, RunKind, RunStatus
from .overview import Overview, spread
from .sampleviews import Samples, veil
from .textviews import text_details
from .timeviews import efficiency_overview

MOST_FINDINGS, MOST_FINDING_CHARTS, MOST_ROWS = 60, 12, 150
SPOKEN = "generation"
TOLD = {"axis", "bias_type", "set"}  # labels of metrics whose rows are told in the details

TITLES = {
    "carbon": "Energy and carbon",
    "efficiency": "Efficiency",
    "overfitting": "Overfitting",
    "optimisation": "Optimisation",
    "generation": "Generation",
    "logged": "Logged by the module",
    "imported": "Imported scores",
    "other": "Other metrics",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A tile on the first screen."""

    name: str
    value: str
    note: str


def facts(audit: Audit) -> list[Fact]:
    """Return the few numbers that everybody asks for first."""
    run = audit.run
    length = count(run.steps, "step") if run.kind is RunKind.TRAINING else "asked, not trained"
    tiles = [Fact(name="Run", value=run.status.value, note=f"{length} · {duration(run.duration_s)}")]
    wanted = {
        "carbon.energy_kwh": "Energy",
        "overfitting.gap": "Overfitting gap",
        "gradient.nonfinite_steps": "Non-finite steps",
        "generation.toxicity_probability": "Toxic answers",
    }
    tiles += [_fact(title, metric) for name, title in wanted.items() if (metric := audit.metric(name))]
    shares = [monitor.share for monitor in audit.monitors if monitor.share is not None]
    if shares:
        tiles.append(Fact(name="Cost of the audit", value=percent(sum(shares)), note="of the run's time"))
    return tiles


def _fact(title: str, metric: Metric) -> Fact:
    if metric.value is None:
        return Fact(name=title, value="unknown", note=metric.reason or "")
    unit = "" if metric.unit in PLAIN else metric.unit
    known = metric.low is not None or metric.high is not None
    return Fact(name=title, value=amount(metric.value, unit), note=spread(metric) if known else sample_of(metric))


def notices(audit: Audit, *, digest_ok: bool) -> list[str]:
    """Return what a reader must know before believing anything below."""
    run, found = audit.run, []
    if not digest_ok:
        found.append("The digest does not fit: this audit was changed after it was written. Believe nothing below.")
    if run.damage:
        found.append(f"The record is damaged: {', '.join(run.damage[:5])}. What it held is missing here.")
    if run.status is not RunStatus.FINISHED:
        found.append(_ending(audit))
    if run.steps == 0 and run.kind is RunKind.TRAINING:
        found.append("No optimizer step was taken: there is nothing to judge.")
    return found


def _ending(audit: Audit) -> str:
    how = {
        RunStatus.RUNNING: "The run never said how it ended: it is still running, or it was killed",
        RunStatus.INTERRUPTED: "The run was interrupted",
        RunStatus.CRASHED: "The run crashed",
    }[audit.run.status]
    why = f" ({audit.run.exception})" if audit.run.exception else ""
    known = " that were recorded" if audit.run.status is RunStatus.RUNNING else ""
    return f"{how}{why} after {count(audit.run.steps, 'step')}{known}. Its numbers describe an unfinished run."


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingView:
    """A finding with its chart."""

    finding: Finding
    chart: Chart | None


def findings(found: Sequence[Finding], reader: Reader, *, samples: Samples) -> list[FindingView]:
    """Return the findings in the order of the audit, the first of them with charts."""
    views = []
    for index, finding in enumerate(found[:MOST_FINDINGS]):
        chart = of_evidence(reader, finding.rule, finding.evidence) if index < MOST_FINDING_CHARTS else None
        views.append(FindingView(finding=_veiled(finding, samples), chart=chart))
    return views


def _veiled(finding: Finding, samples: Samples) -> Finding:
    evidence = [
        item.model_copy(update={"sample": None if item.sample is None else veil(item.sample, samples)})
        for item in finding.evidence
    ]
    return finding.model_copy(update={"evidence": evidence})


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricRow:
    """One metric as the reader sees it."""

    name: str
    labels: str
    value: str
    unit: str
    spread: str
    n: str
    quality: Quality
    how: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One section of the report."""

    id: str
    title: str
    rows: list[MetricRow]
    notes: str
    left_out: int
    charts: list[Chart]
    details: list[Detail]
    context: str
    glance: Grid | None
    overview: Overview | None
    lead: str


def families(audit: Audit, reader: Reader, samples: Samples = "full", *, facts: Reader | None = None) -> list[Family]:
    """Return a section for each family that has a metric or a chart.

    Args:
        audit: What was judged.
        reader: For charts and texts.
        samples: How much generated text to show.
        facts: For what is told of a record without either; by default the same.
    """
    overviews = {"carbon": carbon_overview(audit, facts or reader), "efficiency": efficiency_overview(audit)}
    grouped: dict[str, list[Metric]] = {name: [] for name in TITLES}
    for metric in audit.metrics:
        known = registry.metric(metric.name)
        if known and known.family == "findings":
            continue  # they are counted from what stands above
        grouped[_family_of(metric)].append(metric)
    told = {SPOKEN: _spoken(audit, reader, samples)}
    sections = [
        _family(name, rows, audit, reader, told.get(name, []), overviews.get(name)) for name, rows in grouped.items()
    ]
    return [section for section in sections if section.rows or section.charts or section.details]


def _spoken(audit: Audit, reader: Reader, samples: Samples) -> list[Detail]:
    """Return what the report says of generated text beside metrics and charts."""

    def veiled(text: str) -> str:
        return veil(text, samples, keep=0)  # training text, and what was learned of it

    texts = text_details(audit, reader, None if samples == "none" else veiled)
    found = [metric for metric in audit.metrics if _family_of(metric) == SPOKEN and not TOLD & metric.labels.keys()]
    grids = parts(found)
    lead = "Kinds of prompts, of labels and of data apart; few of a kind say little."
    apart = [Detail(title="By part", lead=lead, grids=grids, notes=[])] if grids else []
    return [*group_details(audit), *texts, *apart, *scorer_details(audit)]


def _family_of(metric: Metric) -> str:
    known = registry.metric(metric.name)
    return known.family if known and known.family in TITLES else "other"


def _family(
    name: str, metrics: list[Metric], audit: Audit, reader: Reader, more: list[Detail], overview: Overview | None
) -> Family:
    if name == SPOKEN:  # what is told of parts stands in the details
        metrics = [metric for metric in metrics if not metric.labels]
    context = _context(metrics)
    rows = [metric_row(metric, context) for metric in metrics[:MOST_ROWS]]
    told, notes = footnoted([row.how for row in rows])
    return Family(
        context=context,
        glance=glance(audit) if name == SPOKEN else None,
        overview=overview,
        lead=LEADS[name](audit, reader) if name in LEADS else "",
        id=name,
        title=TITLES[name],
        rows=[replace(row, how=how) for row, how in zip(rows, told, strict=True)],
        notes=" · ".join(f"({mark}) {text}" for mark, text in notes) or "How each was measured stands in its row.",
        left_out=max(0, len(metrics) - MOST_ROWS),
        charts=list(_charts(name, audit, reader)),
        details=more,
    )


def _charts(name: str, audit: Audit, reader: Reader) -> Iterator[Chart]:
    if name in FAMILIES:
        yield from FAMILIES[name](reader, audit)


def _context(metrics: Sequence[Metric]) -> str:
    """Return on which weights all of the metrics were measured, empty when not on the same."""
    found = {_where(metric) for metric in metrics}
    return found.pop() if len(metrics) > 1 and len(found) == 1 else ""


def _where(metric: Metric) -> str:
    where = [] if metric.step is None else [f"at step {metric.step:,}"]
    return ", ".join([*where, *([f"checkpoint {metric.checkpoint}"] if metric.checkpoint else [])])


def metric_row(metric: Metric, context: str = "") -> MetricRow:
    """Return a metric as a row of a table; `context` is what the table says of all its rows."""
    where = _where(metric)
    told = [metric.method, metric.scorer and f"scorer {metric.scorer}", where if where != context else ""]
    reason = f"{metric.reason} · " if metric.reason else ""
    return MetricRow(
        name=metric.name,
        labels=labelled(metric.labels),
        value="unknown" if metric.value is None else number(metric.value, digits=4),
        unit="" if metric.value is None else metric.unit,
        spread=interval(metric.low, metric.high, metric.confidence),
        n="—" if metric.n is None else f"{metric.n:,}",
        quality=metric.quality,
        how=reason + " · ".join(part for part in told if part),
    )
