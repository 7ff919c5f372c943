"""Which label each training example was given and what the model says instead, over the first epochs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.nn import functional

from .batches import batch_size, first_tensor, plain
from .compiling import COMPILED, compiled, compiled_frames, compiles
from .contradictions import contradictions
from .monitor import Monitor, guarded
from .purse import SAMPLES
from .schedule import Thinning
from .watching import Watching, transformed

OBSERVED = 40_000  # observations after which no further one is made
CLASSES = 1000  # of more, nothing is kept
FEATURES = 4096  # of an example, evenly spaced, by which it is known
TRIED = 10  # steps without a classification, after which nobody looks for one any more
CALL_S = 2e-6  # what a call costs more for being watched
SHARE = 0.25  # of what samples may take, for these


class LabelMonitor(Monitor):
    """Follow some examples through the epochs: the label they come with, and what the model takes them for.

    Examples are known by a digest of their inputs, so that only what is not augmented is met again. Seen are
    classifications that the training step computes by `cross_entropy`, one label an example; a language model's next
    token is none.

    Records:
        labels: Event with the examples that were met again and what the model said of them.

    Args:
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "labels"

    def __init__(self, *, dirpath: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dirpath=dirpath)
        self.due = Thinning(dense=0, every=2)

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether the module's own calls can be seen."""
        self._watch: Classified | None = None
        self._waiting: list[tuple[int, Tensor]] = []
        self._rows: list[np.ndarray[Any, Any]] = []
        self._count, self._step, self._empty, self._spent = 0, -1, 0, 0.0
        self._weights: Tensor | None = None
        self._watches = trainer.global_rank == 0
        if compiled(pl_module):
            self.switch_off(COMPILED)

    @guarded
    def _begin(self, trainer: Trainer, batch: Any) -> None:
        step = trainer.global_step + 1
        self.close()  # of a batch that had no end
        if not self._watches or step == self._step or not self._may(step):
            return
        if compiled_frames() or compiles():
            self.switch_off("a function is compiled in this process: to watch it would compile it once more")
            return
        self._step = step
        self._watch = Classified(batch_size(batch))
        self._watch.watch()

    def _may(self, step: int) -> bool:
        """Return whether a step is watched: within a share of what samples may take, so that others get theirs."""
        if self.session is None or not self.may_sample(step, self.due):
            return False
        purse = self.session.purse
        whole = purse.left(SAMPLES) + purse.spent[SAMPLES]
        return self._spent <= SHARE * whole

    @guarded
    def _look_away(self) -> None:
        if self._watch is not None:
            self._watch.leave()

    @guarded
    def _end(self, batch: Any) -> None:
        watch, self._watch = self._watch, None
        if watch is None or self.session is None:
            return
        watch.leave()
        began = time.perf_counter()
        if watch.problem is not None:
            raise watch.problem
        found, inputs = watch.found, first_tensor(batch)
        if found is None or inputs is None or not _tells(inputs) or len(inputs) != len(found):
            self._empty += 1
        else:
            with torch.no_grad():
                self._waiting.append((self._step, torch.cat([self._digest(inputs)[:, None].double(), found], dim=1)))
            self._count += len(found)
        self._watches = self._count < OBSERVED and (self._count > 0 or self._empty < TRIED)
        self.seconds += watch.seconds
        spent = watch.seconds + time.perf_counter() - began
        self._spent += spent
        self.session.purse.spent[SAMPLES] += spent

    def _digest(self, inputs: Tensor) -> Tensor:
        """Return a whole number below 2⁵² for each example; sums of integers are the same in any order."""
        flat = inputs.detach().flatten(1)
        flat = flat[:, :: -(-flat.shape[1] // FEATURES) or 1]
        exact = flat.float().contiguous().view(torch.int32) if flat.is_floating_point() else flat
        exact = exact.to(torch.int64)
        if self._weights is None or len(self._weights) < exact.shape[1]:
            draw = torch.Generator().manual_seed(0)
            self._weights = torch.randint(-(2**62), 2**62, (exact.shape[1],), generator=draw).to(exact.device)
        mixed = (exact * self._weights[: exact.shape[1]]).sum(dim=1)
        return (mixed ^ (mixed >> 31)) & (2**52 - 1)

    def flush(self) -> None:
        """Move what was seen off the device."""
        waiting, self._waiting = self._waiting, []
        for step, rows in waiting:
            found = rows.cpu().numpy()
            found = found[found[:, 1] >= 0]
            self._rows.append(np.column_stack([found, np.full(len(found), step)]))

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what was seen of the examples."""
        self.flush()
        if self._rows and self.session is not None:
            self.session.event("labels", step=trainer.global_step, **contradictions(np.concatenate(self._rows)))

    def close(self) -> None:
        """Leave no mode behind in a run that broke within a step."""
        if self._watch is not None:
            self._watch.leave()
            self._watch = None

    def fail(self, error: Exception) -> None:
        """Look away before the monitor is off."""
        self.close()
        super().fail(error)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Begin to watch."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self._begin(trainer, batch)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Look away after the forward pass; by hand there may be several."""
        if pl_module.automatic_optimization:
            self._look_away()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep what was seen."""
        self._end(batch)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_watch": None, "_waiting": [], "_rows": [], "_weights": None}


def _tells(inputs: Tensor) -> bool:
    """Return whether inputs tell examples apart: a number of a user or an item is not all of one."""
    return inputs.ndim > 1 and plain(inputs)


class Classified(Watching):
    """A mode that notes the first classification of a batch's examples.

    Args:
        size: Examples in the batch.

    Attributes:
        found: For each example its label, -1 where that is none of the classes, the likeliest other class, and the
            probabilities of both; shape [size, 4].
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.found: Tensor | None = None
        self._size = size

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func` as if nobody watched, then note."""
        options = kwargs or {}
        out = func(*args, **options)
        began = time.perf_counter()
        if func is functional.cross_entropy and self.found is None and not transformed():
            self._quietly(lambda: self._classified(*args[:2], **options))
        self.seconds += CALL_S + time.perf_counter() - began
        return out

    def _classified(self, input: Tensor, target: Tensor, **_: Any) -> None:  # noqa: A002 - as torch calls it
        if input.ndim != 2 or target.ndim != 1 or len(input) != self._size or not 2 <= input.shape[1] <= CLASSES:
            return
        if target.is_floating_point() or len(target) != self._size:
            return
        share = input.detach().double().softmax(dim=1)
        inside = (target >= 0) & (target < input.shape[1])  # others are ignored by the loss
        label = torch.where(inside, target, 0).long()[:, None]
        own = share.gather(1, label)
        other, place = share.scatter(1, label, -1.0).max(dim=1)
        told = torch.where(inside, target, -1)[:, None]
        self.found = torch.cat([told.double(), place[:, None].double(), own, other[:, None]], dim=1)
