"""The probe: copies of some batches, kept to be evaluated again and again on ever newer weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from .shuffled import shuffles, spread_out

LARGEST_PROBE = 64 * 2**20  # bytes of copied batches


class Probe:
    """Copies of some batches, on the CPU, as many as fit.

    Args:
        most: How many.
        room: Bytes after which no further batch is taken.

    Attributes:
        batches: The copies.
    """

    def __init__(self, most: int, room: int = LARGEST_PROBE) -> None:
        self.batches: list[Any] = []
        self._most, self._room, self._bytes = most, room, 0

    @property
    def full(self) -> bool:
        """Whether no further batch is taken."""
        return len(self.batches) >= self._most or self._bytes >= self._room

    def offer(self, batch: Any) -> None:
        """Copy a batch, if there is room."""
        if not self.full:
            self.batches.append(apply_to_collection(batch, Tensor, self._copy))

    def draw(self, loader: Iterable[Any], trainer: Trainer, pl_module: LightningModule) -> bool:
        """Fill up from a loader's own iterator, which is let go; the module's transfer hooks see each batch.

        Returns:
            Whether the examples are random ones: where the loader gives them in order, others are picked if possible.
        """
        picked = spread_out(loader, self._most)
        source = loader if picked is None else picked
        with _generators(loader):
            iterator = iter(source)
            while not self.full and (batch := next(iterator, None)) is not None:
                before = _transfer_hooks(trainer, pl_module).on_before_batch_transfer(batch, 0)
                self.offer(trainer.strategy.batch_to_device(before, dataloader_idx=0))
            del iterator  # ends its workers
        return shuffles(source) is True or picked is not None

    def _copy(self, tensor: Tensor) -> Tensor:
        self._bytes += tensor.numel() * tensor.element_size()
        return tensor.detach().to("cpu", copy=True)


def given_loader(loader: Any) -> Iterable[Any] | None:
    """Return a loader that a probe can be drawn from.

    Raises:
        ValueError: It is no iterable of batches, or its iterator would stay open.
    """
    if loader is None:
        return None
    if isinstance(loader, str | Tensor) or not hasattr(loader, "__iter__") or hasattr(loader, "__next__"):
        raise ValueError(f"train_eval_dataloader must be a DataLoader of training examples or None, got {loader!r}")
    if getattr(loader, "persistent_workers", False):
        raise ValueError("train_eval_dataloader must not have persistent_workers: it is read once and closed again")
    return loader  # type: ignore[no-any-return]


def trains_on(loader: Any, given: Any) -> bool:
    """Return whether a loader is the training loader or one of several."""
    if isinstance(given, dict | list | tuple):
        return any(trains_on(loader, item) for item in (given.values() if isinstance(given, dict) else given))
    return loader is given


def _transfer_hooks(trainer: Trainer, pl_module: LightningModule) -> Any:
    """Return whose transfer hook Lightning would call: the data module's, if it has one of its own."""
    data = getattr(trainer, "datamodule", None)
    hook = getattr(type(data), "on_before_batch_transfer", None)
    own = hook is not None and not hook.__qualname__.startswith("DataHooks.")
    return data if own else pl_module


@contextmanager
def _generators(loader: Any) -> Iterator[None]:
    """Put back the random state of a loader and its samplers: the training loader may share their generator."""
    batches = getattr(loader, "batch_sampler", None)
    holders = (loader, batches, getattr(loader, "sampler", None), getattr(batches, "sampler", None))
    found = [getattr(holder, "generator", None) for holder in holders]
    states = [(g, g.get_state()) for g in found if isinstance(g, torch.Generator)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)
