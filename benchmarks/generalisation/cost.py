"""What measuring the gap costs: its share of a training of at least a minute, at defaults."""

from __future__ import annotations

import logging
import statistics
import warnings
from collections.abc import Iterator

import torch
from groundwire.callbacks import AuditCallback

from .. import overhead

PARTS = ("overfitting", "forecast")
LEAST_S = 60.0


def measure(repeats: int = 3, steps: int = 1500) -> Iterator[str]:
    """Yield the table: seconds by the monitor's own clock; `benchmarks.overhead` compares fits with and without.

    Args:
        repeats: Fits.
        steps: Optimizer steps of a fit.
    """
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    workload = overhead.WORKLOADS[0]
    shares: dict[str, list[float]] = {part: [] for part in PARTS}
    seconds = []
    for _ in range(repeats):
        audit = AuditCallback(generation=None)
        found = overhead.fit(workload, [audit], steps)
        spent = {part.name: part.seconds for part in audit.parts}
        for part in PARTS:
            shares[part].append(spent[part] / found.whole)
        seconds.append(found.whole)
    short = "" if min(seconds) >= LEAST_S else f" (shorter than {LEAST_S:.0f} s: take more steps)"
    length = f"{statistics.median(seconds):.0f} s{short}"
    yield f"{workload.title}, {steps} steps in {length}, median (range) of {repeats}:\n"
    yield "| what | share of the fit |\n|---|---|"
    for part, found_shares in shares.items():
        yield f"| {part} monitor, by its own clock | {_told(found_shares)} |"


def _told(shares: list[float]) -> str:
    return f"{statistics.median(shares):.2%} ({min(shares):.2%} to {max(shares):.2%})"
