"""Runs a step a second time, without a trace, to see where its first value that is not finite came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .arguments import step_arguments
from .compiling import compiled, compiled_frames
from .isolation import isolated

# They write infinities on purpose, as before the softmax of a causal attention.
MASKS = frozenset({"masked_fill", "masked_fill_", "where", "full", "full_like", "new_full", "fill_", "triu", "tril"})


class FiniteWatch(TorchFunctionMode):
    """Notes the first call that makes NaN, or else an infinity, out of finite values.

    Args:
        names: Layer path of each weight, by `id`.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.nan = self.infinite = ""
        self._names, self._last = names, ""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, then look at what it made."""
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        given = [*_tensors(args), *_tensors(kwargs or {})]
        self._last = next((self._names[id(t)] for t in given if id(t) in self._names), self._last)
        made = [tensor for tensor in _tensors(out) if tensor.is_floating_point()]
        if made and not self.nan and name not in MASKS:
            self._judge(name, [t for t in given if t.is_floating_point()], made)
        return out

    def _judge(self, name: str, given: list[Tensor], made: list[Tensor]) -> None:
        place = f"{name} in or after {self._last}" if self._last else f"{name} before the first layer"
        whole = all(bool(tensor.isfinite().all()) for tensor in given)
        if _any(torch.isnan, made) and not _any(torch.isnan, given):
            self.nan = place
        elif whole and not self.infinite and _any(torch.isinf, made):
            self.infinite = place


def _any(kind: Callable[[Tensor], Tensor], tensors: list[Tensor]) -> bool:
    return any(bool(kind(tensor).any()) for tensor in tensors)


def birthplace(
    trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, state: Tensor, names: Mapping[int, str]
) -> str | None:
    """Return where a training step first leaves the finite numbers; run before the optimizer's step.

    Args:
        trainer: Its precision applies.
        pl_module: With the weights that the step had.
        batch: What the step was given, on the device.
        batch_idx: Its number in the epoch.
        state: torch's random state at the start of the batch.
        names: Layer path of each weight, by `id`.

    Returns:
        The call and the layer; `the batch` when that is not finite itself; `the backward pass` when the forward
        pass is finite; None where something is compiled, because then not every call is seen.
    """
    if any(t.is_floating_point() and not bool(t.isfinite().all()) for t in _tensors(batch)):
        return "the batch"
    if compiled(pl_module) or compiled_frames():
        return None
    watch = FiniteWatch(names)
    with isolated(pl_module, evaluate=False):
        torch.set_rng_state(state)
        with trainer.precision_plugin.train_step_context(), watch:
            pl_module.training_step(*step_arguments(pl_module.training_step, batch, batch_idx))
    return watch.nan or watch.infinite or "the backward pass"


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
