"""Generators of random numbers that a dataset carries, of which every worker of a loader gets the same copy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, WeightedRandomSampler

KINDS = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)
ENTRIES = ("__getitem__", "__getitems__", "__iter__", "__next__", "__call__", "forward")
# What code mentions that gives workers random numbers of their own, or fixes them for each example on purpose.
RESEEDS = frozenset({"get_worker_info", "initial_seed", "seed", "manual_seed", "default_rng", "RandomState", "Random",
                     "setstate", "set_state", "SeedSequence", "Generator"})  # fmt: skip
SHARDING = frozenset({"datasets", "torchdata", "webdataset", "streaming", "litdata"})  # see to their workers
GLOBALLY = "pl_worker_init_function"  # Lightning's: seeds Python's, numpy's and torch's global numbers only
DEPTH, MOST, ITEMS = 5, 500, 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """A generator that code draws from when it makes an example.

    Attributes:
        name: Where it is, as code would say.
        generator: It.
        state: In which state it was.
    """

    name: str
    generator: Any
    state: str

    @property
    def untouched(self) -> bool:
        """Whether this process has neither drawn from it nor seeded it since."""
        return state_of(self.generator) == self.state


def workers_of(loader: Any) -> int:
    """Return how many workers make a training loader's batches in turn; 0 where that is not so simple."""
    return int(loader.num_workers) if isinstance(loader, DataLoader) and getattr(loader, "in_order", True) else 0


def repeats_by_right(loader: Any) -> bool:
    """Return whether a loader draws the same example more than once an epoch, as it should."""
    sampler = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    return isinstance(sampler, RandomSampler | WeightedRandomSampler) and bool(sampler.replacement)


def shards_itself(loader: Any) -> bool:
    """Return whether examples come as a stream, of which each worker has to take a part by itself."""
    return isinstance(getattr(loader, "dataset", None), IterableDataset)


def carried(loader: Any) -> list[Carried]:
    """Return the generators of a loader with workers that none of them seeds; no code of the user's is called."""
    if not isinstance(loader, DataLoader) or loader.num_workers < 1 or _seeds_workers(loader.worker_init_fn):
        return []
    walk = _Walk()
    walk.visit(loader.dataset, "dataset", DEPTH)
    walk.visit(loader.collate_fn, "collate_fn", DEPTH)
    return [] if walk.minds_workers else walk.found


def state_of(generator: Any) -> str:
    """Return the state of a generator as text."""
    if isinstance(generator, torch.Generator):
        return bytes(generator.get_state().tolist()).hex()
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return repr([part.tolist() if isinstance(part, np.ndarray) else part for part in generator.get_state()])
    return repr(generator.getstate())


def _generates(item: Any) -> bool:
    """Return whether it is a generator with a state; its type tells, because a proxy may not want to be asked."""
    return issubclass(type(item), KINDS) and not issubclass(type(item), random.SystemRandom)


def _package(kind: type) -> str:
    return str(getattr(kind, "__module__", "")).partition(".")[0]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that nothing was given to yet
        return None


def _seeds_workers(given: Any) -> bool:
    return given is not None and getattr(getattr(given, "func", given), "__name__", "") != GLOBALLY


class _Walk:
    """Looks into objects that a dataset consists of, by their attributes, to a certain depth."""

    def __init__(self) -> None:
        self.found: list[Carried] = []
        self.minds_workers = False
        self._known: set[int] = set()

    def visit(self, value: Any, name: str, depth: int) -> None:
        if depth == 0 or id(value) in self._known or len(self._known) >= MOST:
            return
        self._known.add(id(value))
        if type(value) in (list, tuple):
            for place, item in enumerate(value[:ITEMS]):
                self.visit(item, f"{name}[{place}]", depth - 1)
        elif type(value) is dict:
            for key, item in list(islice(value.items(), ITEMS)):
                self.visit(item, f"{name}[{key!r}]", depth - 1)
        elif type(value) is FunctionType:
            self._function(value, name)
        elif _package(type(value)) not in SHARDING and not issubclass(type(value), torch.Tensor):
            self._object(value, name, depth)

    def _object(self, value: Any, name: str, depth: int) -> None:
        try:
            attributes = dict(vars(value))
        except Exception:  # noqa: BLE001 - nothing to look into, or an object that does not want to be looked into
            return
        drawn = _drawn_from(type(value))
        mentioned = {word for function in drawn for word in _words(function.__code__)}
        self.minds_workers |= "get_worker_info" in mentioned
        reseeds = bool(mentioned & RESEEDS)
        for attribute, item in attributes.items():
            if _generates(item):
                if attribute in mentioned and not reseeds:
                    self._keep(f"{name}.{attribute}", item)
            else:
                self.visit(item, f"{name}.{attribute}", depth - 1)
        if not reseeds:
            self._globals(drawn)

    def _function(self, function: FunctionType, name: str) -> None:
        mentioned = set(_words(function.__code__))
        self.minds_workers |= "get_worker_info" in mentioned
        if mentioned & RESEEDS:
            return
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            item = _content(cell)
            if _generates(item):
                self._keep(f"{name}: {free}", item)
        self._globals([function])

    def _globals(self, functions: list[FunctionType]) -> None:
        for function in functions:
            for word in _words(function.__code__):
                item = function.__globals__.get(word)
                if _generates(item):
                    self._keep(f"{function.__module__}.{word}", item)

    def _keep(self, name: str, generator: Any) -> None:
        if all(known.generator is not generator for known in self.found):
            self.found.append(Carried(name=name, generator=generator, state=state_of(generator)))


def _drawn_from(kind: type) -> list[FunctionType]:
    """Return the methods of a class that run when an example is made: entries, and what they call of the class."""
    methods: dict[str, FunctionType] = {}
    for base in reversed(kind.__mro__):
        methods |= {name: item for name, item in vars(base).items() if type(item) is FunctionType}
    waiting, taken = [name for name in ENTRIES if name in methods], dict[str, FunctionType]()
    while waiting:
        name = waiting.pop()
        if name not in taken:
            taken[name] = methods[name]
            waiting += [word for word in _words(methods[name].__code__) if word in methods and word != "__init__"]
    return list(taken.values())


def _words(code: CodeType) -> Iterator[str]:
    """Yield the names of globals and attributes that code mentions, and those in functions within it."""
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _words(constant)
