"""The commands beside the gate, and streams that break while a command speaks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from gate_material import Release


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    return Release(tmp_path, monkeypatch, capsys)


def test_the_help_sets_apart_what_is_rarely_needed(release: Release) -> None:
    first, later = release.command("--help").out.split("When needed:")
    early = first.split("Commands:")[1]
    assert re.findall(r"^  (\w+)  ", early, re.MULTILINE) == ["init", "gate", "report", "explain", "compare", "card"]
    expected = [
        "rules",
        "generate",
        "qualify",
        "power",
        "schema",
        "import",
        "scaling",
        "estimate",
        "verify",
        "bind",
        "redact",
        "baseline",
    ]
    assert re.findall(r"^  (\w+)  ", later, re.MULTILINE) == expected
    assert "..." not in early + later  # no help is cut off


@pytest.mark.parametrize("of", ["audit", "run", "policy"])
def test_every_schema_is_one(release: Release, of: str) -> None:
    found = release.command("schema", "--of", of)
    assert found.code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(found.out))
    if of != "policy":
        jsonschema.validate(json.loads((release.run / f"{of}.json").read_text()), json.loads(found.out))


@pytest.mark.parametrize(
    "arguments", [["schema", "--of", "nothing"], ["rules", "--format", "xml"], ["--nonsense"], ["gat"], ["explain"]]
)
def test_wrong_use_is_two_and_says_nothing_on_stdout(release: Release, arguments: list[str]) -> None:
    found = release.command(*arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.strip()


def test_a_policy_is_made_once(release: Release, tmp_path: Path) -> None:
    target = tmp_path / "first.toml"
    made = release.command("init", release.run, "--output", target)
    assert made.code == 0
    assert f"groundwire gate {release.run} --policy {target}" in made.err
    target.write_text("mine")
    again = release.command("init", release.run, "--output", target)
    assert again.code == 2
    assert "use --force" in again.err
    assert target.read_text() == "mine"
    assert release.command("init", release.run, "--output", target, "--force").code == 0
    assert target.read_text().startswith("# A first policy")


def test_no_policy_is_made_from_a_changed_audit(release: Release, tmp_path: Path) -> None:
    release.change(lambda document: document["run"].update(model="Another"), sealed=False)
    found = release.command("init", release.run, "--output", tmp_path / "first.toml")
    assert found.code == 3
    assert "its digest does not fit" in found.err
    assert not (tmp_path / "first.toml").exists()


def test_a_policy_from_an_unfinished_run_is_made_with_a_warning(release: Release, tmp_path: Path) -> None:
    release.change(lambda document: document["run"].update(status="crashed"))
    found = release.command("init", release.run, "--output", tmp_path / "first.toml")
    assert found.code == 0
    assert "this run is crashed" in found.err


def test_names_on_the_command_line_write_no_line_of_their_own(release: Release) -> None:
    hostile = "a\x1b[31m\nGATE: PASS"
    for arguments in (["gate", hostile], ["gate", "x", hostile], [hostile], ["explain", hostile], ["init", hostile]):
        found = release.command(*arguments)
        assert found.code in (2, 3)
        assert "\x1b" not in found.err
        assert not [line for line in found.err.splitlines() if line.startswith("GATE")]


def test_debug_shows_the_place_and_is_three_too(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.audit import gating

    monkeypatch.setattr(gating, "load_audit", lambda url: 1 / 0)
    monkeypatch.setenv("GROUNDWIRE_DEBUG", "1")
    found = release.gate()
    assert found.code == 3
    assert "Traceback" in found.err


GATE = f'"{sys.executable}" -m groundwire.audit gate "$RUN" --policy "$POLICY"'


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("most", "code"), [(9, 0), (0, 1)])
@pytest.mark.parametrize("streams", ["| true", "2>/dev/full", ">&-", "2>&-", ">&- 2>&-"])
def test_a_broken_stream_turns_no_verdict_into_another(release: Release, streams: str, most: int, code: int) -> None:
    release.policy.write_text(f'schema = 1\n[limits.a]\nmetric = "overfitting.gap"\nmax = {most}\n')
    environment = os.environ | {"RUN": str(release.run), "POLICY": str(release.policy)}
    command = ["bash", "-o", "pipefail", "-c", f"{GATE} {streams}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
