"""`groundwire scaling`, as a stranger calls it, with wrong input too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from gate_material import Release
from scaling_material import ladder, planted_loss, sized_run

HEAD = "parameters,tokens,loss\n"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    monkeypatch.chdir(tmp_path)
    found = Release.__new__(Release)
    found._monkeypatch, found._capsys = monkeypatch, capsys
    return found


def table(path: Path, *, amount: int = 30, noise: float = 0.003) -> Path:
    rng = np.random.default_rng(0)
    parameters = np.exp(rng.uniform(np.log(5e7), np.log(5e9), amount))
    tokens = parameters * np.exp(rng.uniform(np.log(3), np.log(200), amount))
    loss = [planted_loss(*sizes) for sizes in zip(parameters, tokens, strict=True)] * np.exp(
        rng.normal(0, noise, amount)
    )
    rows = zip(parameters.tolist(), tokens.tolist(), loss.tolist(), strict=True)
    path.write_text(HEAD + "".join(f"{n},{d},{value}\n" for n, d, value in rows))
    return path


def strict(text: str) -> Any:
    """Parse JSON that holds no NaN and no infinity."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.slow
def test_a_table_gives_a_law_with_intervals(release: Release) -> None:
    path = table(Path("points.csv"))
    done = release.command(
        "scaling", path, "--drop-highest", 2, "--budget", 1e21, "--budget", "1e22", "--bootstrap", 100,
        "--unique-tokens", 1e9, "--format", "json",
    )  # fmt: skip
    found = strict(done.out)
    assert (done.code, done.err) == (0, "")
    assert (found["points"], found["dropped"], found["bootstrap"], found["delta"]) == (28, 2, 100, 1e-3)
    for name, value in {"E": 1.8, "A": 480, "B": 2100, "alpha": 0.35, "beta": 0.37}.items():
        assert found[name]["low"] <= value <= found[name]["high"]
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert [best["flop"] for best in found["optimal"]] == [1e21, 1e22]
    for best in found["optimal"]:
        assert 6 * best["parameters"]["value"] * best["tokens"]["value"] == pytest.approx(best["flop"])
    assert [row["epochs"] for row in found["repeated"]["epochs"]] == [1, 2, 4, 8, 16, 32, 64]
    assert found["runs"] == []
    assert found["objective"] < 1e-3


@pytest.mark.slow
def test_the_text_says_the_same(release: Release) -> None:
    done = release.command("scaling", table(Path("points.csv")), "--bootstrap", 100, "--unique-tokens", 1e10)
    assert done.code == 0
    for told in ("fitted to 30 runs", "Best use of a budget", "tokens a parameter", "10 B unique tokens", "epochs"):
        assert told in done.out
    assert "watch the validation loss" in done.out


@pytest.mark.slow
def test_epochs_beyond_those_tried_are_not_told_a_loss(release: Release) -> None:
    options = ("--bootstrap", 100, "--unique-tokens", 1e6, "--budget", 1e24)
    done = release.command("scaling", table(Path("points.csv")), *options)
    last, best = (
        next(line for line in done.out.splitlines() if start in line) for start in ("   64  ", "best use of 1")
    )
    for line in (last, best):
        assert line.endswith("cannot tell: more than 44 epochs")
    assert "parameters and tokens outside the runs" in done.out
    assert "only if the law goes on to hold" in done.out


@pytest.mark.slow
def test_what_the_runs_cannot_tell_is_said(release: Release) -> None:
    path = table(Path("points.csv"), amount=12, noise=0.1)
    found = strict(release.command("scaling", path, "--bootstrap", 100, "--format", "json").out)
    assert {"E", "alpha", "optimal.0.parameters"} <= set(found["cannot_tell"])
    text = release.command("scaling", path, "--bootstrap", 100).out
    assert "cannot tell: the interval is too wide" in text
    assert "cannot tell which size is best" in text


@pytest.mark.slow
def test_the_default_budget_is_that_of_the_largest_run(release: Release) -> None:
    path = table(Path("points.csv"))
    (best,) = strict(release.command("scaling", path, "--bootstrap", 100, "--format", "json").out)["optimal"]
    assert best["times_largest"] == 1.0


@pytest.mark.slow
def test_runs_are_fitted_and_each_is_held_against_the_others(release: Release, tmp_path: Path) -> None:
    runs = ladder(tmp_path)
    done = release.command("scaling", *runs, "--bootstrap", 100, "--format", "json")
    found = strict(done.out)
    assert (done.code, found["points"], found["loss"]) == (0, 12, "overfitting.val_loss")
    assert [run["run"] for run in found["runs"]] == [str(run) for run in runs]
    assert [run["stands"] for run in found["runs"]].count("within") >= 9
    assert all(run["times_compute"]["value"] >= 0.999 for run in found["runs"])


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "told"), [(1.0, "as expected"), (1.2, "worse than expected")])
def test_a_run_is_held_against_the_law_of_a_table(release: Release, tmp_path: Path, factor: float, told: str) -> None:
    n, d = 1e9, 2e10
    run = sized_run(tmp_path / "mine", parameters=n, tokens=d, loss=planted_loss(n, d) * factor)
    done = release.command("scaling", table(Path("points.csv")), "--run", run, "--bootstrap", 100)
    assert done.code == 0
    assert f", {told}: " in done.out
    assert "same tokenizer" in done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing argument"),
        (["absent.csv"], "there is no file absent.csv"),
        (["nowhere"], "is not a run folder"),
        ([""], "RUN is empty"),
        (["."], "is not a run folder"),
        (["empty.csv"], "empty.csv is empty"),
        (["columns.csv"], "'tokens' or 'training_flop'"),
        (["latin.csv"], "UTF-8"),
        (["one.csv"], "at least 10 runs of different size, got one pair"),
        (["negative.csv"], "negative.csv, line 2: 'loss' must be a positive number"),
        (["good.csv", "good.csv"], "one table"),
        (["good.csv", "nowhere"], "one table"),
        (["good.csv", "--run", "nowhere"], "is not a run folder"),
        (["good.csv", "--run", "good.csv"], "is not a run folder"),
        (["good.csv", "--drop-highest", "30"], "--drop-highest must be 0 to 29"),
        (["good.csv", "--drop-highest", "25"], "got 5 different pairs"),
        (["good.csv", "--budget", "nan"], "--budget must be a number"),
        (["good.csv", "--budget", "1e99"], "--budget must be a number"),
        (["good.csv", "--budget", "-1"], "--budget must be a number"),
        (["good.csv", "--unique-tokens", "0"], "--unique-tokens must be a number"),
        (["good.csv", "--bootstrap", "3"], "--bootstrap must be 100 to 20,000"),
        (["good.csv", "--seed", "-1"], "--seed must be 0 or more"),
        (["good.csv", "--tokens-per-step", "0", "--run", "x"], "--tokens-per-step must be"),
    ],
)
def test_wrong_input_is_one_sentence(release: Release, arguments: list[str], told: str) -> None:
    table(Path("good.csv"))
    Path("empty.csv").write_text("")
    Path("columns.csv").write_text("a,b\n1,2\n")
    Path("latin.csv").write_bytes((HEAD + "caf\xe9,1,1\n").encode("latin-1"))
    Path("one.csv").write_text(HEAD + "1e8,1e9,3\n")
    Path("negative.csv").write_text(HEAD + "1e8,1e9,-3\n")
    done = release.command("scaling", *arguments)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    if arguments:
        assert len(done.err.splitlines()) == 1
