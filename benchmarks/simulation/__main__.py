"""`python -m benchmarks.simulation`: error rates, power and coverage of the statistics, in about ten minutes."""

from __future__ import annotations

import argparse

from .table import measure


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000, help="simulations of the first table (default 4000)")
    for table in measure(parser.parse_args().repeats):
        print(table, flush=True)


if __name__ == "__main__":
    main()
