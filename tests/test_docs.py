"""The generated pages say what the code says, and links in the README lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert not missing


def test_files_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:audit|callbacks|templates)/[\w/.]+)`", text)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_no_callback_touches_private_attributes_of_the_trainer() -> None:
    found = [
        f"{path.name}: {line.strip()}"
        for path in (ROOT / "callbacks").glob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"trainer\._[a-z]", line)
    ]
    assert not found


def test_audit_imports_torch_and_lightning_only_inside_functions() -> None:
    found = [
        f"{path.name}: {line}"
        for path in (ROOT / "audit").rglob("*.py")
        for line in path.read_text().splitlines()
        if re.match(r"(import|from) +(torch|lightning|pytorch_lightning)\b", line)
    ]
    assert not found
