"""Examples told apart by digests of their tensors: which of them came twice, and which are on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .batches import first_tensor, plain
from .tokens import IDS, MASK

MOST = 2**17  # digests that are kept of one side: a megabyte
ELEMENTS = 4096  # of a tensor of an example, from which its digest is computed
PADDED = -100  # what PyTorch's losses leave out, and tokenisers pad labels with
SHIFT, SEED = 40, 20_260_101
BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}

Integers = NDArray[np.int64]


@torch.no_grad()
def digests(batch: Any) -> Tensor | None:
    """Return a number for each example; those of examples with the same tensors are equal, others next to never.

    All tensors count whose first dimension is that of the first one, whatever they mean. Of large ones, about 4,096
    elements all over the example enter. Zeros at the end of a row change nothing, so that padding does not count.

    Returns:
        Shape [examples], int64, on the batch's device; None where no tensor shows examples.
    """
    first = first_tensor(batch)
    if first is None or first.ndim == 0 or not len(first):
        return None
    total = torch.zeros(len(first), dtype=torch.int64, device=first.device)
    for place, tensor in enumerate(_tensors(batch)):
        if plain(tensor) and tensor.ndim and len(tensor) == len(first) and tensor.device == first.device:
            total = total * 6_364_136_223_846_793_005 + _digest(tensor, place)
    return total ^ (total >> 29)


def _digest(tensor: Tensor, place: int) -> Tensor:
    """Return the sum over the elements of each row of their bits times fixed odd numbers, mixed, modulo 2⁶⁴."""
    rows = tensor.detach().reshape(len(tensor), -1)
    rows = rows[:, :: max(1, -(-rows.shape[1] // ELEMENTS))]
    if rows.dtype in BITS:
        bits = rows.contiguous().view(BITS[rows.dtype]).to(torch.int64)
    else:
        bits = rows.to(torch.int64)
        bits = bits.masked_fill(bits == PADDED, 0)
    mixed = bits * (_weights(bits.device)[: bits.shape[1]] + 2 * place)
    return (mixed ^ (mixed >> 32)).sum(dim=1)


@cache
def _weights(device: torch.device) -> Tensor:
    drawn = np.random.default_rng(SEED).integers(-(2**63), 2**63 - 1, ELEMENTS, dtype=np.int64)
    return torch.from_numpy(drawn | 1).to(device)


def _tensors(batch: Any) -> Iterator[Tensor]:
    """Yield all tensors in a batch; token ids without what is masked."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        ids, mask = batch.get(IDS), batch.get(MASK)
        masked = isinstance(ids, Tensor) and isinstance(mask, Tensor) and ids.shape == mask.shape
        for name, value in batch.items():
            yield from _tensors(ids * (mask != 0) if masked and name == IDS else value)  # type: ignore[operator]
    elif isinstance(batch, list | tuple):
        for item in batch:
            yield from _tensors(item)


class Digests:
    """Digests of the examples of one side, each with the worker that made it.

    Args:
        most: How many are kept; beyond it, those of a random half of all possible examples are, then of a quarter,
            so that what comes twice is kept twice or not at all.

    Attributes:
        divisor: One out of so many possible examples is kept.
        seen: Examples that were offered.
    """

    def __init__(self, most: int = MOST) -> None:
        self.divisor, self.seen = 1, 0
        self._most = most
        self._waiting: list[tuple[Tensor, int]] = []
        self._digest: Integers = np.zeros(0, np.int64)
        self._worker: Integers = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self._digest.size

    def add(self, found: Tensor, worker: int = 0) -> None:
        """Take the digests of a batch; they stay on their device until `settle`."""
        self._waiting.append((found, worker))
        self.seen += len(found)

    def settle(self) -> None:
        """Bring over what waits on the device; this waits for it."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            fresh = torch.cat([found for found, _ in waiting]).cpu().numpy()
            workers = np.repeat([worker for _, worker in waiting], [len(found) for found, _ in waiting])
            self._digest = np.concatenate([self._digest, fresh])
            self._worker = np.concatenate([self._worker, workers])
            self.thin(self.divisor)
        while len(self) > self._most:
            self.thin(2 * self.divisor)

    def thin(self, divisor: int) -> None:
        """Keep one out of `divisor` possible examples, a power of two."""
        self.divisor = max(divisor, self.divisor)
        kept = (self._digest >> SHIFT) & (self.divisor - 1) == 0
        self._digest, self._worker = self._digest[kept], self._worker[kept]

    def twins(self) -> int:
        """Return how many examples have another one like them."""
        _, counts = np.unique(self._digest, return_counts=True)
        return int(counts[counts > 1].sum())

    def repeats(self) -> tuple[int, int]:
        """Return how many examples came before from another worker only, and how many from the same one."""
        pairs = np.unique(np.stack([self._digest, self._worker], axis=1), axis=0)
        different = np.unique(self._digest).size
        return len(pairs) - different, len(self) - len(pairs)

    def shared(self, other: Digests) -> int:
        """Return how many examples are among those of another side; both keep the same part of all examples."""
        divisor = max(self.divisor, other.divisor)
        self.thin(divisor)
        other.thin(divisor)
        return int(np.isin(self._digest, other._digest).sum())
