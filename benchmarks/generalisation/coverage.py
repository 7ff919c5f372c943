"""How often the interval of the gap holds the true gap, where it is known.

Losses of examples are drawn from a gamma distribution, as skewed as those of a classifier: few examples have most of
the loss. Training examples have a lower mean. The monitor's own functions make the interval of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from groundwire.callbacks.sample import FEWEST, Sample, spread

from ..simulation.samples import Share

TRAIN_MEAN, VAL_MEAN = 0.3, 0.8
PROBE = 8  # batches that the monitor keeps by default
FEW = 4  # batches of the rows whose examples are known
SIZES = (8, 16, 32, 64, 256, 2048)  # examples
BATCHES = ((2, 8), (4, 8), (8, 8), (8, 32), (32, 32))  # of validation: how many, and how large
SHAPES = {"mild": 2.0, "strong": 0.5}  # of the gamma distribution: skewness 1.4 and 2.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """What a number of simulations showed.

    Attributes:
        held: How many intervals held the truth.
        missing: How many had none.
        of: How many there were.
        width: Mean half width, in units of the gap.
    """

    held: int
    missing: int
    of: int
    width: float


def simulate(val: tuple[int, int], train: tuple[int, int], shape: float, *, examples: bool, repeats: int) -> Covered:
    """Return how often the interval held.

    Args:
        val: Batches of validation, and examples in each.
        train: The same of the training probe.
        shape: Of the gamma distribution.
        examples: Whether the losses of examples are known, or only those of batches.
        repeats: Simulations.
    """
    rng = np.random.default_rng(int(np.prod(val)) + 7 * val[0] + int(1000 * shape))
    truth, held, halves = VAL_MEAN - TRAIN_MEAN, 0, []
    for _ in range(repeats):
        first = _drawn(rng, TRAIN_MEAN, shape, *train, examples=examples)
        second = _drawn(rng, VAL_MEAN, shape, *val, examples=examples)
        half = spread(first, second).half
        if half is not None:
            held += abs(second.mean - first.mean - truth) <= half
            halves.append(half)
    width = float(np.mean(halves)) / truth if halves else float("nan")
    return Covered(held=held, missing=repeats - len(halves), of=repeats, width=width)


def _drawn(rng: np.random.Generator, mean: float, shape: float, batches: int, size: int, *, examples: bool) -> Sample:
    losses = rng.gamma(shape, mean / shape, (batches, size))
    each = losses.flatten().tolist() if examples else ()
    return Sample(losses=losses.mean(axis=1).tolist(), sizes=[size] * batches, examples=each)


def measure(repeats: int) -> Iterator[str]:
    """Yield the table."""
    yield f"Coverage of the gap's 95 % interval, {repeats} simulations a row, in brackets its 95 % interval:\n"
    yield "| interval | validation | training | skewness 1.4 | skewness 2.8 | half width, gaps (1.4, 2.8) |"
    yield "|---|---|---|---|---|---|"
    for size in SIZES:
        train = min(size, PROBE * 32)
        parts = ((FEW, size // FEW), (FEW, train // FEW))
        found = [simulate(*parts, s, examples=True, repeats=repeats) for s in SHAPES.values()]
        kind = "over examples" if size >= FEWEST else f"over {FEW} batches of the examples"
        yield _row(kind, f"{size} examples", f"{train} examples", found)
    for number, size in BATCHES:
        found = [simulate((number, size), (PROBE, size), s, examples=False, repeats=repeats) for s in SHAPES.values()]
        yield _row("over batches", f"{number} × {size}", f"{PROBE} × {size}", found)


def _row(kind: str, val: str, train: str, found: list[Covered]) -> str:
    shares = " | ".join(_share(one) for one in found)
    widths = ", ".join(f"± {one.width:.2f}" for one in found)
    return f"| {kind} | {val} | {train} | {shares} | {widths} |"


def _share(found: Covered) -> str:
    missing = f"; {found.missing} without" if found.missing else ""
    return f"{Share(hits=found.held, of=found.of - found.missing)}{missing}"
