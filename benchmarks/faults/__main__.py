"""`python -m benchmarks.faults` from the repository root trains all cases and prints what the audit says of them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from .cases import Case, all_cases, quick_cases
from .faults import BY_NAME
from .running import FOLDER, train_all
from .table import SPLITS, judge_all, markdown


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("step", nargs="?", choices=("train", "table", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="a subset of about a minute")
    parser.add_argument("--only", choices=BY_NAME, metavar="FAULT", help="one fault and its twins")
    parser.add_argument("--split", choices=SPLITS, help="one of the two parts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where records lie (default {FOLDER})")
    return parser.parse_args(given)


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the cases that are asked for."""
    cases = quick_cases() if options.quick else all_cases()
    asked = (case for case in cases if options.only in {None, case.name})
    return [case for case in asked if options.split in {None, case.split}]


def main(given: Sequence[str] | None = None) -> None:
    """Train, judge and print."""
    options = arguments(given)
    cases = chosen(options)
    if options.step != "table":
        train_all(cases, options.folder, options.jobs)
    if options.step != "train":
        splits = [options.split] if options.split else SPLITS
        print(markdown(judge_all(cases, options.folder, options.jobs), splits))


if __name__ == "__main__":
    main()
