"""What the batches of one shape took, from those of them that were counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

ALIKE = 1.02  # the most over the least that batches of one shape take, above which their work is said to vary
RUN = 32  # batches in a row that are counted where work varies: parts may be trained in any turn


@dataclass
class Span:
    """Batches of one shape in a row, of which the first were counted.

    Attributes:
        flop: Sum over the counted batches by the type of number.
        steps: How many batches were counted.
        batches: How many there were in all.
    """

    flop: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    steps: int = 0
    batches: int = 0


@dataclass
class Counted:
    """What the batches of one shape took: each count stands for the batches until the next one.

    Attributes:
        spans: From one count to the next; batches before the first count belong to it.
        due: How many batches in a row are to be counted because something has changed.
        varies: Whether batches took more or less although nothing is known to have changed.
    """

    spans: list[Span] = field(default_factory=lambda: [Span()])
    due: int = 0
    varies: bool = False
    _open: bool = False  # whether the last batch was counted
    _range: tuple[float, float] = (inf, 0.0)  # the least and the most since something has changed

    @property
    def steps(self) -> int:
        """How many batches were counted."""
        return sum(span.steps for span in self.spans)

    @property
    def batches(self) -> int:
        """How many there were in all."""
        return sum(span.batches for span in self.spans)

    def add(self, flop: Mapping[str, float] | None) -> None:
        """Take a batch, and its operations by the type of number where it was counted."""
        if flop is not None:
            self._count(flop)
        self._open = flop is not None
        self.spans[-1].batches += 1

    def _count(self, flop: Mapping[str, float]) -> None:
        varied = self.varies and self._open
        if self.spans[-1].steps and not self._open:
            self.spans.append(Span())
        for word, amount in flop.items():
            self.spans[-1].flop[word] += amount
        self.spans[-1].steps += 1
        self._compare(sum(flop.values()))
        self.due = RUN if self.varies and not varied else max(0, self.due - 1)

    def _compare(self, whole: float) -> None:
        least, most = self._range
        self._range = min(least, whole), max(most, whole)
        self.varies |= self._range[1] > ALIKE * self._range[0]

    def changed(self) -> None:
        """Expect other work from the next batch on."""
        self.due, self._open, self._range = 2, False, (inf, 0.0)

    def total(self) -> dict[str, float]:
        """Return the operations of all batches by the type of number; empty where none was counted."""
        found: dict[str, float] = defaultdict(float)
        for span in self.spans:
            for word, flop in span.flop.items():
                found[word] += flop * span.batches / span.steps
        return found
