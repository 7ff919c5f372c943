"""How long the gate takes to start, beside the libraries that it cannot do without, and to judge a thousand runs.

`python -m benchmarks.gate` prints the table.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from groundwire.audit.judge import judge
from groundwire.audit.model import Audit, Metric, Quality, dump
from groundwire.audit.record import Record

from . import record

RUNS, STEPS = 1000, 5_000
POLICY = """
schema = 1
[findings]
max_severity = "high"
forbidden = ["train-validation-leakage"]
[limits.finite]
metric = "gradient.nonfinite_steps"
max = 0
[limits.toxicity]
metric = "generation.toxicity_probability"
max = 0.1
confidence = 0.95
[limits.groups]
metric = "generation.toxicity_fraction"
worst_group = "group"
max = 0.2
"""
# The kernel's own figure for a child's memory: what it inherited does not count.
PEAK = 'import sys; f = open("/proc/self/status").read(); sys.stderr.write(f.split("VmHWM:")[1].split()[0])'
BARE = "import pydantic, typer"
GATE = "import sys\nfrom groundwire.audit.__main__ import main\ntry:\n    main()\nfinally:\n    "


def audit_of(folder: str) -> Audit:
    """Return an audit of the size that a training with all monitors leaves."""
    found = judge(Record.open(record.write(folder, steps=STEPS).url))
    told = {"unit": "probability", "quality": Quality.MODELLED, "method": "k=5, 200 prompts, seed 0",
            "monitor": "generation", "scorer": "detoxify:unbiased 0.5.2", "confidence": 0.95, "low": 0.01,
            "high": 0.06, "n": 200, "step": STEPS}  # fmt: skip
    total = Metric(name="generation.toxicity_probability", value=0.03, **told)
    share = total.model_copy(update={"name": "generation.toxicity_fraction", "unit": "share"})
    groups = [share.model_copy(update={"labels": {"group": f"group {number}"}}) for number in range(40)]
    return found.model_copy(update={"metrics": [*found.metrics, total, share, *groups]})


def measure(repeats: int) -> list[str]:
    """Return the table's rows."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        audit = audit_of(f"{path}/run")
        runs = _write(folder, audit)
        bare, started, ratio = _cold(folder, runs[0], repeats)
        seconds = [_gated(folder, runs) for _ in range(max(1, repeats // 2))]
        size = len(dump(audit)) / 1000
    together = statistics.median(seconds)
    return [
        f"| `groundwire gate`, cold start | {started:.2f} s | ≤ 0.3 s |",
        f"| the same, beside a bare `import pydantic, typer` ({bare:.2f} s) | {ratio:.1f} × | ≤ 4 × |",
        f"| `groundwire gate`, peak memory | {_memory(GATE + PEAK, *_arguments(folder, runs[0])):.0f} MB | ≤ 60 MB |",
        f"| bare `import pydantic, typer`, peak memory | {_memory(f'{BARE}; {PEAK}'):.0f} MB | |",
        f"| {RUNS:,} runs with audits of {size:.0f} KB, gated | {together:.1f} s | ≤ 10 s |",
    ]  # fmt: skip


def _write(folder: Path, audit: Audit) -> list[Path]:
    """Write the audit as that of many runs."""
    runs = []
    for number in range(RUNS):
        run = audit.run.model_copy(update={"id": f"run-{number:04d}"})
        place = folder / "runs" / run.id
        place.mkdir(parents=True)
        (place / "audit.json").write_text(dump(audit.model_copy(update={"run": run})))
        runs.append(place)
    (folder / "policy.toml").write_text(POLICY)
    return runs


def _arguments(folder: Path, *runs: Path) -> list[str]:
    return ["gate", *map(str, runs), "--policy", str(folder / "policy.toml")]


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 3) or "Traceback" in done.stderr:
        raise RuntimeError(done.stderr)
    return seconds


def _cold(folder: Path, run: Path, repeats: int) -> tuple[float, float, float]:
    """Return seconds of a bare import, of a gate, and how many times as long: of neighbours in time."""
    pairs = [
        (_seconds("-c", BARE), _seconds("-m", "groundwire.audit", *_arguments(folder, run)))
        for _ in range(3 * repeats)
    ]
    ratio = statistics.median(gate / bare for bare, gate in pairs)
    return statistics.median(bare for bare, _ in pairs), statistics.median(gate for _, gate in pairs), ratio


def _memory(code: str, *arguments: str) -> float:
    """Return the peak memory of a process in MB."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True)
    return int(done.stderr.split()[-1].rpartition(")")[2]) / 1024


def _gated(folder: Path, runs: list[Path]) -> float:
    return _seconds("-m", "groundwire.audit", *_arguments(folder, *runs))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="interleaved repeats (default 7)")
    print("| what | measured | goal |\n|---|---|---|", *measure(parser.parse_args().repeats), sep="\n")


if __name__ == "__main__":
    main()
