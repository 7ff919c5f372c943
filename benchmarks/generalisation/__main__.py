"""`python -m benchmarks.generalisation` from the repository root trains all cases and prints what the audit says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from . import cost, coverage
from .running import FOLDER, Case, cases, train_all
from .table import judge_all, markdown

CALIBRATION = (0, 1, 101, 102, 103)  # setups were built, and rules mended, on these seeds
REPORT = (201, 202)  # and not on these


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generalisation", description=__doc__)
    parser.add_argument("step", nargs="?", choices=("runs", "coverage", "cost", "all"), default="all")
    parser.add_argument("--seeds", type=int, nargs="+", default=REPORT, help=f"of the runs (default {REPORT})")
    parser.add_argument("--repeats", type=int, default=200, help="simulations of a row of the coverage (default 200)")
    parser.add_argument("--only", metavar="NAME", help="runs of one setup")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where records lie (default {FOLDER})")
    return parser.parse_args(given)


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the runs that are asked for."""
    return [case for case in cases(options.seeds) if options.only in {None, case.setup.name}]


def main(given: Sequence[str] | None = None) -> None:
    """Train, judge and print."""
    options = arguments(given)
    if options.step in ("runs", "all"):
        wanted = chosen(options)
        train_all(wanted, options.folder, options.jobs)
        print(markdown(judge_all(wanted, options.folder, options.jobs)), flush=True)
    if options.step in ("coverage", "all"):
        print("", *coverage.measure(options.repeats), sep="\n", flush=True)
    if options.step in ("cost", "all"):
        print("", *cost.measure(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
