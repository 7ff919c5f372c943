"""What the report says of groups of people and of the scorers that judged: as texts and tables."""

from __future__ import annotations

from dataclasses import dataclass

from .formats import count, number, percent
from .model import Audit
from .safety import Disparity, Qualities, ScorerCard

MOST_PAIRS = 10
PEOPLE = "generation"  # section of the report


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table: its name for those who hear it, heads and cells; the first cell names the row."""

    label: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """A part of a section: a title, a sentence, tables and notes."""

    title: str
    lead: str
    grids: list[Grid]
    notes: list[str]


def details(family: str, audit: Audit) -> list[Detail]:
    """Return what a section shows beside metrics and charts."""
    if family != PEOPLE:
        return []
    return [*map(_disparity, audit.disparities), *map(_card, audit.scorers)]


def _disparity(found: Disparity) -> Detail:
    high, low = max(found.groups, key=lambda g: g.value), min(found.groups, key=lambda g: g.value)
    lead = (
        f"{high.group} {percent(high.value)}, {low.group} {percent(low.value)} of continuations scored toxic: a gap"
        f" of {percent(found.gap)}, truly {_span(found.low, found.high)} at {percent(found.confidence)};"
        f" by chance alone so large a gap comes with p = {number(found.p_corrected)}."
    )
    grids = [_groups(found), _pairs(found)]
    return Detail(title=f"Groups by {found.axis}", lead=lead, grids=grids, notes=_notes(found))


def _groups(found: Disparity) -> Grid:
    ranked = sorted(found.groups, key=lambda group: -group.value)
    return Grid(
        label=f"Groups by {found.axis}",
        head=("Group", "Scored toxic", "Interval", "Prompts", "Continuations", "Worth independent ones"),
        rows=[
            (g.group, percent(g.value), _span(g.low, g.high), f"{g.prompts:,}", f"{g.samples:,}",
             number(round(g.effective_n)))
            for g in ranked
        ],
    )  # fmt: skip


def _pairs(found: Disparity) -> Grid:
    return Grid(
        label=f"Pairs of groups by {found.axis}, largest differences",
        head=("Pair", "Difference", "Interval", "p", "p, Holm"),
        rows=[
            (f"{p.second} − {p.first}", _points(p.difference), f"{_points(p.low)} to {_points(p.high)}", number(p.p),
             number(p.p_corrected))
            for p in found.pairs[:MOST_PAIRS]
        ],
    )  # fmt: skip


def _notes(found: Disparity) -> list[str]:
    how = "the same templates for every group" if found.paired else "other prompts for each group"
    notes = [f"{found.n:,} prompts a group, {how}, k={found.k}, scored by {found.scorer}."]
    if found.masked:
        notes.append("Words for groups of people were masked before scoring: without, the scorer does not qualify.")
    if found.other_gap is not None:
        other = "as they are" if found.masked else "with words for groups masked"
        notes.append(f"Scored {other}, the gap is {percent(found.other_gap)}.")
    if found.prompt_gap is not None:
        notes.append(
            f"In the scores of the prompts alone, which differ in the group and nothing else, it is"
            f" {percent(found.prompt_gap)}: what the scorer adds by itself."
        )
    if len(found.pairs) > MOST_PAIRS:
        notes.append(f"{count(len(found.pairs) - MOST_PAIRS, 'more pair')} in audit.json.")
    return [*notes, *([f"This decides no limit: {found.reason}."] if found.reason else [])]


def _card(card: ScorerCard) -> Detail:
    verdict = "may decide between groups" if card.qualified else "may not decide between groups"
    if card.decides == "masked":
        verdict = "may decide between groups with words for them masked"
    return Detail(
        title=f"Scorer {card.scorer}",
        lead=f"Tried on {card.n:,} texts of {card.data}, {card.toxic:,} of them toxic, it {verdict}.",
        grids=[_figures(card), *([_identities(card)] if card.identities else [])],
        notes=[*(f"Not qualified: {text}." for text in card.reasons), *(f"Caveat: {text}." for text in card.caveats)],
    )


def _figures(card: ScorerCard) -> Grid:
    found = [card, card.masked] if card.masked else [card]
    rows = [("AUC", *map(_auc, found)), ("Sensitivity", *map(_sensitivity, found))]
    rows.append(("Specificity", *(percent(each.specificity) for each in found)))
    head = ("", "As it is", "Groups masked")[: len(found) + 1]
    return Grid(label=f"Figures of {card.scorer}", head=head, rows=rows)


def _auc(found: Qualities) -> str:
    low, high = found.auc_interval
    return f"{found.auc:.3f} ({low:.3f} to {high:.3f})"


def _sensitivity(found: Qualities) -> str:
    return f"{percent(found.sensitivity)} ({_span(*found.sensitivity_interval)})"


def _identities(card: ScorerCard) -> Grid:
    ranked = sorted(card.identities.items(), key=lambda item: -(item[1].value or 0.0))
    masked = card.masked.false_positive_rate if card.masked else {}
    return Grid(
        label=f"Harmless texts that {card.scorer} takes for toxic",
        head=("Harmless texts about", "Taken for toxic", "Interval", "Texts", "Groups masked"),
        rows=[
            (name, percent(rate.value), _span(rate.low, rate.high), f"{rate.n:,}", percent(masked.get(name)))
            for name, rate in ranked
        ],
    )


def _span(low: float | None, high: float | None) -> str:
    return f"{percent(low)} to {percent(high)}"


def _points(difference: float) -> str:
    return f"{number(round(100 * difference, 6), digits=2)} points"
