"""All benchmarks: `python -m benchmarks.run` from the repository root prints the tables of README.md."""

from __future__ import annotations

import argparse
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from . import gate, overhead, record, report, scorers
from .simulation import table as simulation


def machine() -> str:
    """Return what the figures were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    cores = sum(line.startswith("processor") for line in lines)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "lightning", "codecarbon"))
    today = datetime.now(UTC).date()
    return f"{today}, {cores} cores of {model}, Python {platform.python_version()}, {versions}"


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="interleaved repeats (default 7)")
    repeats = parser.parse_args().repeats
    print(f"{machine()}; {repeats} interleaved repeats.\n")
    rows = [*gate.measure(repeats), *record.measure(repeats), *report.measure(repeats)]
    print("| what | measured | goal |\n|---|---|---|", *rows, "", sep="\n", flush=True)
    for tables in (overhead.measure(repeats), scorers.measure(repeats), simulation.measure()):
        for table in tables:
            print(table, flush=True)


if __name__ == "__main__":
    main()
