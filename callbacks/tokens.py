"""How many examples and tokens a training has seen, counted without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .batches import first_tensor

IDS, MASK = "input_ids", "attention_mask"
INTEGERS = (torch.int64, torch.int32, torch.int16)  # bytes are images more often than tokens
PENDING = 4096  # sums that may wait on the device
DEPTH = 3  # batches in batches, as several loaders give them

BY_MASK = f"ones of {MASK}"
BY_IDS = f"elements of {IDS}, padding included, because the batch has no {MASK}"
BY_IDS_WITH_MASK = f"elements of {IDS}, padding included: {MASK} is not of whole numbers [batch, length]"
BY_SHAPE = "elements of the batch's first tensor, integers of shape [batch, length] like all else in it, with padding"
BY_USER = "counted by the function that was given as tokens="

NO_TENSOR = "the batch shows no tensor whose length could be counted"
NO_TOKENS = (
    f"the batch has no {IDS}, and is not of integers [batch, length] alone, which might be a table:"
    " give tokens= a function of the batch"
)


class TokenCounter:
    """Examples and tokens of all batches so far.

    Args:
        given: Returns the tokens of a batch; None to look for them.

    Attributes:
        samples: Examples so far; None once a batch did not show how many it holds.
        tokens: Tokens so far, without those that still wait on the device; None once a batch showed none.
        how: How tokens were counted.
        no_samples: Why `samples` is None.
        no_tokens: Why `tokens` is None.
    """

    def __init__(self, given: Callable[[Any], int] | None = None) -> None:
        self.samples: int | None = 0
        self.tokens: int | None = 0
        self.how = ""
        self.no_samples = self.no_tokens = ""
        self._given = given
        self._waiting: list[Tensor] = []

    def add(self, batch: Any) -> None:
        """Count a batch."""
        first = first_tensor(batch)
        if self.samples is not None:
            self._add_samples(first)
        if self.tokens is not None:
            self._add_tokens(batch, first)

    def _add_samples(self, first: Tensor | None) -> None:
        if first is None or first.ndim == 0 or self.samples is None:
            self.samples, self.no_samples = None, NO_TENSOR
        else:
            self.samples += first.shape[0]

    def _add_tokens(self, batch: Any, first: Tensor | None) -> None:
        found = self._ask(batch) if self._given is not None else self._find(batch, first)
        if found is None or self.tokens is None:
            self.tokens, self.no_tokens = None, self.no_tokens or NO_TOKENS
            self._waiting.clear()
        elif isinstance(found, Tensor):
            self._waiting.append(found)
            if len(self._waiting) >= PENDING:
                self._waiting = [torch.stack(self._waiting).sum()]
        else:
            self.tokens += found

    def _ask(self, batch: Any) -> int | Tensor | None:
        assert self._given is not None  # noqa: S101 - only called where it is
        self.how = BY_USER
        try:
            found = self._given(batch)
        except Exception as error:  # noqa: BLE001 - the user's function must not stop the user's training
            self.no_tokens = f"the function given as tokens= raised {type(error).__name__}: {error}"[:300]
            return None
        if isinstance(found, Tensor) and found.numel() == 1:
            return found.detach().reshape(()).to(torch.int64, copy=True)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            self.no_tokens = f"the function given as tokens= must return a whole number, got {found!r}"[:300]
            return None
        return found

    def _find(self, batch: Any, first: Tensor | None) -> int | Tensor | None:
        parts = [counted for part in _with_ids(batch, DEPTH) if (counted := self._of_ids(part)) is not None]
        if parts:
            return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0])
        if first is not None and _is_text(batch, first):
            self.how = BY_SHAPE
            return first.numel()
        return None

    def _of_ids(self, part: Mapping[str, Any]) -> int | Tensor | None:
        mask = part.get(MASK)
        if isinstance(mask, Tensor) and mask.ndim == 2 and not mask.is_floating_point():
            self.how = BY_MASK
            return (mask != 0).sum()  # packed examples are numbered
        self.how = BY_IDS if mask is None else BY_IDS_WITH_MASK
        return int(part[IDS].numel())

    def settle(self) -> None:
        """Bring over what waits on the device; this waits for it."""
        if self._waiting and self.tokens is not None:
            self.tokens += int(torch.stack(self._waiting).sum())
        self._waiting.clear()


def _is_text(batch: Any, first: Tensor) -> bool:
    """Return whether a batch looks like text without names: integers [batch, length], and so are its targets.

    A table of categories has the same shape; what it is to predict, or the numbers beside it, have another.
    """
    tokens = first.ndim == 2 and first.dtype in INTEGERS
    return tokens and all(t.shape == first.shape and not t.is_floating_point() for t in _tensors(batch))


def _tensors(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    items = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    for item in items:
        yield from _tensors(item)


def _with_ids(batch: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings in a batch that hold token ids."""
    if isinstance(batch, Mapping):
        if isinstance(batch.get(IDS), Tensor):
            yield batch
            return
        items = list(batch.values())
    else:
        items = list(batch) if isinstance(batch, list | tuple) else []
    if depth:
        for item in items:
            if isinstance(item, Mapping | list | tuple):
                yield from _with_ids(item, depth - 1)
