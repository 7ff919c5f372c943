"""What the audit adds to the start and the end of the one fit that most processes run, imports included.

`python -m benchmarks.cold VARIANT` is the child: it trains a few steps and prints its figures.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

STEPS = 30
VARIANTS = {"nothing": "[]", "audit": "[AuditCallback(generation=None)]", "generation": "[AuditCallback()]"}


def measure(repeats: int) -> list[str]:
    """Return the table's rows: medians over interleaved repeats, less a run with nothing."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(repeats):
        for name, figures in found.items():
            figures.append(_child(name))
    added = {name: _added(found[name], found["nothing"]) for name in VARIANTS}
    audit, generation = added["audit"], added["generation"]
    return [
        f"| `import groundwire.callbacks` after `import lightning` | {audit['import']:.2f} s | |",
        f"| start of a fit, first in its process | {audit['start']:+.2f} s | ≤ 1 s |",
        f"| end of a fit, first in its process, without generation | {audit['end']:+.2f} s | ≤ 2 s |",
        f"| the same with 20 prompts asked and scored | {generation['end']:+.2f} s | |",
    ]


def _added(found: list[dict[str, float]], plain: list[dict[str, float]]) -> dict[str, float]:
    pairs = list(zip(found, plain, strict=True))
    return {key: statistics.median(run[key] - other[key] for run, other in pairs) for key in plain[0]}


def _child(name: str) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.cold", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _train(name: str) -> dict[str, float]:
    import lightning  # noqa: F401 - what every training has imported

    began = time.perf_counter()
    if name != "nothing":
        import groundwire.callbacks  # noqa: F401
    imported = time.perf_counter() - began
    from . import overhead

    callbacks = eval(VARIANTS[name], vars(overhead))
    timing = overhead.fit(overhead.WORKLOADS[0], callbacks, STEPS)
    return {"import": imported, "start": timing.start, "end": timing.end}


if __name__ == "__main__":
    print(json.dumps(_train(sys.argv[1])))
