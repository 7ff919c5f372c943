"""What docs/statistics.md shows is what the commands print, and its policy is one."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from groundwire.audit.cli import app
from groundwire.audit.policy import parse_policy
from typer.testing import CliRunner

PAGE = Path(__file__).parents[3] / "docs" / "statistics.md"
SHOWN = {
    found[1]: found[2]
    for found in re.finditer(
        r"^```text\n\$ groundwire ([^\n]+)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
}


def printed(command: str) -> str:
    done = CliRunner().invoke(app, command.split())
    return done.stdout


def test_the_plan_is_what_power_prints() -> None:
    command = next(command for command in SHOWN if command.startswith("power"))
    assert printed(command) == SHOWN[command]


@pytest.mark.slow
def test_the_card_is_what_qualify_prints() -> None:
    pytest.importorskip("profanity_check")
    command = next(command for command in SHOWN if command.startswith("qualify"))
    version = metadata.version("alt-profanity-check")
    if f"alt-profanity-check {version} " not in SHOWN[command]:
        pytest.skip(f"the page shows another version than {version}")
    lines = printed(command).splitlines()
    assert [line for line in SHOWN[command].splitlines() if line not in [*lines, "…"]] == []


def test_its_policy_is_valid_and_wants_a_scorer() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    limits = parse_policy(tomllib.loads(block), PAGE.name).limits
    assert [(limit.scorer, limit.confidence) for limit in limits] == [("detoxify:unbiased", 0.95)] * 2


def test_links_of_the_page_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", PAGE.read_text()) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_files_and_modules_that_the_page_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", PAGE.read_text())
    assert named
    assert [name for name in named if not (PAGE.parents[1] / name).exists()] == []
    assert (PAGE.parents[1] / "benchmarks" / "simulation" / "__main__.py").exists()


def test_verdicts_are_not_promises() -> None:
    assert not re.search(r"\b(is|are) (safe|unbiased|fair|compliant)\b", PAGE.read_text())
