"""What of a batch is input and what is target, and batches in which they no longer belong together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from .batches import batch_size, first_tensor, plain

TARGETS = frozenset({"label", "labels", "target", "targets", "y"})  # names in a mapping
Change = Callable[[Any], Any]


def inputs_of(batch: Any) -> Any:
    """Return the part of a batch that a model looks at, as far as that can be seen: all but names of targets."""
    if isinstance(batch, Mapping):
        return {name: value for name, value in batch.items() if str(name).lower() not in TARGETS}
    return batch[0] if isinstance(batch, list | tuple) and batch else batch


def with_other_inputs(batch: Any) -> list[Any]:
    """Return copies of a batch whose examples have the inputs of others, and their own targets.

    In a tuple the last item is the target; of more than two items the inputs may as well be the first only, and both
    are returned. Nothing is where inputs and targets are not told apart: a tensor alone, a mapping without a name of
    targets, a first item of one integer an example, and language models, whose targets are their inputs. Nor is
    where no copy can be made: a read-only mapping, a tuple or list of the user's own kind.
    """
    first = first_tensor(inputs_of(batch))
    if batch_size(batch) < 4 or first is None or not plain(first) or _is_index(first) or _is_text(batch, first):
        return []
    order = _all_moved(batch_size(batch))
    if isinstance(batch, Mapping):
        targets = [name for name in batch if str(name).lower() in TARGETS]
        told = bool(targets) and isinstance(batch, MutableMapping)
        return [_changed(batch, [name for name in batch if name not in targets], order)] if told else []
    if not (type(batch) in (list, tuple) or hasattr(batch, "_fields")) or len(batch) < 2:
        return []
    chosen = [range(1), range(len(batch) - 1)]
    return [_changed(batch, list(places), order) for places in chosen[: 1 if len(batch) == 2 else 2]]


def with_one_target(batch: Any) -> Any:
    """Return a copy of a batch all of whose examples have the target of the first."""
    order = torch.zeros(batch_size(batch), dtype=torch.int64)
    if isinstance(batch, Mapping):
        return _changed(batch, [name for name in batch if str(name).lower() in TARGETS], order)
    return _changed(batch, list(range(1, len(batch))), order)


def _is_index(first: Tensor) -> bool:
    return first.ndim == 1 and not first.is_floating_point()


def _is_text(batch: Any, first: Tensor) -> bool:
    """Return whether the targets are as many tokens as go in: early on such a model knows how often each occurs."""
    if first.ndim < 2 or first.is_floating_point() or first.dtype == torch.uint8:
        return False
    names = [name for name in batch if str(name).lower() in TARGETS] if isinstance(batch, Mapping) else [-1]
    targets = (batch[name] for name in names) if isinstance(batch, Mapping | list | tuple) else ()
    return any(isinstance(target, Tensor) and plain(target) and target.shape == first.shape for target in targets)


def _all_moved(size: int) -> Tensor:
    """Return an order in which no example is where it was, the same one each time."""
    shuffled = torch.randperm(size, generator=torch.Generator().manual_seed(size))
    order = torch.empty(size, dtype=torch.int64)
    order[shuffled] = shuffled.roll(1)
    return order


def _changed(batch: Any, places: list[Any], order: Tensor) -> Any:
    def taken(tensor: Tensor) -> Tensor:
        moves = plain(tensor) and tensor.ndim and len(tensor) == len(order)
        return tensor[order.to(tensor.device)] if moves else tensor

    if isinstance(batch, Mapping):
        found: Any = copy.copy(batch)  # a mapping of the user's own kind stays one
        for name in places:
            found[name] = apply_to_collection(batch[name], Tensor, taken)
        return found
    items = [apply_to_collection(v, Tensor, taken) if i in places else v for i, v in enumerate(batch)]
    return type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
