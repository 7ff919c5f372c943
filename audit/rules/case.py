"""What a rule may look at: series, events, metrics and configuration of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..model import Metric
from ..record import Series
from .declaration import CannotTellError

Floats = NDArray[np.float64]
WINDOW = 100  # values that a robust z score looks back on


class Source(Protocol):
    """What a case needs of a record."""

    def series(self, name: str, column: str | None = None) -> Series:
        """Return a series, empty when there is none."""

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of a series that has many."""

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind."""


class Case:
    """One run, as rules see it."""

    def __init__(
        self,
        record: Source,
        *,
        steps: int,
        metrics: Sequence[Metric] = (),
        configuration: Mapping[str, Any] | None = None,
    ) -> None:
        self._record, self.steps = record, steps
        self._metrics = {metric.name: metric for metric in metrics if not metric.labels}
        self._parts = [metric for metric in metrics if metric.labels]
        self._configuration = configuration or {}
        self._cache: dict[tuple[str, str | None], Series] = {}

    def series(self, name: str, column: str | None = None) -> Series:
        """Return a series, read once."""
        if (name, column) not in self._cache:
            self._cache[name, column] = self._record.series(name, column)
        return self._cache[name, column]

    def by_optimizer(self, name: str) -> Iterator[Series]:
        """Yield a series apart for each optimizer: their scales have nothing to do with each other."""
        whole = self.series(name)
        for optimizer in np.unique(whole.optimizer):
            chosen = whole.optimizer == optimizer
            yield replace(
                whole,
                step=whole.step[chosen],
                value=whole.value[chosen],
                time_s=whole.time_s[chosen],
                optimizer=whole.optimizer[chosen],
            )

    def one_loss(self) -> Series:
        """Return the training loss.

        Raises:
            CannotTellError: Several optimizers play against each other, as in a GAN.
        """
        if self.setting("optimizer.count") not in (None, 1):
            raise CannotTellError("several optimizers share the training: their losses need not fall")
        return self.series("train.loss")

    def whole(self, series: Series) -> NDArray[np.bool_]:
        """Return which points are of batches at least half as large as usual: small ones make noise."""
        size = self.series("data.batch_size")
        if not len(size):
            return np.ones(len(series), dtype=bool)
        small = size.step[size.value < 0.5 * np.median(size.value)]
        return ~np.isin(series.step, small)

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of a series that has many."""
        return self._record.columns(name)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind."""
        return self._record.events(kind)

    def metric(self, name: str) -> Metric | None:
        """Return the total of a metric, also when its value is null."""
        return self._metrics.get(name)

    def parts(self, name: str, label: str) -> dict[str, Metric]:
        """Return the rows of a metric that only this label tells apart, by the label's value."""
        return {m.labels[label]: m for m in self._parts if m.name == name and set(m.labels) == {label}}

    def setting(self, key: str) -> Any:
        """Return a configured value by its dotted key, None when there is none."""
        prefix, _, name = key.partition(".")
        return self._configuration.get(prefix, {}).get(name)

    def number(self, key: str) -> float | None:
        """Return a configured value when it is a positive number."""
        found = self.setting(key)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) and found > 0 else None

    def has(self, name: str) -> bool:
        """Return whether a series, a metric with a value or an event is there."""
        found = self.metric(name)
        return (found is not None and found.value is not None) or self._has_series(name) or bool(self.events(name))

    def _has_series(self, name: str) -> bool:
        try:
            columns = self.columns(name)
        except KeyError:
            return False
        return bool(columns) and any(len(self.series(name, c)) for c in (None, columns[0]))


def nice(value: float, digits: int = 2) -> float:
    """Return a value rounded to what a person would set."""
    return float(f"{value:.{digits}g}")


def smooth(value: Floats, width: int) -> Floats:
    """Return the mean of each window of `width` values; shape [n] to [n − width + 1]."""
    if value.size < width:
        return np.zeros(0)
    sums = np.cumsum(np.insert(value, 0, 0.0))
    return np.asarray((sums[width:] - sums[:-width]) / width)


def history(count: int) -> None:
    """Refuse to judge by values before them where there are too few.

    Raises:
        CannotTellError: Not one value has a whole window before it.
    """
    if count <= WINDOW:
        raise CannotTellError(f"{count} of {WINDOW} steps of history")


def spread(value: Floats) -> float:
    """Return the standard deviation that the median absolute deviation stands for; of finite values."""
    finite = value[np.isfinite(value)]
    return float(np.median(np.abs(finite - np.median(finite)))) / 0.6745 if finite.size else 0.0


AT_ONCE = 20_000  # windows sorted at a time, so that memory stays small


def robust_z(value: Floats, *, window: int = WINDOW, stride: int = 10) -> tuple[Floats, Floats]:
    """Return robust z scores of log values against the values before them, and the medians used.

    z = 0.6745 · (log x − median) / MAD over the last `window` values, renewed every `stride` values, after
    one window of warm-up (0 before it). Only positive, finite values enter.

    Returns:
        z and trailing median (not its logarithm), both of shape [n].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where((value > 0) & np.isfinite(value), np.log(value), np.nan)
    middle, spread = np.full(value.size, np.nan), np.full(value.size, np.nan)
    starts = np.arange(window, value.size, stride)
    for part in np.split(starts, range(AT_ONCE, starts.size, AT_ONCE)) if starts.size else ():
        before = np.sort(sliding_window_view(logs, window)[part - window], axis=1)  # NaN last
        count = np.isfinite(before).sum(axis=1)
        middles = _middle(before, count)
        deviations = _middle(np.sort(np.abs(before - middles[:, None]), axis=1), count)
        middles[count < window // 2] = np.nan
        for offset in range(stride):
            here = part + offset
            inside = here < value.size
            middle[here[inside]], spread[here[inside]] = middles[inside], np.maximum(deviations, 1e-3)[inside]
    return np.nan_to_num(0.6745 * (logs - middle) / spread, nan=0.0), np.exp(middle)


def _middle(ordered: Floats, count: NDArray[Any]) -> Floats:
    """Return the median of each row's first `count` values, which are in order; NaN where there is none."""
    rows, last = np.arange(len(ordered)), np.maximum(count - 1, 0)
    found = (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2
    return np.where(count > 0, found, np.nan)


def sampled_columns(case: Case, name: str) -> dict[str, Series]:
    """Return all columns of a sampled series that hold anything."""
    found = {column: case.series(name, column) for column in case.columns(name)}
    return {column: series for column, series in found.items() if len(series)}
