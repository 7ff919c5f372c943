"""Which training steps have their operations counted, and what all steps come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from .compiling import COMPILED, compiled_frames
from .compiling import compiled as compiled
from .flop_spans import Counted
from .flops import FlopCounter, tf32

Shapes = tuple[tuple[int, ...], ...]

MOST_SHAPES = 16  # of batches that are counted each for itself
COUNTED = frozenset({2, 3, *range(10, 20)} | {10**power + turn for power in range(1, 10) for turn in (0, 1)})
EARLY = 3  # batches that are counted whatever that costs
DEPTH = 3


class FlopTally:
    """The operations of all batches so far, from those that were counted.

    Batches in a row are counted, because some modules train their parts in turns: batches 2 and 3, 10 to 19, 100
    and 101, 1000 and 1001, and so on, and the first batch of each new shape; more in a row where those of one shape
    differ, and two anew where other parameters are trained than before. The first batch of a run is not, because
    lazy parts come to be in it. A batch of a shape that was not counted is taken in proportion to its size.

    Args:
        reason: Why nothing is counted, or an empty string.
        device: Where the model is.

    Attributes:
        reason: The same, once there is one.
        recomputed: Share of activations that were computed once more, over the operations of the counted batches.
        missing: Operators that may be heavy and have no formula.
        seconds: What counting has cost.
    """

    def __init__(self, reason: str = "", device: torch.device | None = None) -> None:
        self.reason = reason
        self._device = device or torch.device("cpu")
        self.missing: set[str] = set()
        self.seconds = 0.0
        self._recomputed = 0.0
        self._shapes: dict[Shapes, Counted] = {}
        self._other = self._other_batches = self._batch = 0
        self._counter: FlopCounter | None = None
        self._left: list[FlopCounter] = []  # below a mode of the user's, to be taken off later
        self._current: Shapes = ()
        self._compiled = compiled_frames()
        self._trained = -1

    @property
    def steps(self) -> int:
        """How many batches were counted."""
        return sum(counted.steps for counted in self._shapes.values())

    @property
    def recomputed(self) -> float:
        """Operations that were done once more, over those of the counted batches."""
        whole = sum(sum(span.flop.values()) for counted in self._shapes.values() for span in counted.spans)
        return self._recomputed / whole if whole else 0.0

    def trains(self, parameters: Iterable[Tensor]) -> None:
        """Look which parameters are trained; where they are others than before, count anew."""
        trained = hash(tuple(parameter.requires_grad for parameter in parameters))
        if trained != self._trained:
            self._trained = trained
            for counted in self._shapes.values():
                counted.changed()

    def began(self, batch: Any, affordable: Callable[[], bool]) -> None:
        """Count the operations of a batch where that is due and, after the first ones, affordable."""
        self.leave()
        self._batch += 1
        self._current = shapes(batch)
        if self._current not in self._shapes and len(self._shapes) < MOST_SHAPES:
            self._shapes[self._current] = Counted()
        if not self.reason and self._due() and (self._batch <= EARLY or affordable()):
            self._watch()

    def _due(self) -> bool:
        counted = self._shapes.get(self._current)
        return (
            self._batch > 1
            and counted is not None
            and (self._batch in COUNTED or counted.due > 0 or not counted.steps)
        )

    def _watch(self) -> None:
        if compiled_frames() != self._compiled:
            self.reason = "" if self.steps else COMPILED
            self._compiled = -1  # what was counted before stays
            return
        self._counter = FlopCounter(tf32(self._device))
        self._counter.watch()

    def updating(self) -> None:
        """Say that an optimizer is about to update its parameters."""
        if self._counter is not None:
            self._counter.updating()

    def ended(self) -> None:
        """Note that a batch came to its end, and keep what was counted in it."""
        counter = self._counter
        self.leave()
        counted = self._shapes.get(self._current)
        if counted is None:
            self._other, self._other_batches = self._other + _size(self._current), self._other_batches + 1
            return
        counted.add(None if counter is None else self._kept(counter))

    def _kept(self, counter: FlopCounter) -> Mapping[str, float] | None:
        self.seconds += counter.seconds
        if counter.problem is not None:
            self.reason = f"counting broke: {type(counter.problem).__name__}: {counter.problem}"[:300]
            return None
        self._recomputed += counter.recomputed
        self.missing |= counter.missing
        return counter.flop

    def leave(self) -> None:
        """Count no more of this batch."""
        counter, self._counter = self._counter, None
        self._left = [one for one in (*self._left, *([counter] if counter else [])) if not one.leave()]

    def total(self) -> dict[str, float]:
        """Return the operations of all batches by the type of number; empty where none was counted."""
        known = [(shape, c) for shape, c in self._shapes.items() if c.steps]
        if not known:
            return {}
        scale = 1 + self._scaled()[1] / sum(_size(shape) * counted.batches for shape, counted in known)
        found: dict[str, float] = defaultdict(float)
        for _, counted in known:
            for word, flop in counted.total().items():
                found[word] += flop * scale
        return dict(found)

    @property
    def varied_batches(self) -> int:
        """How many batches were of a shape whose counts differ although nothing is known to have changed."""
        return sum(counted.batches for counted in self._shapes.values() if counted.varies)

    @property
    def scaled_batches(self) -> int:
        """How many batches were of a shape that was not counted."""
        return self._scaled()[0]

    def _scaled(self) -> tuple[int, int]:
        rest = [(c.batches, _size(shape) * c.batches) for shape, c in self._shapes.items() if not c.steps]
        return self._other_batches + sum(n for n, _ in rest), self._other + sum(size for _, size in rest)


def shapes(batch: Any, depth: int = DEPTH) -> Shapes:
    """Return the shapes of the tensors in a batch; nested ones have none."""
    if isinstance(batch, Tensor):
        return () if batch.is_nested else (tuple(batch.shape),)
    items = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return tuple(shape for item in items for shape in shapes(item, depth - 1)) if depth else ()


def _size(shape: Shapes) -> int:
    """Return the elements of the first tensor; 1 where there is none."""
    return prod(shape[0]) if shape else 1
