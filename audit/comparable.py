"""Whether two values of a metric may be compared, and what differs where they may not."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from . import registry
from .model import Audit, Metric

# Of `configuration.data`: how a loader reads, not what it reads.
LOADING = frozenset(
    {"num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "batch_size", "shuffle", "drop_last"}
)
# How long an epoch is: the folds of one set differ in it.
SIZES = frozenset({"data.batches_per_epoch", "data.steps_per_epoch", "data.examples"})
ON_DATA = frozenset({"logged", "overfitting"})  # families that describe a model on the data it was given
BY_HARDWARE = frozenset({"kWh", "kg", "s"})  # units of what depends on the machine as much as on the training
# What a model was asked: the digest, in `configuration.generation`, by which two audits show that it was the same.
ASKED = {
    "generation.adversarial_toxicity": "adversarial_sha256",
    "generation.": "prompts_sha256",
    "likelihood.": "pairs_sha256",
    "memorisation.": "train_texts_sha256",
}
GROUPS = "groups_sha256"
DIGEST = re.compile(r"(^|[._])(sha256|sha1|md5|digest|hash|fingerprint|checksum)$", re.IGNORECASE)
_REPEAT = re.compile(r"(?!n_|k_|num_)(.*_)?(seed|fold|random_state)(_?(id|idx|index|number))?$", re.IGNORECASE)

# What a method says of this one run, and not of how all runs are measured: amounts, files, what answers were like.
_AMOUNT = r"\d[\d,]*(\.\d+)?"
_DEFINED = r"(?<![\d.,=])(?<!last )(?<!first )(?<!every )"  # `the last 100 steps` is how, not how many there were
_OF_ONE_RUN = re.compile(
    rf"{_DEFINED}{_AMOUNT}( of {_AMOUNT})? ?(%( (empty and not scored|duplicates|cut at \d+ characters))?"
    r"|s\b|h\b|[km]?Wh\b|[km]?g\b|(optimizer |further )?(steps?|batches|examples|epochs?|points|validations)\b"
    r"|that were skipped not counted|rules could not tell|answers begin with their prompt and were not cut)"
    r"|prompts cut off the answers|[^,;]{0,300} \(sha256 [0-9a-f]{12}\)"
    rf"|normal interval from the standard error {_AMOUNT}(e[-+]?\d+)?|exact interval"
)
HERE = "; here: "  # what follows it in a method is of one run
_JOINTS = re.compile(r"[\s,;]+")

Basis = dict[str, str | None]  # what a value rests on, as text; None where it should be known and is not


def why_not(one: Metric, audit: Audit, other: Metric, against: Audit, *, apart: Collection[str] = ()) -> str | None:
    """Return why two values cannot be compared, None where they can.

    What must be the same: name, labels, unit, quality, scorer and version, method apart from what it says of one run,
    what the model was asked and how often, for losses the data, for energy and time the hardware. What should be
    known and is not counts as another.

    Args:
        one: A metric.
        audit: Where it stands.
        other: The metric that it is compared with.
        against: Where that one stands.
        apart: Keys of `configuration.data` in which they may differ, as in `data.augment`.

    Returns:
        A clause that names what differs, without the name of the metric.
    """
    return what_differs(basis(one, audit, apart=apart), basis(other, against, apart=apart))


def what_differs(one: Mapping[str, str | None], other: Mapping[str, str | None]) -> str | None:
    """Return what differs between two bases, None where nothing does."""
    for what in dict.fromkeys((*one, *other)):
        ours, theirs = one.get(what, "not there"), other.get(what, "not there")
        if ours is None or theirs is None:
            return f"audit.json does not say {what}"
        if ours != theirs:
            return f"{what} differs: {ours or 'none'} and {theirs or 'none'}"
    return None


def basis(metric: Metric, audit: Audit, *, apart: Collection[str] = ()) -> Basis:
    """Return what a value rests on; two that rest on the same may be compared."""
    labels = ", ".join(f"{key}={metric.labels[key]}" for key in sorted(metric.labels))
    found: Basis = {
        "the metric": metric.name,
        "the label": labels,
        "the unit": metric.unit,
        "the scorer": metric.scorer or "",
        "the quality": metric.quality.value,
        "the method": how(metric.method),
    }
    return found | _asked(metric, audit) | _data(metric, audit, apart) | _hardware(metric, audit)


def how(method: str) -> str:
    """Return a method without what it says of one run: amounts, files, what answers were like, all after `HERE`."""
    parts = _OF_ONE_RUN.sub("", method.partition(HERE)[0])
    return _JOINTS.sub(" ", parts).strip()


def is_repeat_key(key: str) -> bool:
    """Return whether a setting is one in which repeats differ: a seed or a fold."""
    return _REPEAT.match(key.rpartition(".")[2]) is not None


def settings(configuration: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys and values of a configuration, as JSON; objects within each other are taken apart."""
    for key, value in configuration.items():
        if isinstance(value, Mapping) and value:
            yield from settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False, sort_keys=True)


def _asked(metric: Metric, audit: Audit) -> Basis:
    """Return what a model was asked; nothing for what is no answer of a model."""
    key = next((key for start, key in ASKED.items() if metric.name.startswith(start)), None)
    if key is None:
        return {}
    told = audit.configuration.get("generation")
    told = told if isinstance(told, dict) else {}
    if (
        metric.name.endswith("_disparity") and GROUPS in told
    ):  # groups of people were compared by prompts of their own
        key = GROUPS
    what = key.removesuffix("_sha256").replace("_", " ")
    found: Basis = {f"which {what} it was asked ({key})": _text(told.get(key))}
    sampled = metric.name.startswith("generation.")
    return found | {"how often each was asked (k)": _text(told.get("k"))} if sampled else found


def _data(metric: Metric, audit: Audit, apart: Collection[str]) -> Basis:
    """Return what is said of the data, seed and fold of a split apart."""
    quantity = registry.metric(metric.name)
    if quantity is None or quantity.family not in ON_DATA or metric.unit in BY_HARDWARE:
        return {}
    data = audit.configuration.get("data")
    told = settings(data if isinstance(data, dict) else {}, "data.")
    return {
        key: value
        for key, value in told
        if key.removeprefix("data.") not in LOADING and key not in SIZES | set(apart) and not is_repeat_key(key)
    }


def _hardware(metric: Metric, audit: Audit) -> Basis:
    """Return the class of hardware, for what depends on it."""
    quantity = registry.metric(metric.name)
    if metric.unit not in BY_HARDWARE and (quantity is None or quantity.family != "carbon"):
        return {}
    cpus, gpus = audit.environment.get("cpus"), audit.environment.get("gpus")
    known = isinstance(cpus, int) and isinstance(gpus, list)
    return {"the hardware": f"{cpus} CPUs, {_counted(gpus)}" if known and isinstance(gpus, list) else None}


def _counted(gpus: list[Any]) -> str:
    kinds = sorted({str(gpu) for gpu in gpus})
    return ", ".join(f"{gpus.count(kind)} × {kind}" for kind in kinds) or "no GPU"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
