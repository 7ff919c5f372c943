"""What a model reads at once: windows of a text's tokens, in batches of similar length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OVERLAP = 64  # tokens that neighbours share, so that a phrase on a border is whole in one of them
PADDING = 1 / 32  # of a batch; about what a further batch costs, which reads all weights again


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Some neighbouring tokens of one text.

    Attributes:
        text: Number of the text.
        start: First token.
        stop: The token after the last.
    """

    text: int
    start: int
    stop: int

    @property
    def length(self) -> int:
        """Its tokens."""
        return self.stop - self.start


def windows(text: int, tokens: int, room: int) -> list[Window]:
    """Return the windows that hold every token of a text: one if it fits, else as many as it takes.

    Args:
        text: Number of the text.
        tokens: How many it has.
        room: How many the model reads at once.
    """
    if tokens <= room:
        return [Window(text=text, start=0, stop=tokens)]
    step = room - min(OVERLAP, room // 4)
    starts = [*range(0, tokens - room, step), tokens - room]  # the last reaches back instead of being short
    return [Window(text=text, start=start, stop=start + room) for start in starts]


def batches(found: Iterable[Window], *, special: int, budget: int, most: int | None = None) -> Iterator[list[Window]]:
    """Yield the windows in batches, short ones first.

    A batch ends where it would have more tokens than the budget, or more padding than a further batch costs.

    Args:
        found: Windows of any texts.
        special: Tokens that the model wants around each.
        budget: Tokens of a batch, padding counted; a single window may have more.
        most: Windows of a batch.
    """
    batch: list[Window] = []
    padding = 0
    for window in sorted(found, key=lambda window: window.length):
        wider = len(batch) * (window.length - batch[-1].length) if batch else 0
        full = len(batch) == most or (len(batch) + 1) * (window.length + special) > budget
        if batch and (full or padding + wider > budget * PADDING):
            yield batch
            batch, padding, wider = [], 0, 0
        batch.append(window)
        padding += wider
    if batch:
        yield batch
