"""What is kept of the loss functions that a run calls: one row for each step that was watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .buffer import Key, VectorBuffer
from .criteria import FACTS, Criterion
from .session import Session

MOST_VALIDATED = 8  # batches of a validation in which classes are counted


class Objective:
    """The loss functions of a run.

    Attributes:
        classifies: Whether one of them judges the class of each example.
    """

    def __init__(self) -> None:
        self.classifies = False
        self._tables: dict[tuple[str, tuple[str, ...]], VectorBuffer] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        self._untold: list[dict[str, Any]] = []
        self._validated: dict[str, Tensor] = {}

    def keep(self, key: Key, criteria: Sequence[Criterion], returned: Tensor | None, *, size: int) -> None:
        """Keep what one step called.

        Args:
            key: Of the row.
            criteria: What was called.
            returned: What the step returned, None where that is not known.
            size: Examples in the batch.
        """
        if not criteria:
            return
        found = dict(_named(criteria))
        for name, criterion in found.items():
            self._tell(name, criterion, examples=criterion.rows == size)
        numbers = torch.stack([criterion.numbers for criterion in found.values()])
        for place, fact in enumerate(FACTS):
            self._row(f"objective.{fact}", tuple(found), key, numbers[:, place])
        last = numbers.new_full((1,), torch.nan) if returned is None else returned.reshape(1).to(numbers)
        self._row("objective.returned", ("objective.returned",), key, last)
        self._count(key, "objective.class", _counted(found, size))

    def validated(self, criteria: Sequence[Criterion], *, size: int) -> None:
        """Add what one batch of a validation called."""
        for name, counts in _counted(dict(_named(criteria)), size).items():
            known = self._validated.get(name)
            self._validated[name] = counts if known is None or known.shape != counts.shape else known + counts

    def end_validation(self, key: Key) -> None:
        """Keep what a validation has called."""
        self._count(key, "objective.val", self._validated)
        self._validated = {}

    def flush(self, session: Session) -> None:
        """Hand over what is new."""
        for (name, _), buffer in self._tables.items():
            session.rows("objective" if name == "objective.returned" else name, buffer.take())
        for facts in self._untold:
            session.event("objective.facts", **facts)
        self._untold = []

    def _tell(self, name: str, criterion: Criterion, *, examples: bool) -> None:
        if name not in self._facts:
            self._facts[name] = {
                "name": name,
                "function": criterion.kind,
                "classes": criterion.classes,
                "weighted": criterion.weighted,
                "examples": examples,
            }
            self._untold.append(self._facts[name])

    def _count(self, key: Key, table: str, counted: dict[str, Tensor]) -> None:
        for name, counts in counted.items():
            self.classifies = True
            columns = tuple(f"{name} {place}" for place in range(counts.shape[1]))
            self._row(f"{table}_count", columns, key, counts[0])
            self._row(f"{table}_hits", columns, key, counts[1])

    def _row(self, name: str, columns: tuple[str, ...], key: Key, values: Tensor) -> None:
        self._tables.setdefault((name, columns), VectorBuffer(columns)).add(key, values)


def _named(criteria: Sequence[Criterion]) -> Iterator[tuple[str, Criterion]]:
    """Yield each call with the name of its function, numbered where that was called before."""
    seen: dict[str, int] = {}
    for criterion in criteria:
        number = seen[criterion.kind] = seen.get(criterion.kind, -1) + 1
        yield (f"{criterion.kind}+{number}" if number else criterion.kind), criterion


def _counted(found: dict[str, Criterion], size: int) -> dict[str, Tensor]:
    """Return counts of classes where each row is an example, and not a token or a pixel."""
    return {name: c.counts for name, c in found.items() if c.counts is not None and c.rows == size}
