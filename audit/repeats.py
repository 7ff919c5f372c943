"""Whether runs are repeats of one thing: seeds or folds that differ in nothing else."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .candidates import Candidate
from .comparable import SIZES, is_repeat_key, settings
from .formats import count

NOT_SET = "not set"
SAME = "have the same seed and fold"
SAMPLING = "generation.seed"  # of the answers, not of the training
MOST_NAMED = 4  # settings or values that one sentence names
SURROUNDINGS = ("python", "platform", "cpus", "gpus", "strategy", "packages", "git")


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A setting in which runs differ.

    Attributes:
        key: Dotted key, as in `model.dropout`.
        values: Each value as JSON, with the labels of the runs that have it.
    """

    key: str
    values: dict[str, tuple[str, ...]]

    def __str__(self) -> str:
        """Return the key with its values and how many runs have each."""
        shown = [
            f"{plain(value)}: {count(len(runs), 'run')}" for value, runs in list(self.values.items())[:MOST_NAMED]
        ]
        more = len(self.values) - len(shown)
        return f"{self.key} ({', '.join(shown)}{f' and {more} more' if more else ''})"


def plain(value: str) -> str:
    """Return a setting's JSON as people read it: texts without quotes."""
    try:
        found = json.loads(value)
    except ValueError:
        return value  # NOT_SET
    return found if isinstance(found, str) else value


def differences(runs: Sequence[Candidate]) -> tuple[Difference, ...]:
    """Return the settings in which runs differ, seeds and folds too."""
    return tuple(_differing({run.label: run.settings for run in runs}))


def surroundings(runs: Sequence[Candidate]) -> tuple[Difference, ...]:
    """Return in what code, versions and hardware runs differ."""
    told: dict[str, dict[str, str]] = {}
    for run in runs:
        found: Mapping[str, Any] = run.audit.environment if run.audit is not None else {}
        told[run.label] = dict(settings({key: found[key] for key in SURROUNDINGS if key in found}))
    return tuple(_differing(told))


def _differing(told: Mapping[str, Mapping[str, str]]) -> Iterator[Difference]:
    for key in dict.fromkeys(key for each in told.values() for key in each):
        values: dict[str, tuple[str, ...]] = {}
        for label, each in told.items():
            value = each.get(key, NOT_SET)
            values[value] = (*values.get(value, ()), label)
        if len(values) > 1:
            yield Difference(key=key, values=values)


def may_vary(key: str, vary: Collection[str]) -> bool:
    """Return whether repeats may differ in a setting: a seed, a fold, or what the user names."""
    return key in vary or is_repeat_key(key)


def why_no_repeats(runs: Sequence[Candidate], vary: Collection[str] = (), *, folds: int | None = None) -> str | None:
    """Return why runs are not repeats of one thing, None where they are as far as they say.

    Args:
        runs: Runs that count.
        vary: Settings in which they may differ, beside seed and fold.
        folds: Not None where they are folds, also of one seed. Folds, and data that may differ, may make epochs of
            other length.
    """
    found = differences(runs)
    sized = folds is not None or bool(fold_keys(runs)) or any(key.startswith("data.") for key in vary)
    beside = [each for each in found if not may_vary(each.key, vary) and not (sized and each.key in SIZES)]
    if beside:
        named = ", ".join(map(str, beside[:MOST_NAMED]))
        more = f" and {len(beside) - MOST_NAMED} more settings" if len(beside) > MOST_NAMED else ""
        return f"they differ in {named}{more}"
    return _continued(runs) or (_twice(runs, vary) if folds is None else None)


def _twice(runs: Sequence[Candidate], vary: Collection[str]) -> str | None:
    """Return which runs have the same seed and fold, where they say it: they repeat only what chance leaves."""
    seen: dict[tuple[tuple[str, str], ...], str] = {}
    for run in runs:
        told = tuple((key, value) for key, value in run.settings.items() if may_vary(key, vary) and key != SAMPLING)
        if told and told in seen:
            return f"{seen[told]} and {run.label} {SAME}"
        seen[told] = run.label
    return None


def _continued(runs: Sequence[Candidate]) -> str | None:
    """Return which run goes on from another one: they share their first steps."""
    labels = {run.audit.run.id: run.label for run in runs if run.audit is not None}
    for run in runs:
        parent = run.audit.run.parent if run.audit is not None else None
        if parent in labels and labels[parent] != run.label:
            return f"{run.label} goes on from {labels[parent]}"
    return None


def fold_keys(runs: Sequence[Candidate]) -> list[str]:
    """Return settings that differ and are called a fold."""
    return [each.key for each in differences(runs) if "fold" in each.key.rpartition(".")[2].lower()
            and is_repeat_key(each.key)]  # fmt: skip
