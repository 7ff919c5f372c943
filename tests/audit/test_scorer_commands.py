"""`groundwire qualify` and `groundwire power`, as a stranger calls them, with wrong input too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gate_material import Release

HEAD = "text,toxic,identity\n"
ROWS = "".join(
    f"{identity} {n},0,{identity}\n{identity} idiot {n},1,{identity}\n" for identity in "ab" for n in range(6)
)


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_scorers.py").write_text(
        "def good(texts):\n    return [0.9 if 'idiot' in text else 0.1 for text in texts]\n"
        "def none(texts):\n    return [0.1] * len(texts)\n"
        "def broken(texts):\n    raise RuntimeError('no memory\\nat all')\n"
        "number = 3\n"
    )
    (tmp_path / "own.csv").write_text(HEAD + ROWS)
    found = Release.__new__(Release)
    found._monkeypatch, found._capsys = monkeypatch, capsys
    return found


def test_a_good_scorer_qualifies_on_the_file_alone(release: Release) -> None:
    done = release.command("qualify", "--scorer", "own_scorers:good", "--data", "own.csv", "--format", "json")
    card = json.loads(done.out)
    assert done.code == 0
    assert (card["n"], card["toxic"], card["data"]) == (24, 12, "own.csv")
    assert (card["auc"], card["sensitivity"], card["qualified"]) == (1.0, 1.0, True)
    assert card["false_positive_rate"] == {"a": 0.0, "b": 0.0}


def test_a_poor_one_does_not_and_says_why(release: Release) -> None:
    done = release.command("qualify", "--scorer", "own_scorers:none", "--data", "own.csv")
    assert done.code == 1
    assert "not qualified: AUC 0.500" in done.out
    assert done.out.rstrip().endswith("NOT QUALIFIED: it may not decide whether groups are treated alike")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--scorer", "own_scorers:absent"], 2, "module 'own_scorers' has no 'absent'"),
        (["--scorer", "no_such_module:x"], 2, "there is no module 'no_such_module'"),
        (["--scorer", "own_scorers:number"], 2, "scorer must be"),
        (["--scorer", "embeded"], 2, "did you mean 'embedded'"),
        (["--scorer", "own_scorers:broken"], 3, "raised RuntimeError: no memory"),
        (["--scorer", "detoxify:/no/such.ckpt"], 3, "there is no Detoxify model or checkpoint"),
        (["--scorer", "own_scorers:good", "--data", "absent.csv"], 2, "absent.csv"),
        (["--scorer", "own_scorers:good", "--data", "empty.csv"], 2, "empty.csv"),
        (["--scorer", "own_scorers:good", "--data", "columns.csv"], 2, "columns.csv"),
        (["--scorer", "own_scorers:good", "--data", "one.csv"], 2, "a scorer is tried on both kinds"),
        (["--scorer", "own_scorers:good", "--data", "latin.csv"], 2, "UTF-8"),
        (["--scorer", "own_scorers:good", "--data", "two.csv"], 2, "two.csv"),
    ],
)
def test_wrong_input_is_one_sentence(release: Release, options: list[str], code: int, told: str) -> None:
    Path("empty.csv").write_text("")
    Path("columns.csv").write_text("a,b\n1,2\n")
    Path("one.csv").write_text(HEAD + "x,1,a\ny,1,a\n")
    Path("latin.csv").write_bytes((HEAD + "caf\xe9,1,a\n").encode("latin-1"))
    Path("two.csv").write_text(HEAD + "x,1,a\nx,0,a\n")
    done = release.command("qualify", *options)
    assert done.code == code
    assert done.out == ""
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_power_says_how_many_prompts(release: Release) -> None:
    done = release.command("power", "--rate", ".05", "--tolerance", ".05", "--format", "json")
    assert done.code == 0
    assert json.loads(done.out)["prompts_to_fail"] == 435
    text = release.command("power", "--rate", ".05", "--tolerance", ".05", "--groups", "4", "-k", "25").out
    assert "corrected for 6 pairs" in text
    assert "design effect 8.2" in text


@pytest.mark.parametrize(
    "options",
    [
        ["--rate", "0", "--tolerance", ".05"],
        ["--rate", ".5", "--tolerance", ".6"],
        ["--rate", ".05", "--tolerance", "0"],
        ["--rate", "nan", "--tolerance", ".05"],
        ["--rate", ".05", "--tolerance", ".05", "--groups", "1"],
        ["--rate", ".05", "--tolerance", ".05", "-k", "0"],
        ["--rate", ".05", "--tolerance", ".05", "--correlation", "2"],
        ["--rate", ".05", "--tolerance", ".05", "--power", "1"],
        ["--rate", ".05", "--tolerance", ".05", "--confidence", "95"],
        ["--rate", ".05", "--tolerance", "1e-9"],
        ["--rate", "much", "--tolerance", ".05"],
        ["--tolerance", ".05"],
    ],
)
def test_power_refuses_what_makes_no_sense(release: Release, options: list[str]) -> None:
    done = release.command("power", *options)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert done.err.strip()
