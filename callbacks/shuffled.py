"""The order in which a loader gives its examples, and examples drawn from all over one that gives them in order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sized
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

RANDOM = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def shuffles(loader: Any) -> bool | None:
    """Return whether a loader gives its examples in a random order; None where that cannot be seen."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    if loader.batch_sampler is not None and type(loader.batch_sampler) is not BatchSampler:
        return None
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    if isinstance(sampler, DistributedSampler):
        return bool(sampler.shuffle)
    return True if isinstance(sampler, RANDOM) else False if isinstance(sampler, SequentialSampler) else None


def in_order(loaders: Any) -> bool:
    """Return whether a training loader, or one of several, gives its examples unshuffled."""
    if isinstance(loaders, dict | list | tuple):
        return any(in_order(item) for item in (loaders.values() if isinstance(loaders, dict) else loaders))
    return shuffles(loaders) is False


def spread_out(loader: Iterable[Any], batches: int) -> DataLoader[Any] | None:
    """Return a loader of batches of random examples like those of one that gives them in order.

    Its random numbers are its own, with a fixed seed: every rank draws the same examples, and so does every run.

    Args:
        loader: A user's loader.
        batches: How many.

    Returns:
        None where the loader is not in order, or its examples cannot be picked.
    """
    if not isinstance(loader, DataLoader) or shuffles(loader) is not False or not isinstance(loader.dataset, Sized):
        return None
    if type(loader).__iter__ is not DataLoader.__iter__:
        return None
    total = len(loader.dataset)
    picked = random.Random(0).sample(range(total), min(total, batches * (loader.batch_size or 1)))  # noqa: S311
    return DataLoader(
        Subset(loader.dataset, picked),
        batch_size=loader.batch_size,
        collate_fn=loader.collate_fn,
        drop_last=loader.drop_last,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=torch.Generator().manual_seed(0),
    )
