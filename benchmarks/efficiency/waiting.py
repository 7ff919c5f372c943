"""Loaders that supply batches at a known rate, and how long a training of a known speed must wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

BATCH = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Supply:
    """A loader and a training.

    Attributes:
        name: What the loader is.
        batch_s: Seconds that one worker, or the process itself, takes for a batch.
        step_s: Seconds that a training step takes.
        workers: How many workers the loader has.
        iterable: Whether the data has no length.
    """

    name: str
    batch_s: float
    step_s: float
    workers: int = 0
    iterable: bool = False

    @property
    def wait_s(self) -> float:
        """Seconds that a step must wait, once the workers are on their way."""
        return max(0.0, self.batch_s / self.workers - self.step_s) if self.workers else self.batch_s

    @property
    def share(self) -> float:
        """Share of the time."""
        return self.wait_s / (self.wait_s + self.step_s)

    def loader(self, batches: int) -> DataLoader[Any]:
        """Return the loader."""
        kind = Stream if self.iterable else Slow
        return DataLoader(kind(batches * BATCH, self.batch_s / BATCH), batch_size=BATCH, num_workers=self.workers)


class Slow(Dataset[Tensor]):
    """Examples that each take a time."""

    def __init__(self, length: int, example_s: float) -> None:
        self.length, self.example_s = length, example_s

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        time.sleep(self.example_s)
        return torch.ones(8)


class Stream(IterableDataset[Tensor]):
    """The same without a length."""

    def __init__(self, length: int, example_s: float) -> None:
        self.length, self.example_s = length, example_s

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.length):
            time.sleep(self.example_s)
            yield torch.ones(8)


class Stopwatch:
    """A loader whose every batch but the first is timed where it is asked for."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader, self.seconds = loader, 0.0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        yield next(batches)
        began = time.perf_counter()
        for batch in batches:
            self.seconds += time.perf_counter() - began
            yield batch
            began = time.perf_counter()


class Sleeper(L.LightningModule):
    """A training step that takes a time."""

    def __init__(self, step_s: float) -> None:
        super().__init__()
        self.step_s = step_s
        self.net = nn.Linear(8, 1)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Sleep."""
        time.sleep(self.step_s)
        return self.net(batch).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return a plain optimizer."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


SUPPLIES = (
    Supply(name="two workers, more than twice as fast as needed", batch_s=0.04, step_s=0.05, workers=2),
    Supply(name="in the process, a third of the time", batch_s=0.01, step_s=0.02),
    Supply(name="one worker, half as fast as needed", batch_s=0.04, step_s=0.02, workers=1),
    Supply(name="in the process without a length, four fifths", batch_s=0.04, step_s=0.01, iterable=True),
)
