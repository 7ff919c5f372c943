"""Metrics computed from a record: every number that is not measured directly, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from . import efficiency, energy, price, registry, returns
from .model import Metric, Quality
from .record import Record, Series

CONFIDENCE = 0.95


def measure(record: Record) -> list[Metric]:
    """Return all metrics of a run; those of a monitor that could not measure are null, with the reason."""
    words = record.events("monitor", replayed=True)
    found: list[Metric] = []
    for family, (names, compute) in FAMILIES.items():
        if any(word["name"] == family for word in words):
            hindrance = _hindrance(family, words)
            made = [_distrusted(m, hindrance) if hindrance else m for m in compute(record)]
            found += made
            found += _nulls(family, [n for n in names if n not in {m.name for m in made}], hindrance)
    return found + list(_logged(record))


def _hindrance(family: str, words: list[dict[str, Any]]) -> str:
    """Return why a monitor has not seen the whole run: it broke, or was off or absent in some attempt."""
    said = [word for word in words if word["name"] == family]
    bad = [word for word in said if word["status"] != "ran"]
    if bad:
        return f"its monitor broke: {bad[-1]['reason']}" if bad[-1]["status"] == "error" else str(bad[-1]["reason"])
    absent = {word["attempt"] for word in words} - {word["attempt"] for word in said}
    return f"not measured in attempt {min(absent)}" if absent else ""


def _distrusted(metric: Metric, reason: str) -> Metric:
    """Return the metric without its value: what was measured of a part is not the whole run."""
    told = {"value": None, "low": None, "high": None, "confidence": None, "quality": Quality.UNKNOWN}
    return metric.model_copy(update=told | {"reason": metric.reason or reason})


def _nulls(monitor: str, names: list[str], reason: str | None) -> Iterator[Metric]:
    for name in names:
        quantity = registry.metric(name)
        yield Metric(
            name=name, value=None, unit=quantity.unit if quantity else "", quality=Quality.UNKNOWN,
            method="not measured", monitor=monitor, reason=reason or "nothing was measured",
        )  # fmt: skip


def _metric(name: str, value: float | None, **fields: Any) -> Metric:
    quantity = registry.metric(name)
    return Metric(name=name, value=value, unit=quantity.unit if quantity else "", **fields)


def _overfitting(record: Record) -> Iterator[Metric]:
    loss, train, gaps = (record.series(f"overfitting.{name}") for name in ("val_loss", "train_loss", "gap"))
    if not len(gaps):
        return
    step = int(gaps.step[-1])
    low, high = (_value_at(record.series(f"overfitting.gap_{end}"), step) for end in ("low", "high"))
    probe = (record.events("probe", replayed=True) or [{}])[-1]
    common: dict[str, Any] = {
        "quality": Quality.MEASURED,
        "monitor": "overfitting",
        "step": step,
        "n": probe.get("train", 0) + probe.get("val", 0) or None,
        "confidence": CONFIDENCE if low is not None else None,
    }
    method = _gap_method(probe)
    gap, base = float(gaps.value[-1]), float(train.value[-1])
    yield _metric("overfitting.gap", gap, low=low, high=high, method=method, **common)
    scaled = [None if end is None or base <= 0 else end / base for end in (gap, low, high)]
    reason = None if base > 0 else f"the training loss is {base:g}, a ratio to it means nothing"
    relative = {"method": f"{method}, divided by the training loss", "reason": reason}
    yield _metric("overfitting.gap_relative", scaled[0], low=scaled[1], high=scaled[2], **common | relative)
    yield from _labelled_gaps(record)
    finite = np.where(np.isfinite(loss.value), loss.value, np.inf)
    best = int(loss.step[int(finite.argmin())]) if np.isfinite(loss.value).any() else None
    exact = {"n": len(loss), "confidence": None, "step": best, "method": "lowest validation loss"}
    reason = None if best is not None else "no validation loss was finite"
    value = None if best is None else float(best)
    yield _metric("overfitting.best_step", value, **common | exact | {"reason": reason})


def _gap_method(probe: dict[str, Any]) -> str:
    source = f", training probe of {probe['source']}" if probe.get("source") else ""
    loaders = f", first of {probe['loaders']} validation loaders" if probe.get("loaders", 1) > 1 else ""
    over = probe.get("interval", "Welch interval over batches")
    return f"eval mode, same weights, loss {probe.get('quantity', 'of validation_step')}{source}{loaders}; {over}"


def _labelled_gaps(record: Record) -> Iterator[Metric]:
    """Yield the last gap of each further validation loader and of each metric."""
    told = sorted(record.events("overfitting.gaps"), key=lambda event: -event["rank"])  # the lowest rank's count
    last = {str(row["labels"]): (event["step"], row) for event in told for row in event["rows"]}
    for step, row in last.values():
        yield Metric(
            name="overfitting.gap", value=float(row["value"]), unit=row["unit"], low=_end(row["low"]),
            high=_end(row["high"]), confidence=None if row["low"] is None else CONFIDENCE, n=row["n"],
            quality=Quality.MEASURED, method=row["method"], monitor="overfitting", labels=row["labels"], step=step,
        )  # fmt: skip


def _end(told: Any) -> float | None:
    return None if told is None else float(told)


def _value_at(series: Series, step: int) -> float | None:
    found = series.value[series.step == step]
    return float(found[-1]) if found.size and np.isfinite(found[-1]) else None


def _gradient(record: Record) -> Iterator[Metric]:
    norm, loss = record.series("gradient.norm"), record.series("train.loss")
    if not len(norm):
        return
    skipped = {e["step"] for kind in ("skipped_step", "skipped_batch") for e in record.events(kind)}
    finite = norm.value[np.isfinite(norm.value)]
    common: dict[str, Any] = {"quality": Quality.MEASURED, "monitor": "gradient", "step": int(norm.step[-1])}
    value = float(np.percentile(finite, 95)) if finite.size else None
    reason = None if finite.size else "no gradient norm was finite"
    method = f"95th percentile over {finite.size:,} optimizer steps with finite gradients"
    yield _metric("gradient.norm_p95", value, method=method, n=int(finite.size), reason=reason, **common)
    broken = {int(s) for series in (norm, loss) for s in series.step[~np.isfinite(series.value)]} - skipped
    method = "optimizer steps with a NaN or infinite loss or gradient"
    method += f"; {len(skipped)} that were skipped not counted" if skipped else ""
    yield _metric("gradient.nonfinite_steps", float(len(broken)), method=method, n=len(norm), **common)


def _generation(record: Record) -> Iterator[Metric]:
    for document in last_generation(record).get("metrics", ()):
        yield Metric.model_validate(document, strict=False)


def last_generation(record: Record) -> dict[str, Any]:
    """Return what the last attempt found in its answers: another's are of other weights. Empty when nothing."""
    last = record.run.attempts[-1].number
    return next((event for event in reversed(record.events("generation")) if event["attempt"] == last), {})


def _logged(record: Record) -> Iterator[Metric]:
    for column in record.columns("logged"):
        series = record.series("logged", column)
        if len(series):
            yield _metric(
                f"{registry.LOGGED_PREFIX}{column}", float(series.value[-1]), quality=Quality.DECLARED,
                method="logged by the module", monitor="logged", step=int(series.step[-1]),
            )  # fmt: skip


def _ledger(record: Record) -> dict[str, Metric]:
    """Return the totals of the energy ledger by name."""
    return {metric.name: metric for metric in energy.measure(record) if not metric.labels}


def _efficiency(record: Record) -> Iterator[Metric]:
    return efficiency.measure(record, energy.measure(record))


Compute = Callable[[Record], Iterable[Metric]]

FAMILIES: dict[str, tuple[tuple[str, ...], Compute]] = {
    "carbon": (energy.NAMES, energy.measure),
    "efficiency": (efficiency.NAMES, _efficiency),
    "overfitting": (
        ("overfitting.gap", "overfitting.gap_relative", "overfitting.best_step", *price.NAMES),
        lambda record: (*_overfitting(record), *price.measure(record, _ledger(record))),
    ),
    "forecast": (returns.NAMES, lambda record: returns.measure(record, _ledger(record))),
    "gradient": (("gradient.norm_p95", "gradient.nonfinite_steps"), _gradient),
    "generation": (("generation.toxicity_probability", "generation.expected_max_toxicity"), _generation),
}
