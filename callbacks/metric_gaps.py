"""The gap of any logged value: how much worse it is on validation than on the training probe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat, dim_zero_max, dim_zero_min, dim_zero_sum

from .directions import Direction
from .monitor import MonitorError
from .sample import METHODS, Sample, Spread, spread
from .step_loss import reduction_of
from .validation_step import Answers, Value

ADDITIVE = 1e-4  # difference up to which a value of all batches is the mean of the batches' values
JOINED = {dim_zero_sum, dim_zero_max, dim_zero_min, dim_zero_cat}  # of two states, these make the state of both


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """One row beside the total.

    Attributes:
        labels: What it is of, as in the audit.
        value: How much worse validation is.
        spread: Half of its interval, and over what.
        method: How it was measured.
        unit: Of the value.
    """

    labels: dict[str, str]
    value: float
    spread: Spread
    method: str
    unit: str = ""

    def told(self) -> dict[str, Any]:
        """Return the row as an event holds it."""
        half, found = self.spread.half, self.spread
        ends = (None, None) if half is None else (self.value - half, self.value + half)
        return {
            "labels": self.labels, "value": self.value, "low": ends[0], "high": ends[1],
            "n": found.train + found.val, "method": self.method, "unit": self.unit,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    value: float
    batches: Sample
    whole: bool  # of all batches at once, as Lightning logs it
    additive: bool


def metric_gap(
    name: str, direction: Direction, train: Answers, val: Answers, logged: float | None, ranks: int = 1
) -> Gap:
    """Return the gap of one metric: training minus validation where more is better, else the other way round.

    Args:
        name: Its key.
        direction: Which way it is better.
        train: What the step said of the training probe.
        val: The same of the first validation batches.
        logged: What Lightning keeps of it for the whole validation, if known.
        ranks: How many processes train.

    Raises:
        MonitorError: The step does not log it, or not as a number, or as a sum.
    """
    known, seen = _side(name, train), _side(name, val)
    reduction = reduction_of(train.said, name)
    whole = logged is not None and known.whole and reduction.over_batches == "mean"
    value = logged if logged is not None and whole else seen.value
    sign = 1.0 if direction == "min" else -1.0
    found = spread(known.batches, seen.batches)
    if not (known.additive and seen.additive):
        found = Spread(half=None, over="batches", train=found.train, val=found.val)
    over = METHODS["batches"] if found.half is not None else "no interval: it is no mean over examples"
    how = "" if known.whole and reduction.over_batches == "mean" else ", mean of the values of batches"
    how += "" if ranks == 1 or (whole and reduction.over_ranks) else f", rank 0's share of {ranks} ranks"
    better = "more is better" if direction == "max" else "less is better"
    method = f"eval mode, same weights, {name} as validation_step logs it{how}, {better}, positive is worse; {over}"
    return Gap(labels={"metric": name}, value=sign * (value - known.value), spread=found, method=method)


def _side(name: str, said: Answers) -> _Side:
    found = [values.get(name) for values in said.values]
    if not found or any(value is None for value in found):
        raise MonitorError(f"validation_step logs no {name!r} as a number or as a metric object of the module")
    batches = Sample(losses=[_number(name, value) for value in found if value is not None], sizes=said.sizes)
    objects = [value for value in found if isinstance(value, Metric)]
    merged = _merged(name, objects) if objects else batches.mean
    value = batches.mean if merged is None else merged
    additive = math.isclose(value, batches.mean, rel_tol=ADDITIVE, abs_tol=ADDITIVE)
    return _Side(value=value, batches=batches, whole=merged is not None, additive=additive)


def _merged(name: str, metrics: Sequence[Metric]) -> float | None:
    """Return the value over all batches; None where the metric cannot join what it has seen of two."""
    whole = metrics[0].clone()
    if not set(whole._reductions.values()) <= JOINED:  # torchmetrics would join means and custom states wrongly
        return None
    try:
        for metric in metrics[1:]:
            whole.merge_state(metric)
        whole._computed = None  # the value of the first alone
    except (AttributeError, RuntimeError, ValueError):  # an older torchmetrics, or a metric that keeps no plain sums
        return None
    return _number(name, whole)


def _number(name: str, value: Value) -> float:
    if not isinstance(value, Metric):
        return value
    value.sync_on_compute = False  # no rank waits for another
    found = value.compute()
    if not isinstance(found, Tensor) or found.numel() != 1:
        raise MonitorError(f"{name!r} is not one number")
    return float(found)
