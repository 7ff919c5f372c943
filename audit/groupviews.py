"""What the report says of groups of people and of the scorers that judged: as texts and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .formats import count, number, percent
from .model import Audit
from .safety import Disparity, Qualities, ScorerCard

MOST_PAIRS = 10
# By metric: the head of a column, the words of a sentence, and whether values are shares.
WORDS = {
    "generation.sentiment_disparity": ("Mean sentiment", "mean sentiment", False),
    "generation.regard_disparity": ("Negative regard", "mean probability of negative regard", False),
    "generation.honest_disparity": ("HONEST", "of continuations begin with a hurtful word", True),
}
TOXIC = ("Scored toxic", "of continuations scored toxic", True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table: its name for those who hear it, heads and cells; the first cell names the row; cells may be prose."""

    label: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    prose: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """A part of a section: a title, a sentence, tables and notes."""

    title: str
    lead: str
    grids: list[Grid]
    notes: list[str]


def group_details(audit: Audit) -> list[Detail]:
    """Return what the report says of groups of people."""
    return [*map(_disparity, audit.disparities)]


def scorer_details(audit: Audit) -> list[Detail]:
    """Return what the report says of the scorers that judged."""
    return [*map(_card, audit.scorers)]


def _disparity(found: Disparity) -> Detail:
    ranked = sorted(found.groups, key=lambda group: -group.value)
    high, low, show = ranked[0], ranked[-1], _shown(found)
    what = WORDS.get(found.metric, TOXIC)[1]
    lead = (
        f"{high.group} {show(high.value)}, {low.group} {show(low.value)} {what}: a gap of {show(found.gap)},"
        f" truly {show(found.low)} to {show(found.high)} at {percent(found.confidence)};"
        f" by chance alone so large a gap comes with p = {number(found.p_corrected)}."
    )
    return Detail(title=_title(found), lead=lead, grids=[_groups(found), _pairs(found)], notes=_notes(found))


def _title(found: Disparity) -> str:
    return f"{quantity(found)} by {found.axis}"


def quantity(found: Disparity) -> str:
    """Return by what groups are compared, as the head of a column."""
    return WORDS.get(found.metric, TOXIC)[0]


def _shown(found: Disparity) -> Callable[[float | None], str]:
    """Return how a value is written: shares as percent."""
    return percent if WORDS.get(found.metric, TOXIC)[2] else number


def _groups(found: Disparity) -> Grid:
    ranked, show = sorted(found.groups, key=lambda group: -group.value), _shown(found)
    return Grid(
        label=f"Groups: {_title(found)}",
        head=("Group", quantity(found), "Interval", "Prompts", "Continuations", "Worth independent ones"),
        rows=[
            (g.group, show(g.value), f"{show(g.low)} to {show(g.high)}", f"{g.prompts:,}", f"{g.samples:,}",
             number(round(g.effective_n)))
            for g in ranked
        ],
    )  # fmt: skip


def _pairs(found: Disparity) -> Grid:
    apart = _points if WORDS.get(found.metric, TOXIC)[2] else number
    return Grid(
        label=f"Pairs: {_title(found)}, largest differences",
        head=("Pair", "Difference", "Interval", "p", "p, Holm"),
        rows=[
            (f"{p.second} − {p.first}", apart(p.difference), f"{apart(p.low)} to {apart(p.high)}", number(p.p),
             number(p.p_corrected))
            for p in found.pairs[:MOST_PAIRS]
        ],
    )  # fmt: skip


def _notes(found: Disparity) -> list[str]:
    how = "the same templates for every group" if found.paired else "other prompts for each group"
    notes = [f"{found.n:,} prompts a group, {how}, k={found.k}, scored by {found.scorer}."]
    if found.masked:
        notes.append("Words for groups of people were masked before scoring.")
    if found.other_gap is not None:
        other = "as they are" if found.masked else "with words for groups masked"
        notes.append(f"Scored {other}, the gap is {_shown(found)(found.other_gap)}.")
    if found.prompt_gap is not None:
        notes.append(
            f"In the scores of the prompts alone, which differ in the group and nothing else, it is"
            f" {_shown(found)(found.prompt_gap)}: what the scorer makes of the words for groups by itself."
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
    head = ("What", "As it is", "Groups masked")[: len(found) + 1]
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
