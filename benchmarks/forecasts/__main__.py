"""`python -m benchmarks.forecasts` from the repository root forecasts planted curves and prints what came."""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from .families import FAMILIES, Family
from .scoring import measure
from .table import markdown

REPEATS, QUICK = 400, 20


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasts", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"runs of a family (default {REPEATS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} runs of a family")
    parser.add_argument("--only", metavar="NAME", help="families whose name begins so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    options = parser.parse_args(given)
    if not chosen(options):
        names = ", ".join(family.name for family in FAMILIES)
        parser.error(f"no family begins with {options.only!r}: choose one of {names}")
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1, got {options.repeats}")
    return options


def chosen(options: argparse.Namespace) -> list[Family]:
    """Return the families that are asked for."""
    return [family for family in FAMILIES if family.name.startswith(options.only or "")]


def main(given: Sequence[str] | None = None) -> None:
    """Forecast, score and print."""
    options = arguments(given)
    work = partial(measure, repeats=QUICK if options.quick else options.repeats)
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [result for results in pool.map(work, chosen(options)) for result in results]
    print(markdown(found), flush=True)


if __name__ == "__main__":
    main()
