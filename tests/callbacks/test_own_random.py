"""Generators that workers get copies of are found by what code mentions, and left alone where they are seeded."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from groundwire.callbacks.own_random import carried, repeats_by_right, shards_itself, state_of, workers_of
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, WeightedRandomSampler, get_worker_info

MODULE_WIDE = np.random.default_rng(0)


class Plain(Dataset[Any]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("nothing of the user's is called")


class Drawing(Plain):
    def __init__(self, rng: Any) -> None:
        self.rng = rng

    def __getitem__(self, index: int) -> Any:
        return self._noise()

    def _noise(self) -> Any:
        return self.rng.random()


class Splitting(Plain):
    """Draws once, when it is made."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.order = self.rng.permutation(8)


class Seeding(Drawing):
    def __getitem__(self, index: int) -> Any:
        self.rng = np.random.default_rng(index)
        return self.rng.random()


class Minding(Drawing):
    def __getitem__(self, index: int) -> Any:
        return get_worker_info(), self.rng.random()


class Jitter:
    def __init__(self) -> None:
        self.dice = random.Random(0)

    def __call__(self, value: Any) -> Any:
        return value + self.dice.random()


class Transforming(Plain):
    def __init__(self, *transforms: Any) -> None:
        self.transforms = {"train": list(transforms)}


class Wide(Plain):
    def __getitem__(self, index: int) -> Any:
        return MODULE_WIDE.random()


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(())


def names(dataset: Any, **options: Any) -> list[str]:
    return [found.name for found in carried(DataLoader(dataset, **{"num_workers": 2} | options))]


def closure() -> Any:
    rng = np.random.RandomState(0)
    return lambda value: value + rng.rand()


@pytest.mark.parametrize(
    "rng",
    [np.random.default_rng(0), np.random.RandomState(0), random.Random(0), torch.Generator()],
    ids=lambda rng: type(rng).__name__ + str(rng.__class__.__module__).partition(".")[0],
)
def test_a_generator_that_is_drawn_from_is_found(rng: Any) -> None:
    assert names(Drawing(rng)) == ["dataset.rng"]
    assert names(Subset(Drawing(rng), [0])) == ["dataset.dataset.rng"]


def test_generators_in_transforms_closures_and_modules_are_found() -> None:
    assert names(Transforming(str, Jitter())) == ["dataset.transforms['train'][1].dice"]
    assert names(Transforming(closure())) == ["dataset.transforms['train'][0]: rng"]
    assert names(Wide()) == [f"{__name__}.MODULE_WIDE"]
    assert names(Plain(), collate_fn=Jitter()) == ["collate_fn.dice"]


@pytest.mark.parametrize(
    "dataset", [Plain(), Splitting(), Seeding(np.random.default_rng(0)), Minding(random.Random(0)),
                Drawing(random.SystemRandom())], ids=lambda d: type(d).__name__,
)  # fmt: skip
def test_generators_that_do_no_harm_are_not_named(dataset: Any) -> None:
    assert names(dataset) == []


def test_seeded_workers_or_none_are_left_alone_unless_only_global_numbers_are_seeded() -> None:
    def pl_worker_init_function(worker: int) -> None: ...

    dataset = Drawing(random.Random(0))
    assert names(dataset, worker_init_fn=lambda _: None) == []
    assert names(dataset, num_workers=0) == []
    assert names(dataset, worker_init_fn=pl_worker_init_function) == ["dataset.rng"]
    assert carried([dataset]) == []


def test_a_dataset_that_holds_itself_comes_to_an_end() -> None:
    dataset = Transforming()
    dataset.transforms["train"].append(dataset)
    assert names(dataset) == []


@pytest.mark.parametrize(
    "rng",
    [np.random.default_rng(0), np.random.RandomState(0), random.Random(0), torch.Generator()],
    ids=lambda rng: type(rng).__name__ + str(rng.__class__.__module__).partition(".")[0],
)
def test_a_generator_that_was_drawn_from_is_not_untouched(rng: Any) -> None:
    (found,) = carried(DataLoader(Drawing(rng), num_workers=2))
    assert found.untouched
    before = state_of(rng)
    torch.rand(1, generator=rng) if isinstance(rng, torch.Generator) else rng.random()
    assert not found.untouched
    assert state_of(rng) != before


def test_what_a_loader_does_is_told() -> None:
    again = DataLoader(Plain(), sampler=WeightedRandomSampler([1.0] * 8, 8), num_workers=3)
    assert (workers_of(again), repeats_by_right(again), shards_itself(again)) == (3, True, False)
    once = DataLoader(Stream(), num_workers=0)
    assert (workers_of(once), repeats_by_right(once), shards_itself(once)) == (0, False, True)
    assert (workers_of({"a": once}), repeats_by_right({"a": once}), shards_itself({"a": once})) == (0, False, False)
