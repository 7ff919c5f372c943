"""What a release must meet: policy.toml, checked to the last key."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import registry
from .errors import UsageError
from .escape import visible
from .model import EDITIONS, RunStatus

SCHEMA = 1
LEVELS = ("error", "warn", "off")
ON_MISSING = ("unknown", "fail")
TOP_KEYS = ("schema", "limits", "allow_status", "rules")
LIMIT_KEYS = ("metric", "max", "min", "level", "on_missing", "labels", "scorer", "confidence")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One line of a policy.

    Attributes:
        id: Its name.
        metric: Metric that is limited.
        maximum: Greatest allowed value, in the metric's unit.
        minimum: Least allowed value.
        level: `error` decides, `warn` only says, `off` is ignored.
        on_missing: What a metric without a value means: `unknown` or `fail`.
        labels: Which row of the metric is meant; the total when empty.
        scorer: Scorer that the metric must come from, as in `detoxify:unbiased`; any when empty.
        confidence: Judge by the metric's interval at this confidence, not by its point; by the point when None.
    """

    id: str
    metric: str
    maximum: float | None = None
    minimum: float | None = None
    level: str = "error"
    on_missing: str = "unknown"
    labels: Mapping[str, str] = field(default_factory=dict)
    scorer: str = ""
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """All limits of a release, which runs beside finished ones may be judged at all, and which rules count."""

    path: str
    limits: tuple[Limit, ...]
    allow_status: tuple[str, ...] = (RunStatus.FINISHED.value,)
    rules: str = EDITIONS[-1]


def load_policy(path: Path) -> Policy:
    """Return the policy in a file.

    Raises:
        UsageError: It cannot be read, or something in it is wrong; the message names the key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except FileNotFoundError as error:
        hint = "make one with `groundwire init RUN`, or name it with --policy"
        raise UsageError(f"There is no policy at {path}: {hint}.") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the policy {path}: {reason}.") from error
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a bare ValueError
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    return parse_policy(document, str(path))


def parse_policy(document: Mapping[str, Any], path: str) -> Policy:
    """Return the policy that a TOML document means.

    Raises:
        UsageError: Something in it is wrong.
    """
    _schema(document.get("schema"), path)  # first: a newer file may have keys that are unknown here
    _no_other_keys(document, TOP_KEYS, path)
    limits = document.get("limits", {})
    if not isinstance(limits, dict):
        raise UsageError(f"{path}: limits must be tables, as in [limits.quality].")
    found = tuple(_limit(name, table, path) for name, table in limits.items())
    if not any(limit.level == "error" for limit in found):
        raise UsageError(
            f'{path} enforces no limit: give at least one [limits.…] with level = "error", or nothing would be gated.'
        )
    return Policy(path=path, limits=found, allow_status=_statuses(document, path), rules=_edition(document, path))


def _schema(value: Any, path: str) -> None:
    if type(value) is not int or value < SCHEMA:
        raise UsageError(f"{path}: schema must be {SCHEMA}, got {_shown(value)}: write `schema = {SCHEMA}`.")
    if value > SCHEMA:
        raise UsageError(
            f"{path} has schema {_shown(value)}, this Groundwire reads up to {SCHEMA}: upgrade groundwire."
        )


def _limit(name: str, table: Any, path: str) -> Limit:
    where = f"{path}: limits.{name}"
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table, as in [limits.{name}].")
    _no_other_keys(table, LIMIT_KEYS, where)
    limit = Limit(
        id=name,
        metric=_metric(table, where),
        maximum=_number(table, "max", where),
        minimum=_number(table, "min", where),
        level=_one_of(table, "level", LEVELS, where),
        on_missing=_one_of(table, "on_missing", ON_MISSING, where),
        labels=_labels(table, where),
        scorer=_scorer(table, where),
        confidence=_confidence(table, where),
    )
    if limit.maximum is None and limit.minimum is None:
        raise UsageError(f"{where} limits nothing: give max or min.")
    quantity = registry.metric(limit.metric)
    if quantity is not None and quantity.tested and (limit.minimum is not None or limit.maximum is None):
        raise UsageError(f"{where}: {limit.metric} is a difference between groups: limit it with max alone.")
    if quantity is not None and quantity.tested and limit.maximum is not None and limit.maximum <= 0:
        raise UsageError(f"{where}: no number of samples shows that groups differ by nothing: give a max above 0.")
    if limit.maximum is not None and limit.minimum is not None and limit.minimum > limit.maximum:
        raise UsageError(f"{where}: min {limit.minimum:g} is above max {limit.maximum:g}, which nothing can meet.")
    return limit


def _no_other_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            hint = registry.nearest(key, list(known)) or f"; known are {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {key!r}{hint}.")


def _metric(table: Mapping[str, Any], where: str) -> str:
    name = table.get("metric")
    if not isinstance(name, str):
        raise UsageError(f'{where}: metric must be the name of a metric, as in metric = "logged.val_loss".')
    if registry.metric(name) is None:
        hint = registry.nearest(name, [quantity.name for quantity in registry.METRICS])
        others = "what a module logs is logged.<name>, an imported score imported.<name>"
        raise UsageError(f"{where}: there is no metric {name!r}{hint}; {others}.")
    return name


def _number(table: Mapping[str, Any], key: str, where: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    try:
        found = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise UsageError(f"{where}: {key} must be a finite number, got {_shown(value)}.")
    return found


def _one_of(table: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    value = table.get(key, allowed[0])
    if value not in allowed:
        raise UsageError(f"{where}: {key} must be one of {', '.join(allowed)}, got {_shown(value)}.")
    return str(value)


def _labels(table: Mapping[str, Any], where: str) -> dict[str, str]:
    value = table.get("labels", {})
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise UsageError(f'{where}: labels must map names to strings, as in labels = {{component = "gpu"}}.')
    return dict(value)


def _scorer(table: Mapping[str, Any], where: str) -> str:
    value = table.get("scorer", "")
    if not isinstance(value, str) or ("scorer" in table and not value.strip()):
        raise UsageError(
            f'{where}: scorer must be the name of a scorer, as in scorer = "detoxify:unbiased", got {_shown(value)}.'
        )
    return value


def _confidence(table: Mapping[str, Any], where: str) -> float | None:
    value = _number(table, "confidence", where)
    if value is not None and not 0.5 <= value < 1:
        raise UsageError(f"{where}: confidence must be at least 0.5 and below 1, as in 0.95, got {_shown(value)}.")
    return value


def _statuses(document: Mapping[str, Any], path: str) -> tuple[str, ...]:
    known = [status.value for status in RunStatus]
    value = document.get("allow_status", [RunStatus.FINISHED.value])
    if not isinstance(value, list) or not value or not all(status in known for status in value):
        raise UsageError(f"{path}: allow_status must be a list of {', '.join(known)}, got {_shown(value)}.")
    return tuple(dict.fromkeys([RunStatus.FINISHED.value, *value]))  # a finished run needs no permission


def _edition(document: Mapping[str, Any], path: str) -> str:
    value = document.get("rules", EDITIONS[-1])
    if value not in EDITIONS:
        raise UsageError(
            f"{path}: rules must be an edition of the rules, {', '.join(EDITIONS)}, got {_shown(value)}."
        )
    return str(value)


def _shown(value: Any) -> str:
    """Return a wrong value as the message shows it: whatever its size, a part that can be read."""
    try:
        return visible(repr(value), cap=60)
    except (ValueError, RecursionError):  # hexadecimal, a number may have more digits than Python prints
        return "something too large to print"
