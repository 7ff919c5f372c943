"""Metrics of several runs, row by row: which can be compared, and how they spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import registry
from .candidates import Candidate
from .comparable import basis, what_differs
from .errors import UsageError
from .model import Metric, Quality
from .spread import Spread, spread

Key = tuple[str, tuple[tuple[str, str], ...]]  # name and labels of a metric
FIRST = ("logged.", "imported.", "overfitting.", "generation.", "likelihood.", "memorisation.", "carbon.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be compared.

    Attributes:
        runs: Paths or fsspec URLs of runs, or of folders that hold some.
        metrics: Names of metrics that must be comparable; all that are, when empty.
        by: Setting that tells groups apart, as in `model.dropout`.
        vary: Settings in which repeats may differ, beside seed and fold.
        folds: Folds of the data set that the runs are; None for independent runs.
    """

    runs: Sequence[str]
    metrics: Sequence[str] = ()
    by: str | None = None
    vary: Sequence[str] = ()
    folds: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Runs that are looked at together.

    Attributes:
        value: What they have in common, as JSON; "" where all runs are one group.
        labels: Of those that count.
        no_interval: Why no interval is given; None where one is.
    """

    value: str
    labels: tuple[str, ...]
    no_interval: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A metric over runs.

    Attributes:
        key: Its name and labels.
        unit: Its unit.
        better: lower, higher or neither.
        cells: What each run measured, None where it did not.
        counted: The values that count, by label of the run.
        spreads: Of each group, None where none of its runs has a value.
        best: Labels of the runs with the best value; none where no direction is better, or all are the same.
    """

    key: Key
    unit: str
    better: str
    cells: tuple[Metric | None, ...]
    counted: dict[str, float]
    spreads: tuple[Spread | None, ...]
    best: tuple[str, ...]


def rows_of(
    runs: Sequence[Candidate], groups: Sequence[Group], asked: Asked
) -> tuple[list[Row], list[tuple[Key, str]]]:
    """Return the metrics that can be compared, and those that cannot, with the reason.

    Raises:
        UsageError: One that was asked for cannot be compared.
    """
    rows: list[Row] = []
    refused: list[tuple[Key, str]] = []
    for key, cells in _in_order(runs, asked).items():
        reason = _why_not(cells, runs, asked)
        if reason is None:
            rows.append(_row(key, cells, runs, groups, asked))
        elif asked.metrics:
            raise UsageError(f"{named(key)} cannot be compared: {reason}.")
        else:
            refused.append((key, reason))
    return rows, refused


def _in_order(runs: Sequence[Candidate], asked: Asked) -> dict[Key, tuple[list[Metric], ...]]:
    """Return for each metric that is wanted what each run has of it, the most wanted first."""
    table = [by_key(run) for run in runs]
    keys = list(dict.fromkeys(key for found in table for key in found))
    for name in asked.metrics:
        _require_measured(name, keys)
    totals = {name for name, labels in keys if not labels}
    chosen = [key for key in keys if (key[0] in asked.metrics if asked.metrics else is_shown(key, totals))]
    found = {key: tuple(each.get(key, []) for each in table) for key in chosen}
    counting = [run.excluded is None for run in runs]
    several = [
        key for key, cells in found.items()
        if asked.metrics or sum(bool(cell) and good for cell, good in zip(cells, counting, strict=True)) > 1
    ]  # fmt: skip
    return {key: found[key] for key in sorted(several, key=lambda key: rank(key[0]))}


def by_key(run: Candidate) -> dict[Key, list[Metric]]:
    """Return what a run has of each metric: several rows where nothing says which counts."""
    found: dict[Key, list[Metric]] = {}
    for metric in run.audit.metrics if run.audit is not None else ():
        found.setdefault(metric.key, []).append(metric)
    return found


def is_shown(key: Key, totals: set[str]) -> bool:
    """Return whether a metric is shown unasked: the total, and parts only of what has none."""
    return not key[1] or key[0] not in totals


def rank(name: str) -> tuple[int, str]:
    """Return a key that sorts metrics, the most wanted first."""
    return next((place for place, start in enumerate(FIRST) if name.startswith(start)), len(FIRST)), name


def _require_measured(name: str, keys: Sequence[Key]) -> None:
    known = sorted({found for found, _ in keys})
    if name not in known:
        raise UsageError(f"No run has measured {name}{registry.nearest(name, known)}.")


def why_unusable(cell: Sequence[Metric]) -> str | None:
    """Return why there is no value that counts, None where there is one."""
    if len(cell) != 1:
        return "nothing says which of several values counts" if cell else "it was not measured"
    if cell[0].value is None or cell[0].quality is Quality.UNKNOWN:
        return cell[0].reason or f"its quality is unknown: {cell[0].method}"
    return None


def _why_not(cells: Sequence[list[Metric]], runs: Sequence[Candidate], asked: Asked) -> str | None:
    """Return why a metric cannot be compared, with the labels of the runs; None where it can."""
    good = [(cell, run) for cell, run in zip(cells, runs, strict=True) if run.excluded is None]
    usable = [(cell[0], run) for cell, run in good if why_unusable(cell) is None]
    if len(usable) < 2:
        reasons = [f"{why_unusable(cell)} ({run.label})" for cell, run in good if why_unusable(cell) is not None]
        return reasons[0] if reasons else "it takes two runs that count"
    apart = [key for key in (asked.by, *asked.vary) if key is not None]
    bases = [(basis(metric, run.audit, apart=apart), run) for metric, run in usable if run.audit is not None]
    for told, run in bases[1:]:
        reason = what_differs(bases[0][0], told)
        if reason is not None:
            what = reason.partition(" differs")[0]
            hint = f"; --vary {what} says that it may" if what.startswith("data.") else ""
            return f"{reason} ({bases[0][1].label}, {run.label}){hint}"
    return None


def _row(
    key: Key, cells: Sequence[list[Metric]], runs: Sequence[Candidate], groups: Sequence[Group], asked: Asked
) -> Row:
    counted = {
        run.label: cell[0].value for cell, run in zip(cells, runs, strict=True)
        if run.excluded is None and why_unusable(cell) is None and cell[0].value is not None
    }  # fmt: skip
    quantity = registry.metric(key[0])
    better = quantity.better if quantity is not None else "neither"
    return Row(
        key=key,
        unit=next(cell[0].unit for cell in cells if cell),
        better=better,
        cells=tuple(cell[0] if len(cell) == 1 else None for cell in cells),
        counted=counted,
        spreads=tuple(_spread(group, counted, asked.folds) for group in groups),
        best=_best(counted, better),
    )


def _spread(group: Group, counted: dict[str, float], folds: int | None) -> Spread | None:
    values = [counted[label] for label in group.labels if label in counted]
    return spread(values, interval=group.no_interval is None, folds=folds) if values else None


def _best(counted: dict[str, float], better: str) -> tuple[str, ...]:
    if better == "neither" or len(set(counted.values())) < 2:
        return ()
    best = min(counted.values()) if better == "lower" else max(counted.values())
    return tuple(label for label, value in counted.items() if value == best)


def named(key: Key) -> str:
    """Return a metric's name with its labels, as in `carbon.energy_kwh{component=cpu}`."""
    name, labels = key
    return f"{name}{{{', '.join(f'{label}={value}' for label, value in labels)}}}" if labels else name
