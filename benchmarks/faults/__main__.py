"""`python -m benchmarks.faults` from the repository root trains all cases and prints what is said of them."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Sequence
from pathlib import Path

from ..run import machine
from . import pictures, readme, repair_table, side_by_side
from .cases import Case, all_cases, quick_cases
from .faults import BY_NAME
from .repair import repair_all
from .running import FOLDER, train_all
from .table import SPLITS, judge_all, markdown

STEPS = ("train", "table", "repair", "peers", "pictures")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("steps", nargs="*", type=_step, metavar="STEP", help=f"of {', '.join(STEPS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a subset of about a minute")
    parser.add_argument("--only", choices=BY_NAME, metavar="FAULT", help="one fault and its twins")
    parser.add_argument("--split", choices=SPLITS, help="one of the two parts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where records lie (default {FOLDER})")
    parser.add_argument("--readme", action="store_true", help="put the tables of all cases into README.md as well")
    options = parser.parse_args(given)
    if options.readme and (options.quick or options.only or options.split):
        parser.error("--readme takes the tables of all cases: leave out --quick, --only and --split")
    options.steps = options.steps or list(STEPS)
    return options


def _step(name: str) -> str:
    if name not in STEPS:
        raise argparse.ArgumentTypeError(f"no step {name!r}: {', '.join(STEPS)} there are")
    return name


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the cases that are asked for."""
    cases = quick_cases() if options.quick else all_cases()
    asked = (case for case in cases if options.only in {None, case.name})
    return [case for case in asked if options.split in {None, case.split}]


def main(given: Sequence[str] | None = None) -> None:
    """Train, judge and print; repair, compare with the peers, and draw what faults look like."""
    options = arguments(given)
    cases, folder, jobs = chosen(options), options.folder, options.jobs
    splits = [options.split] if options.split else SPLITS
    if "train" in options.steps:
        train_all(cases, folder, jobs)
    judged = judge_all(cases, folder, jobs) if {"table", "peers"} & set(options.steps) else []
    tell = functools.partial(_tell, into_readme=options.readme)
    if "table" in options.steps:
        tell("table", f"{machine()}.\n\n{markdown(judged, splits)}")
    if "repair" in options.steps:
        tell("repair", repair_table.markdown(repair_all(cases, folder, jobs), splits))
    if "peers" in options.steps:
        tell("peers", side_by_side.markdown(side_by_side.watch_all(judged, folder, jobs), splits))
    if "pictures" in options.steps:
        print(f"{pictures.write(folder)} pictures written to {pictures.PLACE}")


def _tell(step: str, tables: str, *, into_readme: bool) -> None:
    print(tables, flush=True)
    if into_readme:
        readme.put(step, tables)


if __name__ == "__main__":
    main()
