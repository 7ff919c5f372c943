"""What Lightning passes to the user's steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from lightning.pytorch.utilities.signature_utils import is_param_in_hook_signature


def step_arguments(
    step: Callable[..., Any], batch: Any, batch_idx: int, dataloader_idx: int | None = None
) -> list[Any]:
    """Return what Lightning passes to a step, by position.

    Args:
        step: `training_step` or `validation_step`, bound.
        batch: What the loader gave.
        batch_idx: Its number in the epoch, which is left out where the step takes nothing but a batch.
        dataloader_idx: Index of its loader, None where there is only one.
    """
    numbered = is_param_in_hook_signature(step, "batch_idx", min_args=2)
    return [batch, *([batch_idx] if numbered else []), *([] if dataloader_idx is None else [dataloader_idx])]


def takes(step: Callable[..., Any], name: str) -> bool:
    """Return whether a step has a parameter of that name."""
    return name in inspect.signature(step).parameters
