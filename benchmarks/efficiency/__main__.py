"""`python -m benchmarks.efficiency` from the repository root compares the monitor with what arithmetic says."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from typing import Any

import lightning as L
import torch
from groundwire.callbacks.efficiency import EfficiencyMonitor

from .models import KNOWN
from .running import fit, measured
from .waiting import SUPPLIES, Sleeper, Stopwatch

BATCHES, SIZE, WAITS, STEPS, REPEATS = 12, 4, 100, 1500, 5


class Clock(L.Callback):
    """Times each step from the start of its batch to the start of the next."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """Take the time."""
        self.times.append(time.perf_counter())

    @property
    def median_s(self) -> float:
        """Seconds of the middle step."""
        return statistics.median(later - one for one, later in pairwise(self.times))


def operations() -> list[str]:
    """Return a table of operations."""
    lines = ["| model | exact FLOP | counted | error |", "|---|---|---|---|"]
    for known in KNOWN:
        metrics, _ = measured(known.make(), known.loader(batches=BATCHES, size=SIZE))
        exact, counted = BATCHES * known.flop(SIZE), metrics["efficiency.training_flop"].value or 0.0
        lines.append(f"| {known.name} | {exact:,.0f} | {counted:,.0f} | {counted / exact - 1:+.2%} |")
    return lines


def waits() -> list[str]:
    """Return a table of waiting, once the loader is on its way: without the first batch."""
    lines = ["| loader | share by arithmetic | by a stopwatch in the loader | measured | off by, points |"]
    lines.append("|---|---|---|---|---|")
    for supply in SUPPLIES:
        loader = Stopwatch(supply.loader(WAITS))
        metrics, events = measured(Sleeper(supply.step_s), loader)
        fit_s = sum(events[-1]["seconds"].values())
        rest_s = fit_s - events[-1]["startup_s"]
        share = (metrics["efficiency.data_wait_share"].value or 0.0) * fit_s / rest_s
        timed = loader.seconds / rest_s
        off = f"{100 * (share - supply.share):+.1f}, {100 * (share - timed):+.1f}"
        lines.append(f"| {supply.name} | {supply.share:.1%} | {timed:.1%} | {share:.1%} | {off} |")
    return lines


def cost() -> list[str]:
    """Return what the monitor adds to a step that does next to nothing."""
    data = torch.utils.data.DataLoader([torch.ones(8)] * STEPS, batch_size=1)
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(REPEATS):
        for on in found:
            clock = Clock()
            fit(Sleeper(0.0), data, clock, *([EfficiencyMonitor()] if on else []))
            found[on].append(clock.median_s)
    base, full = (1e6 * statistics.median(found[on]) for on in (False, True))
    told = f"{base:,.0f} µs without, {full:,.0f} µs with the monitor and its record: {full - base:+,.0f} µs"
    return [f"A step of next to nothing: {told}."]


def main() -> None:
    """Measure and print."""
    for table in (operations, waits, cost):
        print(*table(), "", sep="\n", flush=True)


if __name__ == "__main__":
    main()
