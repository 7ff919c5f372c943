"""The weights in a safetensors file: a JSON header, then the tensors' bytes without a gap.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

from .extent import ITEM_BYTES, Extent, RefusalError

MOST_HEADER_BYTES = 100_000_000  # as in safetensors itself


def read_safetensors(file: BinaryIO, size: int) -> list[Extent]:
    """Return where the tensors of a file lie.

    Args:
        file: An open file.
        size: Its bytes.

    Raises:
        RefusalError: It is damaged, or no safetensors file.
    """
    file.seek(0)
    head = file.read(9)
    length = struct.unpack("<Q", head[:8])[0] if len(head) == 9 else 0
    if length < 2 or head[8:] != b"{":
        raise RefusalError("it is neither a zip file of torch.save nor a safetensors file")
    if length > min(MOST_HEADER_BYTES, size - 8):
        raise RefusalError(f"its header says to be {length:,} bytes long: the file is cut off or damaged")
    file.seek(8)
    header = _header(file.read(length))
    found = [_extent(name, told, 8 + length) for name, told in header.items() if name != "__metadata__"]
    _refuse_gaps(found, 8 + length, size)
    return found


def _header(content: bytes) -> dict[str, Any]:
    try:
        header = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        told = str(error) if isinstance(error, RefusalError) else "its header is not whole JSON"
        raise RefusalError(told) from error
    return dict(header)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusalError("its header names a tensor twice")
    return found


def _extent(name: str, told: Any, data: int) -> Extent:
    try:
        dtype, shape, (start, end) = told["dtype"], tuple(told["shape"]), told["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise RefusalError(f"its header does not describe the tensor {name[:80]!r}") from error
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise RefusalError(f"the tensor {name[:80]!r} has the dtype {str(dtype)[:20]!r}, which is not known")
    if not all(type(each) is int and each >= 0 for each in (*shape, start, end)):
        raise RefusalError(f"the tensor {name[:80]!r} has no proper shape or place")
    found = Extent(name=name, dtype=dtype, shape=shape, start=data + start)
    if found.size != end - start:
        raise RefusalError(f"the tensor {name[:80]!r} has another size than its shape says")
    return found


def _refuse_gaps(found: list[Extent], start: int, end: int) -> None:
    """Refuse tensors that overlap, and bytes that belong to none."""
    for extent in sorted(found, key=lambda each: (each.start, each.size)):
        if extent.start != start:
            raise RefusalError(f"the tensor {extent.name[:80]!r} does not begin where the one before it ends")
        start += extent.size
    if start != end:
        raise RefusalError("its tensors do not end with the file: it is cut off, or was added to")
