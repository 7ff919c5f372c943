"""What was measured on the weights of each checkpoint, so that a release of an earlier one can be judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

import numpy as np

from .model import OF_CHECKPOINT, Checkpoint, Metric
from .record import Record, Series
from .registry import LOGGED_PREFIX

GAP = "overfitting.gap"
MOST = 20  # checkpoints


def at_checkpoints(record: Record, checkpoints: Sequence[Checkpoint], metrics: Sequence[Metric]) -> Iterator[Metric]:
    """Yield logged values and the gap at the step of each checkpoint, as rows labelled with its file.

    Args:
        record: The run.
        checkpoints: Those that it wrote; only of one with a digest can be told that it is what is released.
        metrics: What describes the run's end; a checkpoint of the same step needs no row of its own.
    """
    totals = [m for m in metrics if not m.labels and (m.name == GAP or m.name.startswith(LOGGED_PREFIX))]
    known = [checkpoint for checkpoint in checkpoints if checkpoint.file_sha256 or checkpoint.tensors_sha256]
    for checkpoint in known[-MOST:]:
        for total in totals:
            if checkpoint.step is not None and total.step != checkpoint.step:
                yield from _row(record, checkpoint, total)


def _row(record: Record, checkpoint: Checkpoint, total: Metric) -> Iterator[Metric]:
    step = checkpoint.step or 0
    found = {end: _value(record, total.name, end, step) for end in ("", "_low", "_high")}
    if found[""] is None:
        return
    interval = found["_low"] is not None and found["_high"] is not None
    yield total.model_copy(
        update={
            "value": found[""],
            "low": found["_low"] if interval else None,
            "high": found["_high"] if interval else None,
            "confidence": total.confidence if interval else None,
            "labels": {OF_CHECKPOINT: PurePath(checkpoint.path).name},
            "checkpoint": checkpoint.path,
            "step": step,
            "reason": None,
        }
    )


def _value(record: Record, name: str, end: str, step: int) -> float | None:
    logged = name.startswith(LOGGED_PREFIX)
    if logged and end:
        return None
    series = record.series("logged", name.removeprefix(LOGGED_PREFIX)) if logged else record.series(f"{name}{end}")
    return _at(series, step)


def _at(series: Series, step: int) -> float | None:
    found = series.value[series.step == step]
    return float(found[-1]) if found.size and np.isfinite(found[-1]) else None
