"""Which way a logged value is better: as the user says, or as its name tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Direction = Literal["max", "min"]

HIGHER = frozenset({
    "acc", "accuracy", "f1", "fbeta", "auc", "auroc", "auprc", "ap", "map", "iou", "miou", "jaccard", "dice",
    "bleu", "rouge", "rougel", "meteor", "chrf", "precision", "recall", "sensitivity", "specificity", "r2",
    "psnr", "ssim", "em", "mcc", "kappa", "ndcg", "mrr", "reward",
    "hit", "hits"
})  # fmt: skip
LOWER = frozenset({
    "loss", "error", "err", "perplexity", "ppl", "mae", "mse", "rmse", "mape", "smape", "wer", "cer", "ter",
    "nll", "ce", "bce", "kl", "fid", "brier", "ece", "bpb", "bpc", "bpd", "bits", "nats", "eer",
    "hinge", "regret"
})  # fmt: skip
AMONG_FIRST = re.compile(r"top[^a-z0-9]?\d", re.IGNORECASE)  # an accuracy, unless another word says otherwise
WORDS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*")


def directions(metrics: Mapping[str, Any] | Iterable[Any] | None) -> dict[str, Direction]:
    """Return the direction of each metric, declared in a mapping or else inferred from its name.

    Raises:
        ValueError: A name is none, a direction is neither "max" nor "min", or a name tells no direction.
    """
    if metrics is None:
        return {}
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise ValueError(f'metrics must be names of logged values or {{name: "max" or "min"}}, got {metrics!r}')
    declared = metrics if isinstance(metrics, Mapping) else dict.fromkeys(metrics)
    return {name: _direction(name, given) for name, given in declared.items()}


def _direction(name: Any, given: Any) -> Direction:
    if not isinstance(name, str) or not name:
        raise ValueError(f"metrics must be names of logged values, got {name!r}")
    if given not in (None, "max", "min"):
        raise ValueError(f'metrics[{name!r}] must be "max" or "min", got {given!r}')
    found: Direction | None = given or inferred(name)
    if found is None:
        raise ValueError(
            f"metrics: the name {name!r} does not tell whether more is better: say so with"
            f' metrics={{{name!r}: "max"}} or "min"'
        )
    return found


def inferred(name: str) -> Direction | None:
    """Return the direction that the words of a name tell; None when they tell none or both."""
    plain = re.split(r"[^A-Za-z0-9]+", name)
    words = {word.lower() for part in plain for word in (part, *WORDS.findall(part))}
    higher, lower = bool(words & HIGHER), bool(words & LOWER)
    higher = higher or (not lower and AMONG_FIRST.search(name) is not None)
    return None if higher == lower else "max" if higher else "min"
