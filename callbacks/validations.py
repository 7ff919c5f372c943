"""What the validation in progress gives away by itself: returned losses, the time it takes, copies of its batches."""

from __future__ import annotations

import time
from typing import Any

from .probe import LARGEST_PROBE, Probe
from .sample import Sample
from .step_loss import Returned, sample_of


class Validation:
    """One validation after the other, loader by loader.

    Args:
        batches: How many batches of a loader are kept, where they are needed.
        monitor: Key of the logged loss; what the step returns is then no loss.
        always: Whether batches of the first loader are needed although their losses are returned.
        ranks: How many processes train.

    Attributes:
        seconds_per_batch: What `validation_step` took on average, 0 before the first.
    """

    def __init__(self, batches: int, *, monitor: str | None = None, always: bool = False, ranks: int = 1) -> None:
        self._batches, self._room = batches, LARGEST_PROBE
        self._monitor, self._always, self._ranks = monitor, always, ranks
        self._believed = False
        self._returned: dict[int, list[Returned]] = {}
        self._kept: dict[int, Probe] = {}
        self._samples: dict[int, Sample] = {}
        self._seconds = self._began = 0.0
        self._count = 0

    @property
    def seconds_per_batch(self) -> float:
        """What one batch took on average."""
        return self._seconds / self._count if self._count else 0.0

    @property
    def loaders(self) -> list[int]:
        """Loaders that have given a batch."""
        return sorted(self._kept)

    def restart(self, loaders: int) -> None:
        """Forget the validation before; its loaders share the room for copies."""
        self._room = LARGEST_PROBE // max(1, loaders)
        self._returned, self._kept, self._samples = {}, {}, {}

    def before(self, batch: Any, loader: int) -> None:
        """Copy a batch, if it may be needed: that the step returns no loss shows at its first batch."""
        kept = self._kept.setdefault(loader, Probe(self._batches, self._room))
        if self.asks(loader):
            kept.offer(batch)
        self._began = time.perf_counter()

    def after(self, outputs: Any, batch: Any, loader: int) -> None:
        """Keep the loss that the step returned."""
        self._seconds += time.perf_counter() - self._began
        self._count += 1
        returned = None if self._monitor else Returned.of(outputs, batch)
        if returned is not None:
            self._returned.setdefault(loader, []).append(returned)

    def believe(self) -> None:
        """Take numbers that the step returns alone for its loss."""
        self._believed = True

    def returns(self, loader: int) -> bool:
        """Return whether the losses of a loader are known from what the step returned."""
        said = self._returned.get(loader, [])
        return bool(said) and (said[0].named or self._believed)

    def asks(self, loader: int) -> bool:
        """Return whether the step has to be asked about batches of a loader once more.

        Of several ranks all ask about the same loaders, whatever one of them believes: the step may wait for them.
        """
        alone = self._ranks > 1 and not all(said.named for said in self._returned.get(loader, []))
        return alone or not self.returns(loader) or (loader == 0 and self._always)

    def sample(self, loader: int) -> Sample:
        """Return the losses that the step returned for all batches of a loader, once the validation is over."""
        if loader not in self._samples:
            self._samples[loader] = sample_of(self._returned.get(loader, ()))
        return self._samples[loader]

    def batches(self, loader: int) -> list[Any]:
        """Return the copies of the first batches of a loader."""
        return self._kept[loader].batches if loader in self._kept else []
