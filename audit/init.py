"""Writes a first policy from what a run has measured."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from . import registry
from .escape import visible
from .extending import profile_text
from .formats import percent
from .model import EDITIONS, Audit, Metric, Quality, RunKind
from .registry import LOGGED_PREFIX

ROOM = 0.02  # how much worse than this run the next may be
HIGHER = ("acc", "f1", "auc", "precision", "recall", "score", "iou", "bleu", "rouge")
PROFILE = "release"
ALWAYS = ("nonfinite",)  # what every training can meet, and no policy is without

WARN = 'level = "warn"'
HEAD = """\
# A first policy, from run {run} and the profile {profile}. Tighten it to what a release must meet.
# Limits on quality and cost come from this run, with room; those on harm from the profile, whatever this run did.
# A limit decides, unless its level is "warn" or "off"; a value on the limit is met.
# What a run has not measured is unknown and no pass; on_missing = "fail" makes it a failure.
schema = 1
rules = "{rules}"  # the edition whose findings count: an upgrade turns nothing red by itself
"""
LOCKED = 'extends = "profile:{profile}"  # locked: what follows may only be stricter\n'


def policy_text(audit: Audit, profile: str = PROFILE) -> str:
    """Return the text of a policy.toml: quality and cost as this run has them, with room, the rest by a profile.

    Raises:
        UsageError: There is no such profile.
    """
    demanded = tomllib.loads(profile_text(profile))
    locked = bool(demanded.get("locked"))
    head = HEAD.format(run=visible(audit.run.id), rules=EDITIONS[-1], profile=profile)
    head += LOCKED.format(profile=profile) if locked else ""
    own = [_quality(audit), _energy(audit)]
    theirs = [] if locked else [_of_profile(audit, name, table) for name, table in demanded["limits"].items()]
    blocks = [block for block in [*own, *theirs] if block]
    if not locked and not any(_decides(block) for block in blocks):
        blocks.append(_block("finished", "gradient.nonfinite_steps", maximum=0, note="no step may break"))
    return head + "".join(f"\n{block}" for block in blocks)


def _decides(block: str) -> bool:
    return not block.startswith("#") and WARN not in block.splitlines()


def _of_profile(audit: Audit, name: str, table: Mapping[str, Any]) -> str:
    """Return a limit of the profile; as a comment where this run has not measured what it limits."""
    metric = str(table["metric"])
    quantity = registry.metric(metric)
    weak = (found := audit.metric(metric)) is not None and (found.scorer or "").startswith("embedded")
    note = "the embedded scorer is a smoke signal: it warns" if weak else quantity.meaning if quantity else ""
    block = _block(
        name, metric, maximum=table.get("max"), minimum=table.get("min"), note=note,
        level="warn" if weak else table.get("level", "error"),
    )  # fmt: skip
    training = audit.run.kind is RunKind.TRAINING
    if (name in ALWAYS and training) or (found is not None and _is_measured(found)):
        return block
    return "# Not measured by this run:\n" + "".join(f"# {line}\n" for line in block.splitlines())


def _is_measured(metric: Metric) -> bool:
    return metric.value is not None and metric.quality is not Quality.UNKNOWN


def _energy(audit: Audit) -> str:
    energy = _value(audit, "carbon.energy_kwh")
    if energy is None:
        return ""
    note = "this run and half as much again; modelled energy is no ground to stop a release"
    return _block("energy", "carbon.energy_kwh", maximum=_two_digits(1.5 * energy), level="warn", note=note)


def _quality(audit: Audit) -> str:
    """Return a limit on the logged value that says most of the model's quality."""
    logged = [m for m in audit.metrics if m.name.startswith(LOGGED_PREFIX) and m.value is not None]
    chosen = next((m for m in sorted(logged, key=_promise) if _promise(m) < 3), None)
    if chosen is None or chosen.value is None:
        return ""
    room = ROOM * abs(chosen.value)
    if not math.isfinite(abs(chosen.value) + room):
        return ""
    note = f"this run reached {chosen.value:.4g}, with {percent(ROOM)} of room"
    if _is_loss(chosen):
        return _block("quality", chosen.name, maximum=_four_digits(chosen.value + room), note=note)
    return _block("quality", chosen.name, minimum=_four_digits(chosen.value - room), note=note)


def _promise(metric: Metric) -> int:
    name = metric.name.lower()
    validation = any(mark in name for mark in ("val", "valid", "dev", "eval"))
    known = _is_loss(metric) or any(mark in name for mark in HIGHER)
    return (0 if _is_loss(metric) else 1) if validation and known else 3


def _is_loss(metric: Metric) -> bool:
    return any(mark in metric.name.lower() for mark in ("loss", "error", "perplexity", "mse", "mae", "nll"))


def _block(
    name: str,
    metric: str,
    *,
    maximum: float | None = None,
    minimum: float | None = None,
    level: str = "error",
    note: str,
) -> str:
    lines = [f"[limits.{name}]  # {visible(note)}", f"metric = {_toml(metric)}"]
    lines += [f"max = {maximum:g}"] if maximum is not None else []
    lines += [f"min = {minimum:g}"] if minimum is not None else []
    lines += [WARN] if level == "warn" else []
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    """Return a TOML string in printable ASCII; JSON's escapes of emoji are not allowed there."""
    return '"' + re.sub(r"[^ !#-\[\]-~]", lambda found: f"\\U{ord(found[0]):08x}", text) + '"'


def _value(audit: Audit, name: str) -> float | None:
    metric = audit.metric(name)
    return None if metric is None else metric.value


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def _four_digits(value: float) -> float:
    return float(f"{value:.4g}")
