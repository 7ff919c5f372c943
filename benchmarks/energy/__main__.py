"""`python -m benchmarks.energy` from the repository root compares the energy ledger with powers that are known."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence

import torch

from . import accuracy, courses, idle, waiting


def waits() -> Iterator[str]:
    """Yield the table of waiting."""
    with tempfile.TemporaryDirectory() as folder:
        yield from waiting.table(folder)


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "accuracy": accuracy.table,
    "cost": idle.table,
    "waits": waits,
    "forecasts": courses.table,
}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.energy", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], help=f"{', '.join(PARTS)} (default: all)")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    for name in arguments(given).part or PARTS:
        for line in PARTS[name]():
            print(line, flush=True)
        print(flush=True)


if __name__ == "__main__":
    main()
