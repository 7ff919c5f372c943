"""The ledger of a run that broke and was resumed, against the energy that its hardware really took."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from groundwire.audit.energy import measure
from groundwire.audit.record import Record

from .power import PHASES

HOWS = {"an exception": "exception", "SIGTERM": "SIGTERM", "SIGKILL": "SIGKILL"}
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What was spent and what the ledger says, by component and phase (kWh).

    Attributes:
        how: What broke the first attempt.
        seconds: That both attempts trained.
        true: The truth; `total` is of all.
        told: The ledger's.
    """

    how: str
    seconds: float
    true: Mapping[str, float]
    told: Mapping[str, float]

    def error(self, name: str) -> float:
        """Return the relative error of a part."""
        return self.told[name] / self.true[name] - 1


def attempt(folder: Path, number: int, *options: str) -> dict[str, object]:
    """Train one attempt in a process of its own and return the truth of it."""
    truth = folder / f"truth{number}.json"
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.energy.course", str(folder), str(truth), *options]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    found: dict[str, object] = json.loads(truth.read_text())
    return found


def broken_and_resumed(how: str, *, span: int = 60, step_s: float = 0.1) -> Outcome:
    """Return what came of a run that broke in the middle and was resumed from its checkpoint."""
    with tempfile.TemporaryDirectory() as name:
        folder, sizes = Path(name), ("--span", str(span), "--step-s", str(step_s))
        first = attempt(folder, 1, *sizes, "--stop-at", str(2 * span + span // 2), "--how", HOWS[how])
        (saved,) = (folder / "saved").glob(f"*step={2 * span}.ckpt")
        second = attempt(folder, 2, *sizes, "--resume", str(saved))
        (run,) = (path for path in folder.iterdir() if (path / "run.json").exists())
        return Outcome(
            how=how, seconds=sum(float(one["seconds"]) for one in (first, second)),  # type: ignore[arg-type]
            true=_true([one["kwh"] for one in (first, second)]), told=_told(run),  # type: ignore[misc]
        )  # fmt: skip


def _true(attempts: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    kinds = {kind: sum(sum(one[kind].values()) for one in attempts) for kind in attempts[0]}
    phases = {phase: sum(part[phase] for one in attempts for part in one.values()) for phase in PHASES}
    return kinds | phases | {"total": sum(kinds.values())}


def _told(run: Path) -> dict[str, float]:
    """Return what the ledger says; a checkpoint and our own overhead count as training."""
    found = [metric for metric in measure(Record.open(run)) if metric.name == "carbon.energy_kwh"]
    told = {next(iter(metric.labels.values()), "total"): metric.value or 0.0 for metric in found}
    told["training"] += told.pop("checkpoint", 0.0) + told.pop("overhead", 0.0)
    return told


def table() -> Iterator[str]:
    """Yield a row for each way to break."""
    parts = ("total", "gpu", "cpu", "ram", *PHASES)
    yield f"| broken by | seconds | {' | '.join(parts)} |"
    yield f"|{'---|' * (len(parts) + 2)}"
    for how in HOWS:
        found = broken_and_resumed(how)
        yield f"| {how} | {found.seconds:.0f} | {' | '.join(f'{found.error(part):+.2%}' for part in parts)} |"
