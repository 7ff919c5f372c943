"""A bar of parts that make a whole, and under it each part in its place. Numbers only, as in `charts.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .charts import WIDTH, Table
from .formats import number, percent

NAMES, VALUES, SHARES = 118.0, 64.0, 60.0  # widths of the columns: names left of the bars, sizes and shares right
HEAD, ROW, THICK = 6.0, 22.0, 13.0
SMALL = 0.001  # share below which its digits say nothing
LEAST = 1.5  # width of a part that is too small to be seen
SHADES = (1.0, 0.62, 0.38, 0.22, 0.12, 0.06)  # opacities of one colour: the order survives greyscale
WHOLE = 0.995  # share that the parts must make, else the rest is drawn as a gap
GAP = "not attributed"

Segment = tuple[float, float, float]  # x, width, opacity; an opacity of 0 is a gap


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareBar:
    """The whole as a row of segments, then a row for each part where its segment stands."""

    title: str
    caption: str
    height: float
    segments: tuple[Segment, ...]
    rows: tuple[tuple[float, str, Segment, str, str], ...]  # y of the bar, name, segment, size, share
    table: Table
    right: float
    whole: str
    top: float = HEAD
    thick: float = THICK
    left: float = NAMES
    shares: float = WIDTH - SHARES
    width: float = WIDTH
    kind: str = "shares"


def share(part: float) -> str:
    """Return a share of a whole as percent, without the digits of what is next to nothing."""
    return f"< {percent(SMALL)}" if 0 < part < SMALL else percent(part)


def completed(parts: Mapping[str, float], whole: float | None) -> dict[str, float]:
    """Return the parts, and what they lack of the whole where that is more than rounding."""
    missing = (whole or 0.0) - math.fsum(parts.values())
    return dict(parts) | ({GAP: missing} if missing > (1 - WHOLE) * (whole or 0.0) else {})


def shares(parts: Mapping[str, float], whole: float | None = None) -> str:
    """Return parts and their shares of the whole in words."""
    shown = completed(parts, whole)
    total = math.fsum(shown.values())
    return ", ".join(f"{name} {share(size / total)}" for name, size in shown.items())


def share_bar(
    *, title: str, caption: str, parts: Mapping[str, float], unit: str, whole: float | None = None, head: str = "part"
) -> ShareBar:
    """Return a bar of parts, in their order; what they lack of the whole is a gap.

    Args:
        title: Short title.
        caption: What is seen, with numbers.
        parts: Name to size, none negative, at least one above zero.
        unit: Of the sizes; empty: they are shares, and only the percentage is written.
        whole: What the parts should make; by default what they do.
        head: Of the names, in the table.

    Raises:
        ValueError: The parts make no whole.
    """
    total = max(math.fsum(parts.values()), whole or 0.0)
    if not (math.isfinite(total) and total > 0 and min(parts.values()) >= 0):
        raise ValueError(f"parts {dict(parts)} make no whole")
    shown = completed(parts, whole)
    right = WIDTH - SHARES - (VALUES if unit else 0.0)
    segments = _segments(list(shown.values()), total, right, gap=len(shown) > len(parts))
    rows = zip(shown.items(), segments, strict=True)
    return ShareBar(
        title=title,
        caption=caption,
        height=HEAD + ROW * (len(shown) + 1) + 4,
        segments=segments,
        rows=tuple(
            (HEAD + ROW * (index + 1), name, segment, _size(size, unit), share(size / total))
            for index, ((name, size), segment) in enumerate(rows)
        ),
        table=_table(shown, total, unit, head),
        right=right,
        whole=f"{number(total)} {unit}" if unit else "100 %",
    )


def _segments(sizes: Sequence[float], total: float, right: float, *, gap: bool) -> tuple[Segment, ...]:
    span, x, found = right - NAMES, NAMES, []
    for index, size in enumerate(sizes):
        width = span * size / total
        opacity = 0.0 if gap and index == len(sizes) - 1 else SHADES[min(index, len(SHADES) - 1)]
        seen = max(width, LEAST) if size else 0.0
        found.append((round(min(x, right - seen), 1), round(seen, 1), opacity))
        x += width
    return tuple(found)


def _size(size: float, unit: str) -> str:
    return number(size, digits=2) if unit else ""


def _table(parts: Mapping[str, float], total: float, unit: str, head: str) -> Table:
    sizes = ([number(size)] if unit else [] for size in parts.values())
    rows = ((name, *told, share(size / total)) for (name, size), told in zip(parts.items(), sizes, strict=True))
    return Table(header=(head, *([unit] if unit else []), "share"), rows=tuple(rows))
