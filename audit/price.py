"""What training after the best step cost: steps, seconds, energy, emissions and money, from the record itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from . import registry
from .beststep import BEGINNING, Best, UnclearError, best_step, require_learned
from .comparable import HERE
from .formats import amount
from .model import Metric, Quality
from .record import Record, Series

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

STEPS, SHARE = "overfitting.overtraining_steps", "overfitting.overtraining_share"
NAMES = (STEPS, SHARE)

FIRST = 40  # training losses that say where the loss began, and how noisy it was

Basis = Literal["energy", "time", "steps"]


class Source(Protocol):
    """What a price needs of a record."""

    def series(self, name: str, column: str | None = None) -> Series:
        """Return a series, empty when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What came after a step, and its share of the whole run.

    Attributes:
        best: The step.
        steps: Optimizer steps after it.
        share: Share of the energy; without readings of it, of the time; without times, of the steps.
        basis: Which of them.
        seconds: Time of the steps after it; None without times.
        patience: Validations in a row without a new lowest loss that came before it, and one more.
    """

    best: Best
    steps: int
    share: float
    basis: Basis
    seconds: float | None
    patience: int

    def of(self, total: float | None) -> float | None:
        """Return the part of a total (kWh, kg) that came after the step; None where energy is not known."""
        return self.share * total if total is not None and self.basis == "energy" else None


def price(source: Source) -> Price:
    """Return what the steps after the best one cost.

    Raises:
        UnclearError: There is no best step to be told.
    """
    found = finite(source.series("overfitting.val_loss"))
    best = best_step(*found)
    require_learned(found[1], beginning(source))
    step, end = best.step, last_step(source)
    seconds = spent_after(clock(source), step)
    shares: list[tuple[Basis, tuple[float, float] | None]] = [
        ("energy", spent_after(source.series("carbon.energy_kwh"), step)),
        ("time", seconds),
    ]
    basis, share = next(
        ((basis, after[1]) for basis, after in shares if after is not None), ("steps", 1 - step / max(end, 1))
    )
    steps = 0 if best.last else end - step
    return Price(
        best=best,
        steps=steps,
        share=share if steps else 0.0,
        basis=basis,
        seconds=seconds[0] if seconds and steps else None,
        patience=_patience(found[1][found[0] <= step]),
    )


def finite(series: Series) -> tuple[Steps, Floats]:
    """Return steps and values where the values are finite."""
    chosen = np.isfinite(series.value)
    return series.step[chosen], series.value[chosen]


def beginning(source: Source) -> Floats:
    """Return the training losses of the first steps, shape [n]; empty where they are another quantity.

    That is, where several optimizers share them, or where they are less than half of what the same weights make of
    training batches in eval mode: a scaled loss.
    """
    rows, probe = source.series("train.loss"), finite(source.series("overfitting.train_loss"))
    step, loss = finite(rows)
    if len(set(rows.optimizer.tolist())) > 1:
        return loss[:0]
    near = loss[step <= probe[0][0]][-BEGINNING:] if probe[0].size else loss[:0]
    scaled = near.size and float(near.mean()) < 0.5 * float(probe[1][0])
    return loss[: 0 if scaled else FIRST]


def last_step(source: Source) -> int:
    """Return the last optimizer step that any row tells of."""
    names = ("train.loss", "optimizer.lr", "overfitting.val_loss")
    return max((int(series.step[-1]) for series in map(source.series, names) if len(series)), default=0)


def clock(source: Source) -> Series:
    """Return the seconds that had passed at each step, since its attempt began."""
    rows = source.series("train.loss")
    rows = rows if len(rows) else source.series("optimizer.lr")
    rows = rows if len(rows) else source.series("overfitting.val_loss")
    return Series(
        name=rows.name, column=None, unit="s", step=rows.step, value=rows.time_s, time_s=rows.time_s,
        optimizer=rows.optimizer,
    )  # fmt: skip


def accumulated(reading: Floats) -> Floats:
    """Return a meter's reading, shape [n], with its restarts added up: each attempt begins at zero."""
    spans = np.diff(reading, prepend=0.0)
    return np.cumsum(np.where(spans < 0, reading, spans))


def spent_after(meter: Series, step: int) -> tuple[float, float] | None:
    """Return what a meter counted after a step and the share of its whole; None with fewer than two readings."""
    steps, reading = finite(meter)
    total = accumulated(reading)
    if steps.size < 2 or total[-1] <= 0:
        return None
    spent = float(np.interp(step, [0, *steps], [0.0, *total]))
    return float(total[-1]) - spent, 1 - spent / float(total[-1])


def _patience(value: Floats) -> int:
    """Return how many validations without a new lowest loss must be waited for to come to the last value."""
    longest = waited = 0
    lowest = np.inf
    for loss in value:
        waited = 0 if loss < lowest else waited + 1
        lowest, longest = min(lowest, float(loss)), max(longest, waited)
    return longest + 1


def measure(record: Record, totals: dict[str, Metric] | None = None) -> Iterator[Metric]:
    """Yield how many steps came after the best one and what share of the run they were.

    Args:
        record: The run.
        totals: Metrics of the energy ledger by name, for kWh and kg in the method's words.
    """
    if not len(record.series("overfitting.val_loss")):
        return
    try:
        found = price(record)
    except UnclearError as error:
        for name in NAMES:
            yield _metric(name, None, method="one-standard-error rule", quality=Quality.UNKNOWN, reason=str(error))
        return
    method = "after the first step whose validation loss is the lowest within one standard error"
    here = f"{HERE}step {found.best.step:,}, at most {found.best.within:.2g} above the lowest (95 % bound)"
    yield _metric(STEPS, float(found.steps), method=method + here, quality=Quality.MEASURED)
    told = f"share of the {found.basis} {method}{here}{in_words(found, totals or {})}"
    yield _metric(SHARE, found.share, method=told, quality=_quality(found, totals or {}))


def in_words(found: Price, totals: dict[str, Metric]) -> str:
    """Return seconds, kWh, kg and money of a price, each where it is known, beginning with a colon."""
    told = [_seconds(found.seconds)] if found.seconds is not None else []
    for name, unit, what in (("carbon.energy_kwh", "kWh", ""), ("carbon.emissions_kg", "kg", " CO2e")):
        total = totals.get(name)
        part = found.of(total.value if total else None)
        told += [amount(part, unit) + what] if part is not None else []
    cost = totals.get("carbon.cost")
    money = found.of(cost.value if cost else None)
    told += [f"{money:.3g} {cost.unit}"] if money is not None and cost else []
    return f": {', '.join(told)}" if told and found.steps else ""


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.2g} s"  # never "0 s" of a time that passed


def _quality(found: Price, totals: dict[str, Metric]) -> Quality:
    """Return how the share is known: a share of energy is no better than the energy itself."""
    energy = totals.get("carbon.energy_kwh")
    return energy.quality if found.basis == "energy" and energy is not None else Quality.MEASURED


def _metric(name: str, value: float | None, **fields: Any) -> Metric:
    quantity = registry.metric(name)
    return Metric(name=name, value=value, unit=quantity.unit if quantity else "", monitor="overfitting", **fields)
