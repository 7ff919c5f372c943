"""One limit of a policy: a table of policy.toml, checked to the last key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import registry
from .errors import UsageError
from .escape import visible
from .model import Quality
from .plausible import range_of, told
from .registry import Quantity

LEVELS = ("error", "warn", "off")
ON_MISSING = ("unknown", "fail")
BETTER = ("lower", "higher")
ACCEPTED = tuple(quality.value for quality in Quality if quality is not Quality.UNKNOWN)
BOUNDS = ("max", "min", "max_regression", "min_improvement")
KEYS = (
    "metric", *BOUNDS, "level", "on_missing", "labels", "worst_group", "scorer", "confidence", "min_samples",
    "quality", "better", "step", "checkpoint", "models", "branches",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One line of a policy.

    Attributes:
        id: Its name.
        metric: Metric that is limited.
        maximum: Greatest allowed value, in the metric's unit.
        minimum: Least allowed value.
        max_regression: By how much it may be worse than the baseline's, in the metric's unit.
        min_improvement: By how much it must be better than the baseline's.
        level: `error` decides, `warn` only says, `off` is ignored.
        on_missing: What a metric without a value means: `unknown` or `fail`.
        labels: Which row of the metric is meant; the total when empty.
        worst_group: Label whose worst row counts, as in `group`; none when empty.
        scorer: Scorer that the metric must come from, as in `detoxify:unbiased`; any when empty.
        confidence: Judge by the metric's interval at this confidence, not by its point; by the point when None.
        min_samples: Independent units that it takes; any number when None.
        quality: How the metric may have been obtained; in any way when empty.
        better: Which direction is better, for changes against a baseline.
        step: Step that it must have been measured at; any when None.
        checkpoint: Checkpoint that it must have been measured on, by the end of its path; any when empty.
        models: Patterns of the model's class for which it holds; all when empty.
        branches: Patterns of the branch for which it holds; all when empty.
        line: Where it stands in the policy file, from 1; 0 when it stands in another.
    """

    id: str
    metric: str
    maximum: float | None = None
    minimum: float | None = None
    max_regression: float | None = None
    min_improvement: float | None = None
    level: str = "error"
    on_missing: str = "unknown"
    labels: Mapping[str, str] = field(default_factory=dict)
    worst_group: str = ""
    scorer: str = ""
    confidence: float | None = None
    min_samples: int | None = None
    quality: tuple[str, ...] = ()
    better: str = ""
    step: int | None = None
    checkpoint: str = ""
    models: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    line: int = 0

    @property
    def relative(self) -> bool:
        """Whether it compares with a baseline."""
        return self.max_regression is not None or self.min_improvement is not None


def limit_of(name: str, table: Any, path: str, *, line: int = 0) -> Limit:
    """Return the limit that a table means.

    Raises:
        UsageError: Something in it is wrong; the message names the key.
    """
    where = f"{path}: limits.{name}"
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table, as in [limits.{name}].")
    no_other_keys(table, KEYS, where)
    limit = Limit(
        id=name,
        metric=_metric(table, where),
        maximum=number_of(table, "max", where),
        minimum=number_of(table, "min", where),
        max_regression=_at_least_zero(table, "max_regression", where),
        min_improvement=_at_least_zero(table, "min_improvement", where),
        level=one_of(table, "level", LEVELS, where),
        on_missing=one_of(table, "on_missing", ON_MISSING, where),
        labels=_labels(table, where),
        worst_group=_text(table, "worst_group", "the name of a label", "group", where),
        scorer=_text(table, "scorer", "the name of a scorer", "detoxify:unbiased", where),
        confidence=_confidence(table, where),
        min_samples=_count(table, "min_samples", where),
        quality=_list(table, "quality", where, ACCEPTED),
        better=_better(table, where),
        step=_count(table, "step", where),
        checkpoint=_text(table, "checkpoint", "the path of a checkpoint", "best.ckpt", where),
        models=_list(table, "models", where),
        branches=_list(table, "branches", where),
        line=line,
    )
    _meaningful(limit, where)
    return limit


def _meaningful(limit: Limit, where: str) -> None:
    """Refuse a limit that limits nothing, or that nothing can meet."""
    bounds = (limit.maximum, limit.minimum, limit.max_regression, limit.min_improvement)
    if all(bound is None for bound in bounds):
        raise UsageError(f"{where} limits nothing: give max or min.")
    quantity = registry.metric(limit.metric)
    if quantity is not None and quantity.tested:
        _meaningful_difference(limit, where)
    if limit.maximum is not None and limit.minimum is not None and limit.minimum > limit.maximum:
        raise UsageError(f"{where}: min {limit.minimum:g} is above max {limit.maximum:g}, which nothing can meet.")
    _within_range(limit, where)
    if limit.relative and not limit.better:
        unclear = f"nothing says which direction of {limit.metric} is better"
        raise UsageError(f'{where}: {unclear}: give better = "lower" or better = "higher".')


def _within_range(limit: Limit, where: str) -> None:
    """Refuse a bound that no value can cross, or that none can keep, where it is known what values there are."""
    least, most = range_of(limit.metric)
    for key, bound in (("max", limit.maximum), ("min", limit.minimum)):
        if bound is not None and not least <= bound <= most:
            percent = ", as in 0.05 for 5 %" if (least, most) == (0.0, 1.0) else ""
            raise UsageError(
                f"{where}: {key} {bound:g} lies where no {limit.metric} can: give one {told(least, most)}{percent}."
            )
    for key, change in (("max_regression", limit.max_regression), ("min_improvement", limit.min_improvement)):
        if change is not None and change > most - least:
            raise UsageError(
                f"{where}: {key} {change:g} is more than {limit.metric} can change: it lies {told(least, most)}."
            )


def _meaningful_difference(limit: Limit, where: str) -> None:
    if limit.maximum is None or limit.minimum is not None or limit.relative or limit.worst_group:
        raise UsageError(f"{where}: {limit.metric} is a difference between groups: limit it with max alone.")
    if limit.maximum <= 0:
        raise UsageError(f"{where}: no number of samples shows that groups differ by nothing: give a max above 0.")


def no_other_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse a key that means nothing here."""
    for key in table:
        if key not in known:
            hint = registry.nearest(key, list(known)) or f"; known are {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {key!r}{hint}.")


def number_of(table: Mapping[str, Any], key: str, where: str) -> float | None:
    """Return a finite number, None where there is none."""
    value = table.get(key)
    if value is None:
        return None
    try:
        found = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise UsageError(f"{where}: {key} must be a finite number, got {shown(value)}.")
    return found


def one_of(table: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    """Return one of several words, the first where none is given."""
    value = table.get(key, allowed[0])
    if value not in allowed:
        raise UsageError(f"{where}: {key} must be one of {', '.join(allowed)}, got {shown(value)}.")
    return str(value)


def shown(value: Any) -> str:
    """Return a wrong value as the message shows it: whatever its size, a part that can be read."""
    try:
        return visible(repr(value), cap=60)
    except (ValueError, RecursionError):  # hexadecimal, a number may have more digits than Python prints
        return "something too large to print"


def _metric(table: Mapping[str, Any], where: str) -> str:
    name = table.get("metric")
    if not isinstance(name, str):
        raise UsageError(f'{where}: metric must be the name of a metric, as in metric = "logged.val_loss".')
    if registry.metric(name) is None:
        hint = registry.nearest(name, [quantity.name for quantity in registry.METRICS])
        others = "what a module logs is logged.<name>, an imported score imported.<name>"
        raise UsageError(f"{where}: there is no metric {name!r}{hint}; {others}.")
    return name


def _at_least_zero(table: Mapping[str, Any], key: str, where: str) -> float | None:
    value = number_of(table, key, where)
    if value is not None and value < 0:
        raise UsageError(f"{where}: {key} must be at least 0, got {shown(value)}.")
    return value


def _count(table: Mapping[str, Any], key: str, where: str) -> int | None:
    value = table.get(key)
    if value is not None and not (type(value) is int and value > 0):
        raise UsageError(f"{where}: {key} must be a whole number above 0, got {shown(value)}.")
    return value


def _labels(table: Mapping[str, Any], where: str) -> dict[str, str]:
    value = table.get("labels", {})
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise UsageError(f'{where}: labels must map names to strings, as in labels = {{component = "gpu"}}.')
    return dict(value)


def _text(table: Mapping[str, Any], key: str, what: str, example: str, where: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or (key in table and not value.strip()):
        raise UsageError(f'{where}: {key} must be {what}, as in {key} = "{example}", got {shown(value)}.')
    return value


def _list(table: Mapping[str, Any], key: str, where: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
    if key not in table:
        return ()
    value = table[key]
    words = isinstance(value, list) and value and all(isinstance(item, str) and item.strip() for item in value)
    if not words or (allowed and not set(value) <= set(allowed)):
        told = f"of {', '.join(allowed)}" if allowed else "of names"
        raise UsageError(f"{where}: {key} must be a list {told}, got {shown(value)}.")
    return tuple(dict.fromkeys(value))


def _confidence(table: Mapping[str, Any], where: str) -> float | None:
    value = number_of(table, "confidence", where)
    if value is not None and not 0.5 <= value < 1:
        raise UsageError(f"{where}: confidence must be at least 0.5 and below 1, as in 0.95, got {shown(value)}.")
    return value


def _better(table: Mapping[str, Any], where: str) -> str:
    """Return which direction is better: as given, else as it is registered, else by the name of a loss."""
    if "better" in table:
        return one_of(table, "better", BETTER, where)
    quantity = registry.metric(str(table.get("metric")))
    if quantity is not None and quantity.better in BETTER:
        return quantity.better
    return _by_name(quantity)


def _by_name(quantity: Quantity | None) -> str:
    words = ("loss", "error", "perplexity", "mse", "mae", "nll")
    return "lower" if quantity is not None and any(word in quantity.name.lower() for word in words) else ""
