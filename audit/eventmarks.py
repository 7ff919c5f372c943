"""What happened while a run went, as marks over its curves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .charts import Floats
from .curves import Reader
from .model import Audit
from .record import Record

BEST, BROKEN, SPIKE, RESUMED, RATE = "best step", "not finite", "loss spike", "resumed", "learning rate changed"
GLYPHS = {BEST: "★", BROKEN: "✕", SPIKE: "▲", RESUMED: "↻", RATE: "◆"}
FACTOR = 1.5  # by which a learning rate has to change within a step to be marked
MOST, NAMED = 12, 3  # marks of a kind, and steps that the caption names

Events = list[tuple[float, str]]


def events(reader: Reader, audit: Audit) -> Events:
    """Return steps and kinds of what happened, at most `MOST` of a kind."""
    kinds = {
        BEST: [float(best.value)]
        if (best := audit.metric("overfitting.best_step")) and best.value is not None
        else [],
        BROKEN: [float(event["step"]) for event in reader.events("nonfinite") if event.get("step") is not None],
        SPIKE: list(_spikes(audit)),
        RESUMED: reader.attempt(lambda record: list(_resumed(cast(Record, record))), "attempts") or [],
        RATE: list(_rates(reader)),
    }
    return [(step, kind) for kind, steps in kinds.items() for step in sorted(set(steps))[:MOST]]


def told(found: Events) -> str:
    """Return what the marks mean, with the first steps of each kind, as a caption."""
    by_kind: dict[str, list[str]] = {}
    for step, kind in found:
        by_kind.setdefault(kind, []).append(f"{step:,.0f}")
    parts = [
        f"{GLYPHS[kind]} {kind} ({', '.join(steps[:NAMED])}{' …' if len(steps) > NAMED else ''})"
        for kind, steps in by_kind.items()
    ]
    return f" Marks: {'; '.join(parts)}." if parts else ""


def _spikes(audit: Audit) -> Iterator[float]:
    for finding in audit.findings:
        if finding.name == "loss-spike":
            yield from (float(item.step) for item in finding.evidence if item.step is not None)


def _resumed(record: Record) -> Iterator[float]:
    run = getattr(record, "run", None)
    for attempt in run.attempts[1:] if run is not None else ():
        yield float(attempt.first_step)


def _ramps(value: Floats, jumps: NDArray[np.intp]) -> bool:
    """Return whether the jumps are the first steps of a warm-up, whose rate goes on rising."""
    first = value[: jumps.max(initial=0) + 3]
    return bool(jumps.size and first.size > jumps.size + 1 and (np.diff(first) > 0).all())


def _rates(reader: Reader) -> Iterator[float]:
    """Yield the steps at which the rate jumped; schedules that move at every step have none."""
    rate = reader.curve("optimizer.lr")
    value = np.where(np.isfinite(rate.value) & (rate.value > 0), rate.value, np.nan)
    with np.errstate(invalid="ignore"):
        jumps = np.flatnonzero(np.abs(np.diff(np.log(value))) > np.log(FACTOR))
    if jumps.size <= MOST and not _ramps(value, jumps):
        yield from rate.step[jumps + 1].astype(float).tolist()
