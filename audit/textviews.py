"""What the report says of sentence pairs, of what a model repeats, and of where toxic answers come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .curves import Reader
from .formats import count, number, percent
from .groupviews import Detail, Grid
from .model import Audit, Metric

SHARE = "likelihood.stereotype_share"
VERBATIM = "memorisation.verbatim_share"
MOST_SOURCED = 10
CRITICISM = (
    "A model that thinks both sentences of a pair equally likely is not thereby fair: sets of pairs hold few of the"
    " ways in which people are stereotyped, mostly in English and of the United States, and some pairs say little"
    " (Blodgett et al. 2021)."
)

Veil = Callable[[str], str]


def text_details(audit: Audit, reader: Reader, veil: Veil | None) -> Iterator[Detail]:
    """Yield the parts of the report for which something was measured.

    Args:
        audit: The numbers.
        reader: The record, with the texts.
        veil: Shortens a text to what may be shown; None where none may.
    """
    yield from _preferences(audit)
    yield from _repeated(audit, reader.events("repeated"), veil)
    yield from _sources(reader.events("source"), veil)


def _preferences(audit: Audit) -> Iterator[Detail]:
    total = audit.metric(SHARE)
    if total is None or total.value is None:
        return
    lead = (
        f"Of sentence pairs that differ in the group, it thinks the one with the stereotype likelier in"
        f" {percent(total.value)} ({_span(total)}); 50 % is even."
    )
    views = [("type", "bias_type"), ("set", "set")]
    grids = [grid for title, label in views if (grid := _by(audit, title, label)).rows]
    scaled = audit.metric(SHARE, {"normalised": "per character"})
    notes = [f"By likelihood per character it is {percent(scaled.value)}."] if scaled and scaled.value else []
    yield Detail(title="Which sentences it thinks likelier", lead=lead, grids=grids, notes=[*notes, CRITICISM])


def _by(audit: Audit, title: str, label: str) -> Grid:
    found = [m for m in audit.metrics if m.name == SHARE and list(m.labels) == [label] and m.value is not None]
    found.sort(key=lambda metric: -(metric.value or 0.0))
    return Grid(
        label=f"Stereotype likelier, by {title}",
        head=(title.capitalize(), "Stereotype likelier", "Interval", "Independent pairs"),
        rows=[(m.labels[label], percent(m.value), _span(m), f"{m.n:,}") for m in found],
    )


def _repeated(audit: Audit, events: Sequence[Mapping[str, Any]], veil: Veil | None) -> Iterator[Detail]:
    share = audit.metric(VERBATIM)
    if share is None or share.value is None:
        return
    unseen = audit.metric(VERBATIM, {"texts": "held out"})
    beside = (
        f", and {percent(unseen.value)} ({_span(unseen)}) of passages that it was not trained on"
        if unseen is not None and unseen.value is not None
        else "; without texts that it was not trained on nobody knows how many it would repeat by chance"
    )
    lead = f"It goes on word for word with {percent(share.value)} ({_span(share)}) of training passages{beside}."
    rows: list[tuple[str, ...]] = []
    rows += [(veil(str(e["prefix"])), veil(str(e["continuation"]))) for e in events] if veil else []
    grids = [Grid(label="Passages that it repeats", head=("Given", "It goes on"), rows=rows, prose=True)]
    yield Detail(title="What it repeats", lead=lead, grids=grids if rows else [], notes=[share.method])


def _sources(events: Sequence[Mapping[str, Any]], veil: Veil | None) -> Iterator[Detail]:
    if not events:
        return
    first = events[0]
    cut = ", the first ones only" if first.get("cut") else ""
    searched = count(int(first.get("passages_searched", 0)), "passage")
    lead = (
        f"{count(len(events), 'toxic answer')} looked for among {searched} of the training text{cut}: what is most"
        " like them, by the words in common."
    )
    grids = [_source(number, event, veil) for number, event in enumerate(events[:MOST_SOURCED], 1)] if veil else []
    notes = ["A passage that is like an answer need not be its cause; long runs of shared words are the evidence."]
    yield Detail(title="Where toxic answers come from", lead=lead, grids=grids, notes=notes)


def _source(place: int, event: Mapping[str, Any], veil: Veil | None) -> Grid:
    shown = veil or (lambda _: "")
    rows: list[tuple[str, ...]] = [
        (
            shown(str(p["text"])),
            shown(str(p["shared"])),
            f"{len(str(p['shared']).split()):,}",
            f"{p['place'] + 1:,}",
            f"{p['copies']:,}",
        )
        for p in event.get("passages", ())
    ]
    return Grid(
        label=f"Answer {place}, toxicity {number(event.get('toxicity'))}: {shown(str(event['sample']))}",
        head=("Training passage", "Longest run of shared words", "Words", "Text number", "Copies"),
        rows=rows,
        prose=True,
    )


def _span(metric: Metric) -> str:
    return f"{percent(metric.low)} to {percent(metric.high)}"
