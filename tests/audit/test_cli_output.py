"""What the command prints: its word last, nothing that acts on a terminal, and an exit code whatever happens."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gate_material import Release
from groundwire.audit import gating

FORMATS = ("text", "json", "markdown")
COMMAND = (sys.executable, "-m", "groundwire.audit")


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    return Release(tmp_path, monkeypatch, capsys)


ONE = '[limits.{name}]\nmetric = "{metric}"\nmax = {most}\nlevel = "{level}"\n'
WORDS = {
    "GATE: PASS": [("overfitting.gap", 9, "error"), ("overfitting.gap", 0, "warn"), ("no", 0, "off")],
    "GATE: FAIL (1 failed)": [("overfitting.gap", 0, "error"), ("overfitting.gap", 0, "warn")],
    "GATE: FAIL (1 failed, 1 unknown)": [("overfitting.gap", 0, "error"), ("carbon.energy_kwh", 9, "error")],
    "GATE: FAIL (2 failed)": [("overfitting.gap", 0, "error"), ("gradient.norm_p95", 0, "error")],
    "GATE: UNKNOWN (1 unknown)": [("overfitting.gap", 9, "error"), ("carbon.energy_kwh", 9, "error")],
}


@pytest.mark.parametrize(("word", "shape"), itertools.product(WORDS, FORMATS))
def test_the_gate_has_the_last_word(release: Release, word: str, shape: str) -> None:
    limits = [
        ONE.format(name=f"l{place}", metric="overfitting.gap" if metric == "no" else metric, most=most, level=level)
        for place, (metric, most, level) in enumerate(WORDS[word])
    ]
    release.policy.write_text("schema = 1\n" + "".join(limits))
    found = release.gate("--format", shape)
    assert found.code == {"PASS": 0, "FAIL": 1, "UNKNOWN": 3}[word.split()[1]]
    assert found.err == f"{word}\n"
    assert (found.out.splitlines()[-1] == word) == (shape == "text")
    if shape == "json":
        assert json.loads(found.out)["summary"] == word


@pytest.mark.parametrize("shapes", [*itertools.combinations(FORMATS, 2), FORMATS])
def test_every_format_goes_to_its_own_file(release: Release, tmp_path: Path, shapes: tuple[str, ...]) -> None:
    options = [option for shape in shapes for option in ("--format", shape, "--output", tmp_path / f"v.{shape}")]
    assert release.gate(*options) == (0, "", "GATE: PASS\n")
    alone = {shape: release.gate("--format", shape).out for shape in shapes}
    assert {shape: (tmp_path / f"v.{shape}").read_text() for shape in shapes} == alone


@pytest.mark.parametrize("outputs", [["a"], ["a", "b", "c"]])
def test_formats_without_their_own_output_are_wrong_use(release: Release, tmp_path: Path, outputs: list[str]) -> None:
    places = [option for name in outputs for option in ("--output", tmp_path / name)]
    found = release.gate("--format", "json", "--format", "text", *places)
    assert found.code == 2
    assert not any((tmp_path / name).exists() for name in outputs)


def test_an_output_that_cannot_be_written_is_wrong_use(release: Release, tmp_path: Path) -> None:
    found = release.gate("--output", tmp_path / "none" / "x")
    assert found.code == 2
    assert found.err.startswith("groundwire: Cannot write")


HOSTILE = "\x1b]0;x\x07\u202e|`<b>\n::set-output name=x::y\r\u2028\x9b31m\ufeff"
ACTING = "\x1b\x07\x9b\r\u202e\u2028\ufeff\u2066"


def _poisoned(document: dict[str, Any], *, whole: bool) -> None:
    """Poison what a limit shows; with `whole`, also what it is judged by."""
    for key in ("id", "model", "parent", *(("exception",) if whole else ())):
        document["run"][key] = HOSTILE
    document["run"]["notes"] = [HOSTILE]
    for metric in document["metrics"]:
        metric["method"] = metric["scorer"] = metric["reason"] = HOSTILE
        if whole:
            metric["unit"] = HOSTILE
        if metric["name"].startswith("logged."):
            metric["name"] = f"logged.{HOSTILE}"


def _harmless(text: str) -> None:
    assert not [character for character in text if character in ACTING]
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]


@pytest.mark.slow
@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize("damaged", [False, True])
def test_hostile_text_in_run_metrics_and_policy_does_not_act(release: Release, shape: str, damaged: bool) -> None:
    def edit(document: dict[str, Any]) -> None:
        _poisoned(document, whole=damaged)
        document["run"]["damage"] = [HOSTILE] if damaged else []

    release.change(edit)
    toml = json.dumps(HOSTILE).replace("\x7f", "")
    for metric in ('"overfitting.gap"', f'"logged.{toml[1:]}', '"carbon.energy_kwh"'):
        release.policy.write_text(f"schema = 1\n[limits.{toml}]\nmetric = {metric}\nmax = 0\n")
        found = release.gate("--format", shape)
        assert found.code == (3 if damaged or "carbon" in metric else 1)
        _harmless(found.out + found.err)
        if shape == "markdown":
            assert "<b>" not in found.out


@pytest.mark.parametrize(
    "text",
    [
        "schema = 1\n[limits.{it}]\nmetric = 3\n",
        "schema = 1\n[limits.{it}]\nmetric = {it}\nmax = 1\n",
        'schema = 1\n[limits.a]\nmetric = "overfitting.gap"\nmax = 1\n{it} = 1\n',
        'schema = 1\n[limits.a]\nmetric = "overfitting.gap"\nmax = 1\nlevel = {it}\n',
        "schema = 1\n{it} = 1\n",
        "schema = {it}\n",
    ],
)
def test_hostile_text_in_what_is_wrong_with_a_policy_does_not_act(release: Release, text: str) -> None:
    release.policy.write_text(text.replace("{it}", json.dumps(HOSTILE)))
    found = release.gate()
    assert (found.code, found.out) == (2, "")
    assert found.err.count("\n") == 1
    _harmless(found.err)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ZeroDivisionError("a\nb\x1b[2J"), 3),
        (EOFError(), 3),
        (RecursionError("deep"), 3),
        (MemoryError(), 3),
        (SystemExit(0), 3),
        (SystemExit(1), 3),
        (GeneratorExit(), 3),
        (UnicodeEncodeError("ascii", "\udcff", 0, 1, "no"), 3),
        (OSError(28, "No space left on device"), 3),
        (KeyboardInterrupt(), 130),
    ],
    ids=repr,
)
def test_whatever_is_raised_inside_is_neither_pass_nor_fail(
    release: Release, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def broken(url: str) -> Any:
        raise error

    monkeypatch.setattr(gating, "load_audit", broken)
    monkeypatch.delenv("GROUNDWIRE_DEBUG", raising=False)
    found = release.gate()
    assert (found.code, found.out) == (code, "")
    assert "Traceback" not in found.err
    _harmless(found.err)


def _elsewhere(release: Release, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "gate", str(release.run), "--policy", str(release.policy)]
    environment = os.environ | options.pop("env", {})
    return subprocess.run(command, text=True, stderr=subprocess.PIPE, env=environment, timeout=60, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("most", "code"), [(9, 0), (0, 1)])
def test_a_terminal_without_symbols_gets_the_same_verdict(release: Release, most: int, code: int) -> None:
    release.policy.write_text(f'schema = 1\n[limits.a]\nmetric = "overfitting.gap"\nmax = {most}\n')
    done = _elsewhere(release, stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == code, done.stderr
    assert done.stdout.isascii()
    assert done.stdout.splitlines()[-1] == done.stderr.splitlines()[-1]


def test_a_reader_that_went_away_is_no_failed_limit(release: Release) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert _elsewhere(release, stdout=writing).returncode in {0, 3}
    finally:
        os.close(writing)


def test_a_verdict_that_cannot_be_written_is_not_met(release: Release) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        assert _elsewhere(release, stdout=full).returncode == 3


@pytest.mark.parametrize("command", ["gate", "report", "init", "explain", "rules", "schema"])
def test_every_command_explains_itself(release: Release, command: str) -> None:
    found = release.command(command, "--help")
    assert found.code == 0
    assert "Usage" in found.out
