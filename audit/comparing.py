"""What `groundwire compare` finds: the same numbers of several runs, side by side and over them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import registry
from .candidates import Candidate, read_candidates
from .caveats import caveats
from .compared_rows import Asked, Group, Key, Row, rows_of
from .errors import UsageError
from .formats import count
from .repeats import NOT_SET, Difference, differences, why_no_repeats
from .spread import why_no_quantile


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Runs side by side.

    Attributes:
        asked: What was asked.
        runs: All runs, also those that do not count.
        groups: Those that count, all in one group unless a setting tells groups apart.
        rows: Metrics that can be compared.
        refused: Metrics that cannot, with the reason.
        differences: Settings in which the runs that count differ.
        notes: What a reader must know to believe it.
    """

    asked: Asked
    runs: tuple[Candidate, ...]
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    refused: tuple[tuple[Key, str], ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def hindrance(self) -> str | None:
        """Why nothing was compared, None where something was."""
        good = [run for run in self.runs if run.excluded is None]
        if len(good) < 2:
            bad = next(run for run in self.runs if run.excluded is not None)
            told = f"{count(len(good), 'run')} of {len(self.runs)} can be compared"
            return f"{told[:1].upper()}{told[1:]}, and it takes two: {bad.url}: {bad.excluded}."
        return None if self.rows else "These runs have no number in common that can be compared."


def compare(asked: Asked) -> Comparison:
    """Return what runs have in common and how it spreads.

    Raises:
        UsageError: An option is wrong, or a metric that was asked for cannot be compared.
        RecordError: There is no run at a place.
    """
    if asked.folds is not None and asked.folds < 2:
        raise UsageError(f"--folds must be 2 or more, the folds of the data set, got {asked.folds}.")
    return compared(read_candidates(asked.runs), asked)


def compared(runs: tuple[Candidate, ...], asked: Asked) -> Comparison:
    """Return what runs that have been read have in common; errors as of `compare`."""
    good = [run for run in runs if run.excluded is None]
    groups = tuple(_groups(good, asked))
    rows, refused = rows_of(runs, groups, asked) if len(good) > 1 else ([], [])
    notes = tuple(caveats(good, len(runs), asked, groups, rows))
    return Comparison(
        asked=asked, runs=runs, groups=groups, rows=tuple(rows), refused=tuple(refused), notes=notes,
        differences=differences(good),
    )  # fmt: skip


def _groups(good: Sequence[Candidate], asked: Asked) -> Iterator[Group]:
    members: dict[str, list[Candidate]] = {}
    for key in [key for key in (asked.by, *asked.vary) if key is not None]:
        _require_known(key, good, "--by" if key == asked.by else "--vary")
    for run in good:
        value = "" if asked.by is None else run.settings.get(asked.by, NOT_SET)
        members.setdefault(value, []).append(run)
    for value in sorted(members, key=_as_number):
        labels = tuple(run.label for run in members[value])
        yield Group(
            value=value,
            labels=labels,
            no_interval=why_no_repeats(members[value], asked.vary, folds=asked.folds) or why_no_quantile(),
        )


def _require_known(key: str, good: Sequence[Candidate], option: str) -> None:
    known = sorted({each for run in good for each in run.settings})
    if good and key not in known:
        hint = registry.nearest(key, known) or "; `--format json` lists those that differ"
        raise UsageError(f"{option}: no run has a setting {key!r}{hint}.")


def _as_number(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return math.inf, value
