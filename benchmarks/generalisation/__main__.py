"""`python -m benchmarks.generalisation` from the repository root trains all cases and prints what the audit says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from . import cost, coverage, proof_table, proving
from .running import FOLDER, Case, cases, train_all
from .table import judge_all, markdown
from .trials import Proof

CALIBRATION = (0, 1, 101, 102, 103)  # setups were built, and rules mended, on these seeds
REPORT = (201, 202)  # and not on these
RULES_CALIBRATION, RULES_REPORT = (0, 301, 302), (303, 304)  # the same of the trials of GEN003 to GEN007


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generalisation", description=__doc__)
    parser.add_argument("step", nargs="?", choices=("runs", "rules", "coverage", "cost", "all"), default="all")
    told = f"of the runs (default {REPORT}, of those of rules {RULES_REPORT})"
    parser.add_argument("--seeds", type=int, nargs="+", help=told)
    parser.add_argument("--repeats", type=int, default=200, help="simulations of a row of the coverage (default 200)")
    parser.add_argument("--only", metavar="NAME", help="runs of one setup, or of one rule, as GEN006")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    told = f"where records lie (default {FOLDER}, of those of rules {proving.FOLDER})"
    parser.add_argument("--folder", type=Path, help=told)
    return parser.parse_args(given)


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the runs that are asked for."""
    return [case for case in cases(options.seeds or REPORT) if options.only in {None, case.setup.name}]


def chosen_proofs(options: argparse.Namespace) -> list[Proof]:
    """Return the runs for single rules that are asked for."""
    found = proving.proofs(options.seeds or RULES_REPORT)
    return [proof for proof in found if options.only in {None, proof.rule, proof.trial.setup.name}]


def main(given: Sequence[str] | None = None) -> None:
    """Train, judge and print."""
    options = arguments(given)
    if options.step in ("runs", "all"):
        wanted, folder = chosen(options), options.folder or FOLDER
        train_all(wanted, folder, options.jobs)
        print(markdown(judge_all(wanted, folder, options.jobs)), flush=True)
    if options.step in ("rules", "all"):
        trials, folder = chosen_proofs(options), options.folder or proving.FOLDER
        proving.train_all(trials, folder, options.jobs)
        print("", proof_table.markdown(proving.prove_all(trials, folder, options.jobs)), sep="\n", flush=True)
    if options.step in ("coverage", "all"):
        print("", *coverage.measure(options.repeats), sep="\n", flush=True)
    if options.step in ("cost", "all"):
        print("", *cost.measure(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
