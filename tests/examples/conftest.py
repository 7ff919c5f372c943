from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from running import ROOT, Trained, only_run, shell

sys.path.insert(0, str(ROOT))  # `import examples`, also where pytest was not started with `python -m`


@pytest.fixture
def train(tmp_path: Path) -> Callable[[str], Trained]:
    """Return a function that runs an example by name and returns its run."""

    def run(example: str) -> Trained:
        done = shell(f"python -m examples.{example} --folder {tmp_path}")
        assert done.returncode == 0, done.stdout + done.stderr
        return only_run(tmp_path)

    return run
