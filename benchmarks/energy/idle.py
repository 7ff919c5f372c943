"""What the monitor takes of the processor while the training itself takes next to nothing."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from groundwire.callbacks import CarbonMonitor

from ..efficiency.running import fit
from .course import Sleeper
from .power import Truth

WARM, STEP_S, REPEATS = 5, 1.0, 3


class Processor(L.Callback):
    """Reads the processor's time of this process, from a step on that finds the meter at work."""

    def __init__(self, steps: int) -> None:
        self.steps, self.read = steps, (0.0, 0.0)
        self.share = 0.0

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Read."""
        now = (time.process_time(), time.monotonic())
        if trainer.global_step == WARM:
            self.read = now
        elif trainer.global_step == self.steps:
            self.share = (now[0] - self.read[0]) / (now[1] - self.read[1])


def share(*, on: bool, steps: int, step_s: float = STEP_S) -> float:
    """Return the share of a core that a process takes whose steps only sleep."""
    clock, data = Processor(steps), torch.utils.data.DataLoader([torch.zeros(1)] * steps)
    with tempfile.TemporaryDirectory() as folder:
        monitors = [CarbonMonitor(dirpath=folder)] if on else []
        fit(Sleeper(Truth(), step_s), data, *monitors, clock)
    return clock.share


def table(seconds: int = 60, repeats: int = REPEATS) -> Iterator[str]:
    """Yield what it comes to, interleaved."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(repeats):
        for on in found:
            found[on].append(share(on=on, steps=WARM + seconds))
    without, with_it = (statistics.median(found[on]) for on in (False, True))
    least, most = min(found[True]) - without, max(found[True]) - without
    yield "| processor of a fit that sleeps | share of a core |"
    yield "|---|---|"
    yield f"| without the monitor | {without:.3%} |"
    yield f"| with it | {with_it:.3%} |"
    yield f"| difference (range) | {with_it - without:.3%} ({least:.3%} to {most:.3%}) |"
