"""The generated pages say what the code says, and links in the README lead somewhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import groundwire.callbacks
import pytest
from groundwire.audit.cli import app
from groundwire.audit.policy import parse_policy

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "docs/architecture.md",
    "docs/artefacts.md",
    "docs/card.md",
    "docs/ci.md",
    "docs/estimate.md",
    "docs/policy.md",
    "examples/ci/README.md",
    "docs/prompts.md",
    "docs/statistics.md",
]


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", ["README.md", "docs/policy.md"])
def test_policies_on_the_pages_are_valid(page: str) -> None:
    policies = [tomllib.loads(block) for block in blocks(page, "toml")]
    assert policies
    for policy in policies:
        assert parse_policy(policy, page).limits


def test_python_in_the_readme_imports_what_exists() -> None:
    trees = [ast.parse(block) for block in blocks("README.md", "python")]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [alias.name for node in imports if node.module == "groundwire.callbacks" for alias in node.names]
    assert names
    assert [name for name in names if not hasattr(groundwire.callbacks, name)] == []


def test_commands_in_the_readme_exist() -> None:
    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    named = set(re.findall(r"\bgroundwire ([a-z]+) ", "".join(blocks("README.md", "sh"))))
    assert named
    assert named <= known


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
