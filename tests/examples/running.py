"""Run examples as a reader would: from the repository root, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Trained:
    """A run folder, and what its audit says."""

    folder: Path

    @property
    def audit(self) -> dict[str, Any]:
        return json.loads((self.folder / "audit.json").read_text(encoding="utf-8"))

    @property
    def findings(self) -> set[str]:
        return {finding["name"] for finding in self.audit["findings"]}

    def metric(self, name: str) -> float:
        return next(m["value"] for m in self.audit["metrics"] if m["name"] == name and not m["labels"])


def only_run(folder: Path) -> Trained:
    """Return the one run under `folder`."""
    (run,) = (folder / "groundwire").iterdir()
    return Trained(run)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell from the repository root, with this environment's `python` and `groundwire`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
