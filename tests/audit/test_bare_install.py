"""The wheel holds everything, and gates and reports where there is no torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from run_material import judged_run

ROOT = Path(__file__).parents[2]
PACKAGES = ("audit", "callbacks", "templates")
FOREIGN = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
# Named, because a file that is gone from the tree as well would not be missed.
DATA = {
    "groundwire/audit/py.typed",
    "groundwire/audit/prompts/neutral.jsonl",
    "groundwire/callbacks/py.typed",
    "groundwire/templates/py.typed",
    "groundwire/templates/charts.html.j2",
    "groundwire/templates/parts.html.j2",
    "groundwire/templates/report.css",
    "groundwire/templates/report.html.j2",
    "groundwire/templates/report.md.j2",
}


def _run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [str(part) for part in command]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=os.environ | environment)


def _need_index(folder: Path, **environment: str) -> None:
    """Skip where there is no pip or no package index, the only two excuses for not building."""
    fetch = ("download", "-q", "--no-deps", "--no-cache-dir", "-d", folder, "setuptools")
    fetched = _run(sys.executable, "-m", "pip", *fetch, **environment)
    if fetched.returncode:
        pytest.skip(f"no pip or no package index: {fetched.stderr.strip().splitlines()[-1]}")


def _source(folder: Path) -> Path:
    """Copy what a wheel is made of, so that the build leaves nothing in the tree."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=FOREIGN)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def _build(source: Path, folder: Path) -> Path:
    done = _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, source)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("groundwire-*.whl")
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _need_index(tmp_path_factory.mktemp("index"))
    return _source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(source, tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_no_other(source: Path, wheel: Path) -> None:
    files = [path for package in PACKAGES for path in (source / package).rglob("*") if path.is_file()]
    expected = {f"groundwire/{path.relative_to(source).as_posix()}" for path in files}
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert (expected - names, names - expected) == (set(), set())
    assert names >= DATA


@pytest.mark.slow
def test_a_broken_build_fails(source: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(source, tmp_path / "broken")
    shutil.rmtree(broken / "audit" / "rules")
    with pytest.raises(AssertionError, match="package directory 'audit/rules' does not exist"):
        _build(broken, tmp_path)


@pytest.mark.slow
def test_only_a_missing_index_excuses_from_building(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="no pip or no package index"):
        _need_index(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)


@pytest.mark.slow
def test_gate_and_report_run_without_torch(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=True)
    binaries = tmp_path / "bare" / "bin"
    done = _run(binaries / "python", "-m", "pip", "install", "-q", wheel)
    assert done.returncode == 0, done.stderr
    assert _run(binaries / "python", "-c", "import torch").returncode == 1
    folder, policy = judged_run(tmp_path / "run"), tmp_path / "policy.toml"
    assert _run(binaries / "groundwire", "init", folder, "--output", policy).returncode == 0
    gated = _run(binaries / "groundwire", "gate", folder, "--policy", policy)
    assert (gated.returncode, gated.stdout.splitlines()[-1]) == (1, "GATE: FAIL (1 failed)"), gated.stderr
    (folder / "audit.json").unlink()
    reported = _run(binaries / "groundwire", "report", folder)
    assert reported.returncode == 0, reported.stderr
    assert "overfitting" in (folder / "report.html").read_text()
