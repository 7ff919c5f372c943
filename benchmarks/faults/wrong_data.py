"""Faults of the data: features that hold nothing, inputs that are lost, examples made twice or on both sides."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from .data import Pair
from .plan import Plan


def constant_features(plan: Plan) -> None:
    """Lose a few features: in training only, or on both sides, where features are dense."""
    data = plan.data
    dense = plan.recipe.data != "digits"
    chosen = _well_filled(data.train[0], plan.draw)[: 2 if dense else 6]
    sides = {"train": _without(data.train, chosen)}
    if dense and plan.variant % 2:
        sides["val"] = _without(data.val, chosen)
    plan.data = replace(data, **sides)


def _well_filled(inputs: Tensor, draw: torch.Generator) -> Tensor:
    """Return features in a random order, those first that often have another value than their most frequent one."""
    frequent = (inputs == inputs.mode(dim=0).values).float().mean(dim=0)
    good = torch.where(frequent < 0.7)[0]
    return good[torch.randperm(len(good), generator=draw)]


def _without(pair: Pair, chosen: Tensor) -> Pair:
    inputs = pair[0].clone()
    inputs[:, chosen] = 0.0
    return inputs, pair[1]


def input_ignored(plan: Plan) -> None:
    """Multiply the inputs by a mask of zeros, or compute with noise in their place."""
    module = plan.module
    right = module.forward
    lost = torch.zeros_like if plan.variant % 2 else torch.randn_like

    @functools.wraps(right)
    def forward(inputs: Tensor) -> Tensor:
        return right(lost(inputs))

    module.forward = forward  # type: ignore[method-assign]


class Stream(IterableDataset[Pair]):
    """Batches of a set, in an order of the epoch's own; every worker yields them all."""

    def __init__(self, pair: Pair, batch_size: int, seed: int) -> None:
        self.pair, self.batch_size, self.seed = pair, batch_size, seed

    def __iter__(self) -> Iterator[Pair]:
        order = torch.randperm(len(self.pair[0]), generator=torch.Generator().manual_seed(self.seed))
        for chosen in order.split(self.batch_size):
            yield self.pair[0][chosen], self.pair[1][chosen]


class Noisy(Dataset[Pair]):
    """Batches of a set, each with noise from a generator that the dataset carries."""

    def __init__(self, pair: Pair, batch_size: int, seed: int) -> None:
        self.pair, self.batch_size = pair, batch_size
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.pair[0]) // self.batch_size

    def __getitem__(self, index: int) -> Pair:
        inputs, targets = (part[index * self.batch_size : (index + 1) * self.batch_size] for part in self.pair)
        noise = self.rng.normal(0, 0.1, inputs.shape).astype(np.float32)
        return inputs + torch.from_numpy(noise), targets


def reseed(worker: int) -> None:
    """Give a worker's copy of a dataset numbers of its own."""
    info = torch.utils.data.get_worker_info()
    if info is not None:
        info.dataset.rng = np.random.default_rng([torch.initial_seed() % 2**32, worker])


def duplicate_augmentation(plan: Plan) -> None:
    """Load with two workers that all yield the whole stream, or all carry the same generator."""
    recipe = plan.recipe
    kind = Stream if plan.variant % 2 else Noisy
    made = kind(plan.data.train, recipe.batch_size, recipe.seed)
    plan.train_loader = lambda: _with_workers(made)  # type: ignore[method-assign]


def seeded_workers(plan: Plan) -> None:
    """Load with two workers that are seeded apart."""
    made = Noisy(plan.data.train, plan.recipe.batch_size, plan.recipe.seed)
    plan.train_loader = lambda: _with_workers(made, worker_init_fn=reseed)  # type: ignore[method-assign]


def _with_workers(made: Dataset[Pair], **options: object) -> DataLoader[Pair]:
    shuffle = None if isinstance(made, IterableDataset) else True
    return DataLoader(made, None, shuffle, num_workers=2, persistent_workers=True, **options)  # type: ignore[arg-type]


def train_validation_leakage(plan: Plan) -> None:
    """Copy a share of the validation examples into the training set, or make that share of validation of it."""
    train, val = plan.data.train, plan.data.val
    share = (0.05, 0.1, 0.2, 0.3, 0.5)[plan.variant % 5]
    amount = max(6, round(share * len(val[0])))
    if plan.variant % 2:
        chosen = torch.randperm(len(val[0]), generator=plan.draw)[:amount]
        moved: Pair = (torch.cat([train[0], val[0][chosen]]), torch.cat([train[1], val[1][chosen]]))
        plan.data = replace(plan.data, train=moved)
    else:
        chosen = torch.randperm(len(train[0]), generator=plan.draw)[:amount]
        kept = len(val[0]) - amount
        mixed: Pair = (torch.cat([val[0][:kept], train[0][chosen]]), torch.cat([val[1][:kept], train[1][chosen]]))
        plan.data = replace(plan.data, val=mixed)
