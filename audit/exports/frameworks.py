"""The evidence of one run for items of NIST AI RMF 1.0 and of the EU AI Act's Annexes IV and XI.

Evidence for an item is not more than that: nothing here says that an item is answered, or a law is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .. import registry
from ..formats import count, duration, interval, number
from ..model import Audit, Metric, Outcome, Quality
from .framework_items import ABOUT, ITEMS, Item

CLAIM = (
    "Evidence for items of frameworks, with the frameworks' numbering and our own words for what an item asks."
    " Whether an item is answered, or a law is met, is not said here: that takes the frameworks' own text, what no"
    " training run can measure, and people who answer for it."
)
NOTHING = "no evidence in this run"
MOST = 8  # pieces of evidence that are told of an item
FACTS = {
    "checkpoints": "checkpoints with their digests",
    "configuration": "recorded configuration",
    "configuration.data": "recorded settings of the data",
    "configuration.model": "recorded hyperparameters of the model",
    "configuration.optimizer": "recorded settings of the optimizer",
    "configuration.trainer": "recorded settings of the trainer",
    "digest": "digest of the audit",
    "disparities": "groups compared",
    "environment.cpus": "processor cores",
    "environment.git": "commit and digest of changes",
    "environment.gpus": "GPUs",
    "environment.packages": "versions of packages",
    "environment.python": "version of Python",
    "monitors": "monitors, with what they did and cost",
    "not_checked": "list of what was not checked",
    "run.duration_s": "duration of the run",
    "run.model": "class of the model",
    "run.parent": "run that it goes on from",
    "scorers": "scorers, as they did on labelled texts",
}
PLACES = {
    "not_checked": "unchecked", "monitors": "cost", "scorers": "generation", "disparities": "generation",
    "checkpoints": "provenance", "environment": "provenance", "configuration": "provenance", "run": "verdict",
    "digest": "provenance",
}  # fmt: skip
_ANSWERS = {Outcome.FIRED: "fired", Outcome.CLEAR: "saw no fault"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One piece of evidence.

    Attributes:
        name: Metric, rule or fact.
        value: What it says, in words; of a number with its interval, unit and quality.
        section: Id of the section of the report in which it stands, as in `carbon`.
    """

    name: str
    value: str
    section: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One item with what a run has for it.

    Attributes:
        item: What is asked for.
        proofs: At most eight pieces of evidence; none where the run has none.
        more: How many more there are.
    """

    item: Item
    proofs: tuple[Proof, ...]
    more: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Framework:
    """One framework with its items.

    Attributes:
        name: In short.
        about: Which text in which edition, whose numbering is used.
        rows: Items in the order of the framework.
    """

    name: str
    about: str
    rows: tuple[Evidence, ...]

    @property
    def claim(self) -> str:
        """What evidence is, and is not."""
        return CLAIM

    @property
    def answered(self) -> int:
        """How many items the run has evidence for."""
        return sum(bool(row.proofs) for row in self.rows)


def frameworks(audit: Audit, items: Sequence[Item] = ITEMS) -> list[Framework]:
    """Return, for each framework, its items with the evidence in an audit."""
    rows = [(item.framework, evidence(audit, item)) for item in items]
    return [
        Framework(name=name, about=about, rows=tuple(row for framework, row in rows if framework == name))
        for name, about in ABOUT.items()
    ]


def evidence(audit: Audit, item: Item) -> Evidence:
    """Return what an audit has for an item."""
    found = [*_metrics(audit, item), *_rules(audit, item), *_facts(audit, item)]
    return Evidence(item=item, proofs=tuple(found[:MOST]), more=max(0, len(found) - MOST))


def _metrics(audit: Audit, item: Item) -> Iterator[Proof]:
    """Yield totals that have a value; one whose quality is unknown decides nothing, and is no evidence."""
    for metric in audit.metrics:
        wanted = any(
            metric.name == name or (name[-1] == "." and metric.name.startswith(name)) for name in item.metrics
        )
        if wanted and not metric.labels and metric.value is not None and metric.quality is not Quality.UNKNOWN:
            yield Proof(name=metric.name, value=_told(metric), section=_section(metric.name))


def _wanted(name: str, item: Item) -> bool:
    families = tuple(each for each in item.metrics if each.endswith("."))
    return name in item.metrics or name.startswith(families)


def _told(metric: Metric) -> str:
    spread = "" if metric.low is metric.high is None else f" {interval(metric.low, metric.high, metric.confidence)}"
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{number(metric.value)}{unit}{spread}, {metric.quality.value}"


def _section(name: str) -> str:
    known = registry.metric(name)
    return known.family if known else "other"


def _rules(audit: Audit, item: Item) -> Iterator[Proof]:
    """Yield rules that could judge; that one saw no fault is evidence as well."""
    for rule in audit.rules:
        if rule.rule in item.rules and rule.outcome in _ANSWERS:
            section = "findings" if rule.outcome is Outcome.FIRED else "cost"
            yield Proof(name=f"{rule.rule} {rule.name}", value=_ANSWERS[rule.outcome], section=section)


def _facts(audit: Audit, item: Item) -> Iterator[Proof]:
    for fact in item.facts:
        told = _fact(audit, fact)
        if told:
            yield Proof(name=FACTS[fact], value=told, section=PLACES[fact.partition(".")[0]])


def _fact(audit: Audit, fact: str) -> str:
    """Return what a place in the audit holds, in words; an empty text where it holds nothing."""
    first, *inner = fact.split(".")
    found = getattr(audit, first)
    for key in inner:
        found = found.get(key) if isinstance(found, Mapping) else getattr(found, key, None)
    if isinstance(found, Mapping | list | tuple):
        return count(len(found), "entry", "entries") if found else ""
    if isinstance(found, float):
        return duration(found)
    return "" if found is None else str(found)
