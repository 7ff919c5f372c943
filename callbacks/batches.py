"""What a batch holds, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def first_tensor(batch: Any) -> Tensor | None:
    """Return the first tensor in a batch; nested ones, which have no shape, are passed over."""
    if isinstance(batch, Tensor):
        return None if batch.is_nested else batch
    items = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((found for item in items if (found := first_tensor(item)) is not None), None)


def tensors_of(batch: Any) -> Iterator[Tensor]:
    """Yield all tensors in a batch, but nested ones."""
    if isinstance(batch, Tensor):
        if not batch.is_nested:
            yield batch
    elif isinstance(batch, Mapping | list | tuple):
        for item in batch.values() if isinstance(batch, Mapping) else batch:
            yield from tensors_of(item)


def plain(tensor: Tensor) -> bool:
    """Return whether elements lie one beside the other and are real numbers: not sparse, nested or quantised ones."""
    strided = tensor.layout is torch.strided and not tensor.is_nested
    return strided and not tensor.is_quantized and not tensor.is_complex()


def bytes_of(batch: Any) -> int:
    """Return the memory of the tensors in a batch, as far as they can be seen (bytes)."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(batch) if plain(tensor))


def batch_size(batch: Any) -> int:
    """Return the length of the first tensor in a batch; 1 when there is none."""
    found = first_tensor(batch)
    return int(found.shape[0]) if found is not None and found.ndim else 1
