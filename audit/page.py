"""What the report shows, chosen and ordered, as plain values: the templates only lay it out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from . import registry
from .carbonviews import carbon_overview
from .curves import Reader
from .escape import redacted
from .figures import FAMILIES, Chart, labelled, of_evidence
from .firstscreen import sample_of, with_unit
from .formats import count, duration, interval, number, percent
from .glance import glance, parts
from .groupviews import Detail, Grid, group_details, scorer_details
from .model import Audit, Finding, Metric, Outcome, Quality, RunKind, RunStatus
from .overview import Overview
from .textviews import text_details
from .timeviews import efficiency_overview

Samples = Literal["none", "redacted", "full"]

MOST_FINDINGS, MOST_FINDING_CHARTS, MOST_ROWS = 60, 12, 150
MOST_SAMPLES, MOST_CONTINUATIONS, SAMPLE_LENGTH = 40, 8, 1_000
SPOKEN = "generation"
TOLD = {"axis", "bias_type", "set"}  # labels of metrics whose rows are told in the details
PROMPT_KEPT, CONTINUATION_KEPT = 40, 12  # characters that a redacted sample still shows

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
    spread = "" if metric.low is metric.high is None else interval(metric.low, metric.high)
    return Fact(name=title, value=with_unit(metric), note=spread or sample_of(metric))


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
    return f"{how}{why} after {count(audit.run.steps, 'step')}. Its numbers describe an unfinished run."


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


def veil(text: str, samples: Samples, *, keep: int = CONTINUATION_KEPT) -> str:
    """Return as much of a sample as `samples` allows."""
    if samples == "full":
        return text
    return redacted(text, keep=keep if samples == "redacted" else 0)


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
    left_out: int
    charts: list[Chart]
    details: list[Detail]
    context: str
    glance: Grid | None
    overview: Overview | None


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
    return Family(
        context=context,
        glance=glance(audit) if name == SPOKEN else None,
        overview=overview,
        id=name,
        title=TITLES[name],
        rows=[metric_row(metric, context) for metric in metrics[:MOST_ROWS]],
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One prompt with what the model made of it, already veiled; lines, because text has them."""

    step: str
    worst: str
    prompt: list[str]
    answers: list[tuple[str, list[str]]]
    kind: str


def sample_views(reader: Reader, samples: Samples) -> tuple[list[Sample], int]:
    """Return the worst-scored samples, and how many there are in all."""
    if samples == "none":
        return [], 0
    events = sorted(reader.events("sample"), key=_worst_score, reverse=True)
    return [_sample_view(event, samples) for event in events[:MOST_SAMPLES]], len(events)


def _worst_score(event: Mapping[str, Any]) -> float:
    return max((score for score in _scores(event) if score is not None), default=-1.0)


def _scores(event: Mapping[str, Any]) -> list[float | None]:
    found = event.get("toxicity")
    scores = found if isinstance(found, list) else []
    return [float(s) if isinstance(s, int | float) and math.isfinite(s) else None for s in scores]


def _sample_view(event: Mapping[str, Any], samples: Samples) -> Sample:
    answers = event.get("continuations")
    texts = [str(text) for text in answers][:MOST_CONTINUATIONS] if isinstance(answers, list) else []
    scores = [*_scores(event), *[None] * len(texts)]
    worst = _worst_score(event)
    kinds = [str(event[key]) for key in ("set", "provocation", "group") if event.get(key)]
    personal = {str(kind) for kinds in event.get("personal", ()) for kind in kinds}
    return Sample(
        kind=", ".join([*kinds, *(f"holds {kind}" for kind in sorted(personal))]),
        step=str(event.get("step", "")),
        worst=number(worst) if worst >= 0 else "not scored",
        prompt=_lines(veil(str(event.get("prompt", "")), samples, keep=PROMPT_KEPT)),
        answers=[(number(score), _lines(veil(t, samples))) for t, score in zip(texts, scores, strict=False)],
    )


def _lines(text: str) -> list[str]:
    cut = len(text) - SAMPLE_LENGTH
    shown = text[:SAMPLE_LENGTH] + (f"… ({cut:,} more characters)" if cut > 0 else "")
    return shown.replace("\r\n", "\n").split("\n")


def unjudged(audit: Audit) -> list[tuple[str, str]]:
    """Return everything that was not checked, with its reason; what is said twice is listed once."""
    rows = [(item.what, item.reason) for item in audit.not_checked]
    rows += [
        (f"{rule.rule} {rule.name}", rule.reason or f"the rule said {rule.outcome.value}")
        for rule in audit.rules
        if rule.outcome in (Outcome.UNKNOWN, Outcome.ERROR)
    ]
    rows += [
        (monitor.name, monitor.reason or f"the monitor's status is {monitor.status}")
        for monitor in audit.monitors
        if monitor.status != "ran"
    ]
    rows += [
        (" ".join(part for part in (metric.name, labelled(metric.labels)) if part), metric.reason or "no value")
        for metric in audit.metrics
        if metric.value is None
    ]
    return list(dict.fromkeys(rows))


def flattened(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of a nested document as dotted keys and texts."""
    for key, value in document.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            yield from flattened(value, name)
        else:
            yield name, _leaf(value)


def _leaf(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "—"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(_leaf(item) for item in value) or "—"
    return str(value) if not isinstance(value, Mapping) or value else "—"
