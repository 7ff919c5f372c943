"""Where a tensor lies in a file, and what its elements are."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Bytes an element, by the names of the safetensors format (and C128, which it has not).
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "F8_E8M0": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8, "C64": 8,
    "C128": 16,
}  # fmt: skip

MOST_DIMENSIONS = 30  # of a tensor that is not contiguous; numpy holds 32, and one goes to the bytes of an element


class RefusalError(ValueError):
    """Why a file's weights are not read: half a sentence that goes after a colon."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """One tensor of a file.

    Attributes:
        name: In the file; counts for nothing.
        dtype: One of `ITEM_BYTES`.
        shape: Elements along each dimension.
        start: Byte of the file at which the first element lies.
        stride: Elements from one to the next along each dimension; None when contiguous.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stride: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]

    @property
    def span(self) -> int:
        """Bytes of the file from the first element to the end of the last."""
        if self.stride is None or self.size == 0:
            return self.size
        last = sum((length - 1) * step for length, step in zip(self.shape, self.stride, strict=True))
        return (last + 1) * ITEM_BYTES[self.dtype]


def contiguous(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Return whether elements lie in the file in the order of their indexes; a dimension of one has no stride."""
    expected = 1
    for length, step in zip(reversed(shape), reversed(stride), strict=True):
        if length != 1 and step != expected:
            return math.prod(shape) == 0
        expected *= length
    return True
