"""The command line as a stranger uses it: exit codes, one sentence, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from groundwire.audit import __main__ as entry
from run_material import judged_run, make_run

POLICY = 'schema = 1\n[limits.gap]\nmetric = "overfitting.gap"\nmax = {maximum}\n'


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["groundwire", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.format(maximum=1))
    return path


@pytest.mark.parametrize(("maximum", "code", "word"), [(1, 0, "PASS"), (0.1, 1, "FAIL (1 failed)")])
def test_the_gate_ends_with_its_word_on_both_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], maximum: float, code: int,
    word: str,
) -> None:  # fmt: skip
    (tmp_path / "p.toml").write_text(POLICY.format(maximum=maximum))
    assert run(monkeypatch, "gate", judged_run(tmp_path / "run"), "--policy", tmp_path / "p.toml") == code
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == err.splitlines()[-1] == f"GATE: {word}"


def test_formats_go_where_they_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], policy: Path
) -> None:
    folder = judged_run(tmp_path / "run")
    target = tmp_path / "verdict.md"
    arguments = ["--format", "json", "--output", "-", "--format", "markdown", "--output", target]
    assert run(monkeypatch, "gate", folder, "--policy", policy, *arguments) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["outcome"] == "pass"
    assert err == "GATE: PASS\n"
    assert "Policy met" in target.read_text()
    assert run(monkeypatch, "gate", folder, "--policy", policy, "-f", "json", "-f", "text", "-o", "-") == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gate", "{tmp}/none", "--policy", "{policy}"], 3),
        (["gate", "{tmp}", "--policy", "{policy}"], 3),
        (["gate", "{tmp}/run", "--policy", "{tmp}/none.toml"], 2),
        (["gate"], 2),
        (["gat"], 2),
        (["gate", "{tmp}/run", "--policy", "{policy}", "--format", "xml"], 2),
        (["report", "{tmp}/none"], 3),
        (["report", "{tmp}/run", "--output", "{tmp}/none/x.html"], 2),
        (["explain", "updates-to-large"], 2),
        (["init", "{tmp}/none"], 3),
        (["init", "{tmp}/run", "--output", "{policy}"], 2),
        (["gate", "nosuch://x/run", "--policy", "{policy}"], 3),
    ],
)
def test_wrong_use_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], policy: Path,
    arguments: list[str], code: int,
) -> None:  # fmt: skip
    judged_run(tmp_path / "run")
    filled = [argument.format(tmp=tmp_path, policy=policy) for argument in arguments]
    assert run(monkeypatch, *filled) == code
    err = capsys.readouterr().err
    assert err.strip()
    assert "Traceback" not in err


def test_a_report_is_judged_once_and_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], policy: Path
) -> None:
    make_run(tmp_path / "run", finished=False)
    assert run(monkeypatch, "gate", tmp_path / "run", "--policy", policy) == 3
    assert "groundwire report" in capsys.readouterr().err
    assert run(monkeypatch, "report", tmp_path / "run") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run" / "report.html")
    assert run(monkeypatch, "gate", tmp_path / "run", "--policy", policy) == 3
    assert run(monkeypatch, "report", tmp_path / "run", "--format", "markdown", "--policy", policy) == 0
    assert "Cannot tell" in (tmp_path / "run" / "report.md").read_text()


def test_a_changed_audit_is_said_by_gate_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], policy: Path
) -> None:
    folder = judged_run(tmp_path / "run")
    audit = folder / "audit.json"
    audit.write_text(audit.read_text().replace('"value": 0.2', '"value": 0.1'))
    assert run(monkeypatch, "gate", folder, "--policy", policy) == 3
    assert "its digest does not fit" in capsys.readouterr().out
    assert run(monkeypatch, "report", folder) == 0
    assert "digest" in (folder / "report.html").read_text()


def test_hostile_names_reach_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = judged_run(tmp_path / "run")
    audit = folder / "audit.json"
    audit.write_text(audit.read_text().replace("TinyGPT", "\\u001b[31m\\u202eevil\\n::set-output"))
    policy = tmp_path / "policy.toml"
    policy.write_text('schema = 1\n[limits."\\u001b[2Jx"]\nmetric = "overfitting.gap"\nmax = 1\n')
    for chosen in ("text", "json", "markdown"):
        run(monkeypatch, "gate", folder, "--policy", policy, "--format", chosen)
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err
        assert "\u202e" not in out + err
        assert not [line for line in out.splitlines() if line.startswith("::")]


def test_the_schema_fits_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "schema") == 0
    schema = json.loads(capsys.readouterr().out)
    document = json.loads((judged_run(tmp_path) / "audit.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"metrics": 3}, schema)


@pytest.mark.slow
def test_rules_are_listed_and_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "rules", "--format", "json") == 0
    for rule in json.loads(capsys.readouterr().out):
        assert run(monkeypatch, "explain", rule["code"]) == 0
        by_code = capsys.readouterr().out
        assert run(monkeypatch, "explain", rule["name"]) == 0
        assert capsys.readouterr().out == by_code
        assert "Why it matters" in by_code


def test_an_unexpected_exception_is_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], policy: Path
) -> None:
    from groundwire.audit import gating

    monkeypatch.setattr(gating, "load_audit", lambda url: 1 / 0)
    monkeypatch.delenv("GROUNDWIRE_DEBUG", raising=False)
    assert run(monkeypatch, "gate", tmp_path, "--policy", policy) == 3
    assert "unexpected ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.slow
def test_the_gate_imports_nothing_heavy(tmp_path: Path, policy: Path) -> None:
    folder = judged_run(tmp_path / "run")
    code = (
        "import sys\nfrom groundwire.audit.__main__ import main\n"
        f"sys.argv = ['groundwire', 'gate', {str(folder)!r}, '--policy', {str(policy)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "heavy = {'torch', 'lightning', 'pyarrow', 'scipy', 'numpy', 'jinja2', 'fsspec', 'rich.console'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
