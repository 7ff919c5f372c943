"""The same batches with batch norm in both of its modes, and nothing else changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .batches import batch_size
from .layers import clean
from .monitor import MonitorError
from .step_loss import loss_of

NAMED = 5  # batch norms that an event names


def norms(module: nn.Module) -> dict[str, Any]:
    """Return by path the batch norms with running statistics that wait for no other rank."""
    kinds = nn.modules.batchnorm._BatchNorm
    return {
        clean(name): child
        for name, child in module.named_modules()
        if isinstance(child, kinds) and not isinstance(child, nn.SyncBatchNorm) and child.running_mean is not None
    }


def both_modes(
    found: Mapping[str, Any],
    batches: Sequence[Any],
    evaluated: Sequence[Any],
    ask: Callable[[], tuple[list[Any], list[dict[str, Tensor]]]],
) -> dict[str, Any] | None:
    """Return the losses of both modes, and the batch norms whose running means are furthest off; None without a loss.

    Args:
        found: Batch norms by path, of an isolated module in eval mode.
        batches: What the step is asked about.
        evaluated: What it has said of them in eval mode.
        ask: Asks it once more; returns what it says, and the drift of the batch norms on each batch.
    """
    try:
        with _training(found):
            answers, drifts = ask()
        loss = loss_of(evaluated, None)
        losses = [loss.sample(said).mean for said in (evaluated, answers)]
    except MonitorError:  # of a single example there is no variance
        return None
    drift = {name: max(float(one[name]) for one in drifts if name in one) for name in found if name in drifts[0]}
    worst = sorted(drift, key=lambda name: -drift[name])[:NAMED]
    return {
        "eval_loss": _number(losses[0]),
        "train_loss": _number(losses[1]),
        "examples": sum(map(batch_size, batches)),
        "batch_size": batch_size(batches[0]),
        "norms": [{"name": n, "drift": _number(drift[n]), "momentum": found[n].momentum} for n in worst],
    }


@contextmanager
def _training(found: Mapping[str, Any]) -> Iterator[None]:
    for norm in found.values():
        norm.training = True
    try:
        yield
    finally:
        for norm in found.values():
            norm.training = False


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
