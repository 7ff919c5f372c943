"""What a module's attributes hold, kept while steps are called and put back after them."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from .batches import plain

CONTAINERS = (list, dict, set, deque, OrderedDict, defaultdict, Counter)
DEPTH = 4  # containers in containers
MOST, LONG = 10_000, 10_000  # containers that are kept; items of one, beyond which these are not looked into
ROOM = 64 * 2**20  # bytes of tensors and arrays that are copied
CODE = (nn.Module, type, FunctionType, MethodType, ModuleType)
# Of the standard library, what holds nothing but values.
PLAIN = frozenset({"abc", "argparse", "builtins", "collections", "types", "typing"})
# Their objects know trainers, threads, connections or much data, and are no place for what a step sums up.
FOREIGN = frozenset(sys.stdlib_module_names) - PLAIN | {
    "aim", "clearml", "comet_ml", "dask", "datasets", "groundwire", "lightning", "lightning_fabric", "mlflow",
    "neptune", "numpy", "pandas", "pyarrow", "pytorch_lightning", "ray", "tensorboard", "tensorboardX", "tokenizers",
    "torch", "torchvision", "transformers", "wandb",
}  # fmt: skip
THREADS = frozenset({"_thread", "threading", "queue", "multiprocessing", "concurrent", "asyncio"})


class Contents:
    """Content of containers, and of objects of the user's own, as meters that a step adds to."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._copies: dict[int, tuple[Any, Any]] = {}
        self._room = ROOM

    def stand_in(self, value: Any, depth: int = DEPTH) -> Any:
        """Return a copy of what a step may write into; else the value itself, once what it holds is kept."""
        if issubclass(type(value), Metric | MetricCollection):
            return value.clone()
        if type(value) in (Tensor, np.ndarray):
            return self._copy(value)
        if type(value) in CONTAINERS:
            self._keep(value, depth)
        elif (held := _held(value)) is not None:
            self._keep(held, depth)
        return value

    def put_back(self) -> None:
        """Let every container hold what it did."""
        for container, content in self._kept.values():
            refill(container, content)

    def _keep(self, container: Any, depth: int) -> None:
        if id(container) in self._kept or depth == 0 or len(self._kept) >= MOST:
            return
        self._kept[id(container)] = container, container.copy()
        if len(container) > LONG:
            return
        for place, item in list(container.items() if isinstance(container, dict) else enumerate(container)):
            copied = self.stand_in(item, depth - 1)
            if copied is not item and not isinstance(container, set | deque):
                container[place] = copied

    def _copy(self, value: Any) -> Any:
        """Copy a tensor or an array, the same one once, while there is room."""
        if id(value) not in self._copies:
            size = _bytes(value)
            if size > self._room:
                return value
            self._room -= size
            copied = value.detach().clone() if isinstance(value, Tensor) else value.copy()
            self._copies[id(value)] = value, copied
        return self._copies[id(value)][1]


def refill(container: Any, content: Any) -> None:
    """Let a container hold what its copy does, and leave it alone where it does."""
    if isinstance(container, dict | set):
        if container != content if isinstance(container, set) else not _same_items(container, content):
            container.clear()
            container.update(content)
    elif len(container) != len(content) or any(a is not b for a, b in zip(container, content, strict=True)):
        container.clear()
        container.extend(content)


def _same_items(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    return one.keys() == other.keys() and all(one[key] is other[key] for key in one)


def _held(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object that has nothing to do with other threads; None of any other."""
    kind = type(value)
    if issubclass(kind, CODE) or any(_package(base) in FOREIGN for base in kind.__mro__):
        return None
    try:
        found = vars(value)
    except Exception:  # noqa: BLE001 - it has none, or does not want to be looked into
        return None
    shared = type(found) is not dict or any(_package(type(item)) in THREADS for item in found.values())
    return None if shared else found


def _bytes(value: Any) -> int:
    return int(value.nbytes) if isinstance(value, np.ndarray) or plain(value) else ROOM + 1


def _package(kind: type) -> str:
    return str(getattr(kind, "__module__", "")).partition(".")[0]
