"""Lightning's own SpikeDetection, as it is, with its defaults.

It ends a training by an exception at the first spike. To see what it would say of a run without ending it, the class
itself is given the losses that the run returned, batch by batch, until it raises. The index of a batch is that within
its epoch, as Lightning passes it. Where the module returns no loss it cannot be used, and is taken to stay silent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.spike import SpikeDetection, TrainingSpikeException

from .declaration import Alarm, Peer
from .observed import Observed

MEANS = {
    "loss spike": ("loss-spike", "divergence", "non-finite", "exploding-gradient", "updates-too-large",
                   "skipped-steps", "scheduler-mistake"),
}  # fmt: skip


@cache
def _fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def judge(run: Observed) -> Iterator[Alarm]:
    """Yield the first batch at which it raises."""
    with tempfile.TemporaryDirectory() as folder:
        watcher = SpikeDetection(exclude_batches_path=folder)
        for place, loss in enumerate(run.loss):
            try:
                watcher.on_train_batch_end(_fabric(), torch.tensor(loss), None, int(run.batch[place]))
            except TrainingSpikeException:
                yield Alarm("loss spike", place + 1)
                return


PEER = Peer(name="Lightning SpikeDetection", means=MEANS, judge=judge,
            source="lightning.fabric.utilities.spike.SpikeDetection, default arguments")  # fmt: skip
