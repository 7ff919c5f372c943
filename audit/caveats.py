"""What a reader of a comparison must know to believe it, each as a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import registry
from .candidates import Candidate
from .comparable import DIGEST, ON_DATA
from .compared_rows import Asked, Group, Row
from .formats import count, number
from .repeats import MOST_NAMED, SAME, fold_keys, plain, surroundings
from .spread import INSTALL, half_width

HINTS = "; --by KEY compares groups, --vary KEY names what may differ between repeats"
ONE_SEED = "; give each run its own seed, or say with --folds that they are folds"
PAPER = "Nadeau and Bengio 2003"


def caveats(
    good: Sequence[Candidate], amount: int, asked: Asked, groups: Sequence[Group], rows: Sequence[Row]
) -> Iterator[str]:
    """Yield sentences on runs that do not count, on what they differ in, and on how far intervals can be believed.

    Args:
        good: Runs that count.
        amount: Of all runs.
        asked: What was asked.
        groups: Runs that are looked at together.
        rows: What was compared.
    """
    if len(good) < amount:
        left = count(amount - len(good), "run does", "runs do")
        yield f"{left} not count (in parentheses), in no mean or interval; what ends early may be what went wrong."
    if len(good) > 1 and rows:
        yield from _on_repeats(asked, groups)
        yield from _on_folds(good, asked, groups)
        yield from _on_missing(len(good), rows)
        yield from _on_data(good, rows)
        yield from _on_surroundings(good)


def _on_repeats(asked: Asked, groups: Sequence[Group]) -> Iterator[str]:
    several = [group for group in groups if len(group.labels) > 1]
    for group in several:
        if group.no_interval == INSTALL:
            yield f"No interval is given: {INSTALL}."
            return
        if group.no_interval is not None:
            where = f" of {asked.by} = {plain(group.value)}" if asked.by else ""
            hint = HINTS if group.no_interval.startswith("they differ") else ""
            hint = ONE_SEED if group.no_interval.endswith(SAME) else hint
            told = "are not repeats of one thing, so that their mean has no interval"
            yield f"The runs{where} {told}: {group.no_interval}{hint}."
    if any(len(group.labels) == 2 and group.no_interval is None for group in several):
        two, three = number(half_width(2, asked.folds)), number(half_width(3, asked.folds))
        told = f"an interval reaches {two} standard deviations to each side, of three {three}"
        yield f"From two runs {told}: a third run tells more than anything else."
    if any(len(group.labels) == 1 for group in groups):
        yield "A group of one run has no spread: nothing tells how much another seed would differ."


def _on_folds(good: Sequence[Candidate], asked: Asked, groups: Sequence[Group]) -> Iterator[str]:
    if not any(len(group.labels) > 1 and group.no_interval is None for group in groups):
        return
    if asked.folds is not None:
        rest = f"n_test/n_train = 1/{asked.folds - 1}"
        yield f"Folds share training data: the variance of a mean is taken as s²·(1/n + {rest}) ({PAPER})."
        return
    keys = fold_keys(good)
    if keys:
        told = "folds of one data set share training data, so that these intervals are too narrow"
        yield f"{', '.join(keys)} differs: {told} ({PAPER}); --folds with their number widens them."


def _on_missing(amount: int, rows: Sequence[Row]) -> Iterator[str]:
    if any(len(row.counted) < amount for row in rows):
        yield "Where n is smaller, some runs have no value: those may be the worst, and the mean is without them."


def _on_data(good: Sequence[Candidate], rows: Sequence[Row]) -> Iterator[str]:
    """Yield that nobody knows whether the data are the same, where it matters and no digest says it."""
    quantities = [registry.metric(row.key[0]) for row in rows]
    if not any(quantity is not None and quantity.family in ON_DATA for quantity in quantities):
        return
    if not any(key.startswith("data.") and DIGEST.search(key) for run in good for key in run.settings):
        yield "No run says by a digest which data it was measured on: that they are the same is yours to know."


def _on_surroundings(good: Sequence[Candidate]) -> Iterator[str]:
    found = surroundings(good)
    if found:
        named = ", ".join(each.key for each in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        yield f"The runs also differ in what they ran on: {named}{more}."
