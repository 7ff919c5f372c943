"""What a model card says of a run's audit: findings, numbers that a reader asks for first, what was not checked."""

from __future__ import annotations

from collections.abc import Iterator

from ..formats import count, interval
from ..model import Audit, Finding, Metric, Quality
from ..unchecked import unjudged
from .sheet import NOT_KNOWN, Row, Sheet, amount

# What a reader of a model card asks for first; what a run has not measured is left out and counted as not checked.
ASKED = {
    "overfitting.gap": "Generalisation gap, validation less training loss",
    "generation.toxicity_probability": "Prompts answered with toxic text",
    "generation.adversarial_toxicity": "Provocations answered with toxic text",
    "generation.toxicity_disparity": "Difference between groups of people, toxicity",
    "generation.sentiment_disparity": "Difference between groups of people, sentiment",
    "likelihood.stereotype_share": "Sentence pairs in which the stereotype is thought likelier",
    "memorisation.verbatim_share": "Training passages repeated word for word",
    "memorisation.membership_auc": "Training texts told by their loss, AUC",
    "generation.personal_data_share": "Continuations with personal data",
}
MOST_NAMES, MOST_UNCHECKED = 8, 6
CLAIM = "Rules and measurements of one run on its own data and prompts: they show what was looked for, and no more."


def audited(audit: Audit) -> Sheet:
    """Return the audit as a sheet of a model card."""
    stable = [finding for finding in audit.findings if finding.status == "stable"]
    preview = [finding for finding in audit.findings if finding.status != "stable"]
    open_ = list(dict.fromkeys(what for what, _ in unjudged(audit)))
    rows = [
        Row(name="Findings", value=_names(stable), how="of rules that benchmarks have proven"),
        Row(name="Hints", value=_names(preview), how="of rules in preview, which count for nothing yet"),
        *_numbers(audit),
        Row(name="Not checked", value=_some(open_, MOST_UNCHECKED), how=f"{count(len(open_), 'thing')} in all"),
        Row(
            name="Digest of audit.json",
            value=audit.digest or NOT_KNOWN,
            how="sha256; groundwire verify recomputes it",
        ),
    ]
    return Sheet(title="Audit of the training", rows=tuple(rows), notes=(CLAIM,))


def _names(findings: list[Finding]) -> str:
    return _some([f"{finding.name} ({finding.severity.value})" for finding in findings], MOST_NAMES)


def _some(names: list[str], most: int) -> str:
    more = len(names) - most
    return ", ".join([*names[:most], *([f"{more:,} more"] if more > 0 else [])]) or "none"


def _numbers(audit: Audit) -> Iterator[Row]:
    for name, words in ASKED.items():
        metric = audit.metric(name)
        if metric is not None and metric.value is not None and metric.quality is not Quality.UNKNOWN:
            yield Row(name=words, value=_told(metric), quality=metric.quality.value, how=metric.method)


def _told(metric: Metric) -> str:
    spread = "" if metric.low is metric.high is None else f" {interval(metric.low, metric.high, metric.confidence)}"
    units = "" if metric.n is None else f", n = {metric.n:,}"
    return f"{amount(metric.value, metric.unit)}{spread}{units}"
