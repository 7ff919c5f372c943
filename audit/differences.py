"""Where two audits differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

CLOSE = 1e-6  # relative: another processor or version of numpy may round otherwise


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yield the places at which two JSON documents differ, without their digests."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            if (place, key) != ("", "digest"):
                yield from differences(one.get(key), other.get(key), f"{place}.{key}".strip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{place}[{_label(left, index)}]")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=CLOSE):
            yield place
    elif one != other:
        yield place


def _label(item: Any, index: int) -> str:
    return str(item.get("name") or item.get("path") or index) if isinstance(item, dict) else str(index)
