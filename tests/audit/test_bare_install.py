"""The wheel holds everything, and gates and reports where there is no torch."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from run_material import judged_run

ROOT = Path(__file__).parents[2]
INSIDE = (
    "groundwire/audit/py.typed",
    "groundwire/audit/prompts/neutral.jsonl",
    "groundwire/audit/exports/__init__.py",
    "groundwire/audit/rules/gradients.py",
    "groundwire/audit/scorers/embedded.py",
    "groundwire/callbacks/py.typed",
    "groundwire/callbacks/audit.py",
    "groundwire/templates/py.typed",
    "groundwire/templates/report.css",
    "groundwire/templates/report.html.j2",
    "groundwire/templates/report.md.j2",
)


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, so that the build leaves nothing in the tree.
    source = folder / "source"
    listed = _run("git", "ls-files").stdout.splitlines() or [str(p.relative_to(ROOT)) for p in ROOT.rglob("*.*")]
    for name in listed:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    done = _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, source)
    if done.returncode:
        pytest.skip(f"no wheel can be built here: {done.stderr.strip().splitlines()[-1]}")
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_every_package_and_data_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(INSIDE) <= names
    modules = {
        f"groundwire/{path.relative_to(ROOT)}"
        for folder in ("audit", "callbacks", "templates")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert modules <= names


@pytest.mark.slow
def test_gate_and_report_run_without_torch(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=True)
    binaries = tmp_path / "bare" / "bin"
    done = _run(binaries / "python", "-m", "pip", "install", "-q", wheel)
    if done.returncode:
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert _run(binaries / "python", "-c", "import torch").returncode == 1
    folder, policy = judged_run(tmp_path / "run"), tmp_path / "policy.toml"
    assert _run(binaries / "groundwire", "init", folder, "--output", policy).returncode == 0
    gated = _run(binaries / "groundwire", "gate", folder, "--policy", policy)
    assert (gated.returncode, gated.stdout.splitlines()[-1]) == (1, "GATE: FAIL (1 failed)"), gated.stderr
    (folder / "audit.json").unlink()
    reported = _run(binaries / "groundwire", "report", folder)
    assert reported.returncode == 0, reported.stderr
    assert "overfitting" in (folder / "report.html").read_text()
