"""What a batch holds, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def first_tensor(batch: Any) -> Tensor | None:
    """Return the first tensor in a batch."""
    if isinstance(batch, Tensor):
        return batch
    items = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((found for item in items if (found := first_tensor(item)) is not None), None)


def batch_size(batch: Any) -> int:
    """Return the length of the first tensor in a batch; 1 when there is none."""
    found = first_tensor(batch)
    return int(found.shape[0]) if found is not None and found.ndim else 1
