"""What came of following first recommendations, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .cases import Split
from .faults import BY_NAME
from .repair import Repair
from .table import share

HEAD = "| fault | runs | with a setting | finding gone | no new alarm | loss no worse | all three |\n|" + "---|" * 7
CODE = "Where the first recommendation is code and not a setting (not in the denominator)"


def markdown(repairs: Sequence[Repair], splits: Sequence[Split]) -> str:
    """Return the tables of each split: a row a fault, then what failed, and what had no setting."""
    return "\n".join(
        line for split in splits for line in _of_split([r for r in repairs if r.case.split == split], split)
    )


def _of_split(repairs: Sequence[Repair], split: Split) -> Iterator[str]:
    tried = [r for r in repairs if r.settings]
    yield f"## Repair, {split}: {len(tried)} of {len(repairs)} faulty runs, whose first recommendation is a setting\n"
    yield HEAD
    for name in BY_NAME:
        if found := [r for r in repairs if r.case.fault == name]:
            yield _row(name, found)
    if repairs:
        yield _row("**all**", repairs)
    yield ""
    failed = [f"{r.case.id} ({r.story})" for r in tried if not r.repaired]
    if failed:
        yield f"Not repaired: {'; '.join(failed)}.\n"
    yield from _without(repairs)


def _row(name: str, found: Sequence[Repair]) -> str:
    tried = [r for r in found if r.settings]
    checks = ([r.gone for r in tried], [r.gone and not r.new for r in tried],
              [r.gone and r.no_worse for r in tried], [r.repaired for r in tried])  # fmt: skip
    shares = " | ".join(share(sum(check), len(tried)) if tried else "–" for check in checks)
    return f"| {name} | {len(found)} | {len(tried)} | {shares} |"


def _without(repairs: Sequence[Repair]) -> Iterator[str]:
    counts: dict[str, int] = {}
    for one in repairs:
        if not one.settings:
            counts[one.finding or "no alarm"] = counts.get(one.finding or "no alarm", 0) + 1
    if counts:
        yield f"{CODE}: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}.\n"
