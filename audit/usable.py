"""Which rows of an audit a limit means, and why they may give no value to judge."""

from __future__ import annotations

import math
from collections.abc import Mapping

from . import registry
from .limit_table import Limit
from .model import OF_CHECKPOINT, Audit, Checkpoint, Metric, Quality
from .plausible import implausible


def rows_of(limit: Limit, audit: Audit, weights: Checkpoint | None) -> list[Metric]:
    """Return the rows that a limit means: of the released weights where there are such, else of the run's end."""
    found = [metric for metric in audit.metrics if metric.name == limit.metric]
    path = weights.path if weights is not None else limit.checkpoint
    of_weights = [m for m in found if path and _of_one(m) and _ends_with(m.checkpoint, path)]
    chosen = [m for m in of_weights if _labelled(limit, {k: v for k, v in m.labels.items() if k != OF_CHECKPOINT})]
    return chosen or [metric for metric in found if _labelled(limit, metric.labels)]


def _of_one(metric: Metric) -> bool:
    """Return whether a row is of one checkpoint by itself, and not of the run's end."""
    return OF_CHECKPOINT in metric.labels or metric.name.startswith(registry.IMPORTED_PREFIX)


def _ends_with(path: str | None, end: str) -> bool:
    """Return whether a path ends with these folders and this file: `best.ckpt` is not the end of `notbest.ckpt`."""
    return f"/{path or ''}".replace("\\", "/").endswith(f"/{end.lstrip('/')}".replace("\\", "/"))


def _labelled(limit: Limit, labels: Mapping[str, str]) -> bool:
    if not limit.worst_group:
        return labels == limit.labels
    rest = {key: value for key, value in labels.items() if key != limit.worst_group}
    return limit.worst_group in labels and rest == dict(limit.labels)


def unusable(limit: Limit, rows: list[Metric], audit: Audit, weights: Checkpoint | None) -> str:
    """Return why the rows of a metric give no value to judge, or an empty string."""
    metric = rows[0] if len(rows) == 1 else None
    if metric is not None and (told := _not_accepted(limit, metric, audit, weights)):
        return told
    if metric is not None and limit.scorer and not _is_scorer(metric.scorer, limit.scorer):
        told = f"scored by {metric.scorer}" if metric.scorer else metric.reason or "not scored"
        return f"the policy wants scorer {limit.scorer}, and this was {told}"
    if metric is not None and metric.quality is Quality.UNKNOWN and not _surely_beyond(limit, metric):
        return metric.reason or f"its quality is unknown: {metric.method}"
    value = None if metric is None else metric.value
    if metric is None or not isinstance(value, float) or not math.isfinite(value):  # also what was built unchecked
        return _missing(limit, rows, audit)
    return implausible(metric)


def _not_accepted(limit: Limit, metric: Metric, audit: Audit, weights: Checkpoint | None) -> str:
    """Return why a row is not what the policy wants to be judged, or an empty string."""
    if limit.quality and metric.quality.value not in limit.quality:
        return f"it is {metric.quality.value}, and the policy accepts {' or '.join(limit.quality)} only"
    if limit.min_samples is not None and (metric.n or 0) < limit.min_samples:
        return f"it rests on {metric.n or 0:,} samples, and the policy wants {limit.min_samples:,}"
    if limit.step is not None and metric.step != limit.step:
        return f"it was measured at step {metric.step}, and the policy wants step {limit.step}"
    if limit.checkpoint and not _ends_with(metric.checkpoint, limit.checkpoint):
        return (
            f"it was measured on {metric.checkpoint or 'the last weights'}, and the policy wants {limit.checkpoint}"
        )
    return "" if weights is None else _of_other_weights(metric, weights, audit)


def _of_other_weights(metric: Metric, weights: Checkpoint, audit: Audit) -> str:
    """Return that a value describes other weights than those released, or an empty string."""
    quantity = registry.metric(metric.name)
    if quantity is not None and quantity.run_level:
        return ""
    if metric.checkpoint is not None and metric.checkpoint == weights.path:
        return ""
    own = next((one.tensors_sha256 for one in audit.checkpoints if one.path == metric.checkpoint), None)
    differ = own and weights.tensors_sha256 and own != weights.tensors_sha256
    if metric.step is not None and metric.step == weights.step and not differ:
        return ""
    at = "other weights" if metric.step is None else f"the weights of step {metric.step:,}"
    of = "an unknown step" if weights.step is None else f"step {weights.step:,}"
    return f"it was measured on {at}, and what is released is of {of}"


def _surely_beyond(limit: Limit, metric: Metric) -> bool:
    """Return whether a value of which only a least bound is known lies beyond a limit already."""
    quantity = registry.metric(metric.name)
    known = quantity is not None and quantity.at_least and limit.maximum is not None and metric.value is not None
    return known and metric.low is not None and limit.maximum is not None and metric.low > limit.maximum


def _is_scorer(found: str | None, wanted: str) -> bool:
    """Return whether a scorer with its version is the one that is wanted: `detoxify:unbiased 0.5.2` is."""
    if found is None:
        return False
    kind = "" if ":" in wanted else f"{wanted}:"  # `detoxify` alone is any of its models
    return found == wanted or found.startswith(f"{wanted} ") or (bool(kind) and found.startswith(kind))


def _missing(limit: Limit, rows: list[Metric], audit: Audit) -> str:
    if len(rows) > 1:
        return f"this run has {len(rows)} values of {limit.metric}, and nothing says which one counts"
    if rows:
        return rows[0].reason or "it has no value"
    others = [metric.labels for metric in audit.metrics if metric.name == limit.metric]
    if others:
        known = ", ".join(str(labels) if labels else "none (the total)" for labels in others)
        wanted = f"labels {dict(limit.labels)}" if limit.labels else "no labels (the total)"
        return f"this run has no {limit.metric} with {wanted}; its labels are {known}"
    quantity = registry.metric(limit.metric)
    if quantity is not None and quantity.family not in ("logged", "imported"):
        return f"this run has not measured {limit.metric}"
    hint = registry.nearest(limit.metric, sorted({found.name for found in audit.metrics}))
    return f"this run has no {limit.metric}{hint}"
