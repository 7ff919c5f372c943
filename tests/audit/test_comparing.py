"""`groundwire compare`: seeds, folds and groups side by side, and what it refuses."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from compared_material import audit, losses, metric, write
from gate_material import Gated, Release
from groundwire.audit import spread as spreading
from groundwire.audit.model import Audit, dump
from groundwire.audit.spread import half_width, spread
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = "\x1b]0;x\x07\u202e|`<b>\n::set-output name=x::y\r\u2028\x9b31m\ufeff"
ACTING = "\x1b\x07\x9b\r\u202e\u2028\ufeff"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    monkeypatch.setenv("COLUMNS", "200")
    found = Release.__new__(Release)
    found._monkeypatch, found._capsys = monkeypatch, capsys
    return found


def compare(release: Release, *arguments: object) -> Gated:
    return release.command("compare", *arguments)


def parsed(release: Release, *arguments: object) -> dict[str, Any]:
    done = compare(release, *arguments, "--format", "json")
    assert (done.code, done.err) == (0, "")
    return dict(json.loads(done.out))


def row(found: dict[str, Any], name: str = "logged.val_loss") -> dict[str, Any]:
    (only,) = [each for each in found["metrics"] if each["name"] == name]
    return dict(only)


# What is computed


def test_three_seeds_have_mean_spread_and_student_s_interval(release: Release, tmp_path: Path) -> None:
    found = parsed(release, *write(tmp_path, *losses(1.0, 2.0, 3.0)))
    (told,) = row(found)["groups"]
    half = 4.302652729911275 / math.sqrt(3)  # t with 2 degrees of freedom, from tables
    assert (told["n"], told["mean"], told["deviation"], told["least"], told["greatest"]) == (3, 2.0, 1.0, 1.0, 3.0)
    assert (told["low"], told["high"]) == (pytest.approx(2 - half), pytest.approx(2 + half))


def test_folds_widen_the_interval_as_nadeau_and_bengio_say(release: Release, tmp_path: Path) -> None:
    audits = [audit(n, metric("logged.val_loss", float(n)), seed=0, data={"fold": n}) for n in range(1, 6)]
    runs = write(tmp_path, *audits)
    plain, folds = parsed(release, *runs), parsed(release, *runs, "--folds", 5)
    narrow, wide = (row(found)["groups"][0] for found in (plain, folds))
    assert narrow["mean"] == wide["mean"] == 3
    ratio = (wide["high"] - wide["low"]) / (narrow["high"] - narrow["low"])
    assert ratio == pytest.approx(math.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    assert any("too narrow (Nadeau and Bengio 2003)" in note for note in plain["notes"])
    assert any("n_test/n_train = 1/4" in note for note in folds["notes"])


def sized(number: int, **more: Any) -> Audit:
    """Return an audit of a run whose epoch is as long as its number says."""
    epoch = {"examples": 80 + number, "batches_per_epoch": 10 + number, "steps_per_epoch": 10 + number}
    return audit(number, metric("logged.val_loss", float(number)), seed=0, data=epoch | more)


def test_folds_and_data_that_may_differ_may_make_epochs_of_other_length(release: Release, tmp_path: Path) -> None:
    folds = write(tmp_path / "folds", *(sized(n, fold=n) for n in (1, 2)))
    varied = write(tmp_path / "varied", *(sized(n, n=n) for n in (1, 2)))
    for runs, options in ((folds, ()), (varied, ("--vary", "data.n"))):
        assert row(parsed(release, *runs, *options))["groups"][0]["low"] is not None
    unsaid = parsed(release, *write(tmp_path / "unsaid", *(sized(n, split_seed=n) for n in (1, 2))))
    assert row(unsaid)["groups"][0]["low"] is None
    assert any("they differ in data.examples" in note for note in unsaid["notes"])


def test_two_runs_are_told_how_wide_their_interval_is(release: Release, tmp_path: Path) -> None:
    found = parsed(release, *write(tmp_path, *losses(1.0, 2.0)))
    assert any("reaches 8.98 standard deviations" in note and "of three 2.48" in note for note in found["notes"])


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=1, max_size=8))
def test_a_mean_lies_within_its_values_and_its_interval(values: list[float]) -> None:
    found = spread(values)
    assert found.least <= found.mean <= found.greatest
    if found.low is not None and found.high is not None:
        assert found.low <= found.mean <= found.high
    assert all(end is None or math.isfinite(end) for end in (found.deviation, found.low, found.high))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8), st.integers(2, 20))
def test_folds_never_narrow_an_interval(values: list[float], folds: int) -> None:
    plain, wide = spread(values), spread(values, folds=folds)
    if plain.low is not None and plain.high is not None:
        assert wide.low is not None and wide.high is not None
        assert wide.low <= plain.low and plain.high <= wide.high


def test_equal_values_and_single_ones_have_no_interval() -> None:
    assert (spread([2.0, 2.0, 2.0]).low, spread([2.0]).low, spread([2.0]).deviation) == (None, None, None)
    with pytest.raises(ValueError, match="at least one value"):
        spread([])


def test_the_interval_covers_the_mean_of_seeds_in_95_of_100() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    draws = rng.normal(1.0, 0.3, (2000, 4))
    held = [low <= 1.0 <= high for low, high in map(_ends, draws)]
    assert 0.935 <= sum(held) / len(held) <= 0.965


def _ends(values: Any) -> tuple[float, float]:
    found = spread(values)
    assert found.low is not None and found.high is not None
    return found.low, found.high


def test_half_a_width_is_that_of_the_tables() -> None:
    assert half_width(2) == pytest.approx(12.706 / math.sqrt(2), rel=1e-4)
    assert half_width(10) == pytest.approx(2.2622 / math.sqrt(10), rel=1e-4)


def test_without_scipy_all_but_the_intervals_is_shown(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    assert spreading.why_no_quantile() is not None
    found = parsed(release, *write(tmp_path, *losses(1.0, 2.0, 3.0)))
    assert row(found)["groups"][0]["deviation"] == 1
    assert row(found)["groups"][0]["low"] is None
    assert any('pip install "groundwire[train]"' in note for note in found["notes"])


# What counts


@pytest.mark.parametrize("status", ["running", "interrupted", "crashed"])
def test_a_run_that_is_not_finished_is_shown_and_not_counted(release: Release, tmp_path: Path, status: str) -> None:
    one, two, bad = losses(1.0, 2.0, 99.0)
    bad = bad.model_copy(update={"run": bad.run.model_copy(update={"status": audit(status=status).run.status})})
    runs = write(tmp_path, one, two, bad)
    found = parsed(release, *runs)
    assert row(found)["groups"][0]["mean"] == 1.5
    assert [run["counted"] for run in found["runs"]] == [True, True, False]
    text = compare(release, *runs).out
    assert f"NOT COUNTED: the run is {status}, not finished" in text
    assert "(99)" in text


def test_changed_damaged_and_copied_runs_do_not_count(release: Release, tmp_path: Path) -> None:
    good = losses(1.0, 2.0)
    runs = write(tmp_path, *good, audit(3, metric("logged.val_loss", 7.0), damage=("events.jsonl",)))
    changed, copied = write(tmp_path / "more", losses(5.0)[0], audit(2, metric("logged.val_loss", 2.0)))
    document = json.loads((changed / "audit.json").read_text())
    document["metrics"][0]["value"] = 0.0
    (changed / "audit.json").write_text(json.dumps(document))
    unread = tmp_path / "unread"
    unread.mkdir()
    (unread / "run.json").write_text("{")
    found = parsed(release, *runs, changed, copied, unread)
    reasons = [run["reason"] or "" for run in found["runs"]]
    assert reasons[:2] == ["", ""]
    for reason, told in zip(reasons[2:], ("damaged", "digest", "the same run as", "not whole JSON"), strict=True):
        assert told in reason
    assert row(found)["groups"][0]["mean"] == 1.5


def test_fewer_than_two_runs_that_count_are_three(release: Release, tmp_path: Path) -> None:
    one, two = losses(1.0, 2.0)
    crashed = two.model_copy(
        update={"run": two.run.model_copy(update={"status": audit(status="crashed").run.status})}
    )
    done = compare(release, *write(tmp_path, one, crashed))
    assert done.code == 3
    assert "1 run of 2 can be compared" in done.err
    assert "the run is crashed" in done.err
    assert "over the runs" not in done.out


def test_values_that_nobody_may_go_by_are_not_counted(release: Release, tmp_path: Path) -> None:
    weak = metric("logged.val_loss", 99.0, quality="unknown", reason="it broke")
    runs = write(tmp_path, *losses(1.0, 2.0), audit(3, weak), audit(4, metric("logged.val_loss", math.nan)))
    found = parsed(release, *runs)
    assert (row(found)["groups"][0]["n"], row(found)["groups"][0]["mean"]) == (2, 1.5)
    assert any("those may be the worst" in note for note in found["notes"])
    text = compare(release, *runs).out
    assert "(99)" in text
    assert "—" in text


def test_the_best_has_the_direction_of_the_registry(release: Release, tmp_path: Path) -> None:
    for name, best, better in (
        ("overfitting.gap", ["run001"], "lower"), ("likelihood.icat", ["run002"], "higher"),
        ("logged.loss", [], "neither"),
    ):  # fmt: skip
        asked = {"generation": {"pairs_sha256": "x"}}
        audits = [audit(n, metric(name, float(n)), **asked) for n in (1, 2)]
        found = row(parsed(release, *write(tmp_path / better, *audits)), name)
        assert (found["best"], found["better"]) == (best, better)


# What repeats are


def test_runs_that_differ_in_more_than_their_seed_are_no_repeats(release: Release, tmp_path: Path) -> None:
    audits = [audit(n, metric("logged.val_loss", float(n)), model={"dropout": n % 2 / 10}) for n in range(1, 7)]
    runs = write(tmp_path, *audits)
    found = parsed(release, *runs)
    assert row(found)["groups"][0]["low"] is None
    assert any("they differ in model.dropout (0.1: 3 runs, 0.0: 3 runs); --by" in note for note in found["notes"])
    assert {each["key"] for each in found["differences"]} == {"model.dropout", "environment.seed"}
    grouped = parsed(release, *runs, "--by", "model.dropout")
    assert [(each["value"], each["mean"]) for each in row(grouped)["groups"]] == [("0.0", 4), ("0.1", 3)]
    assert all(each["low"] is not None for each in row(grouped)["groups"])
    assert "model.dropout" in compare(release, *runs, "--by", "model.dropout").out


def test_what_may_vary_is_for_the_user_to_say(release: Release, tmp_path: Path) -> None:
    audits = [audit(n, metric("logged.val_loss", float(n)), data={"part": n}) for n in range(1, 4)]
    runs = write(tmp_path, *audits)
    done = compare(release, *runs, "--metric", "logged.val_loss")
    assert done.code == 2
    assert "data.part differs: 1 and 2 (run001, run002); --vary data.part says that it may" in done.err
    assert row(parsed(release, *runs, "--vary", "data.part"))["groups"][0]["low"] is not None


def test_the_same_seed_twice_is_no_repeat(release: Release, tmp_path: Path) -> None:
    runs = write(tmp_path, *losses(1.0, 2.0, 3.0, seed=7))
    found = parsed(release, *runs)
    assert row(found)["groups"][0]["low"] is None
    assert any("run001 and run002 have the same seed and fold; give each run its own" in n for n in found["notes"])
    assert row(parsed(release, *runs, "--folds", 3))["groups"][0]["low"] is not None


def test_a_run_that_goes_on_from_another_is_no_repeat(release: Release, tmp_path: Path) -> None:
    one, two = losses(1.0, 2.0)
    two = two.model_copy(update={"run": two.run.model_copy(update={"parent": one.run.id})})
    assert any("run002 goes on from run001" in note for note in parsed(release, *write(tmp_path, one, two))["notes"])


# What is refused


def _two(*metrics: Any, **second: Any) -> list[Audit]:
    return [audit(1, metrics[0]), audit(2, metrics[-1], **second)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("audits", "told"),
    [
        (_two(metric("overfitting.gap", 1.0, unit="loss"), metric("overfitting.gap", 1.0)),
         "the unit differs: loss and none"),
        (_two(metric("overfitting.gap", 1.0), data={"sha256": "other"}), 'data.sha256 differs: "abc" and "other"'),
        (_two(metric("carbon.energy_kwh", 1.0), environment={"gpus": []}), "the hardware differs"),
        (_two(metric("carbon.energy_kwh", 1.0), metric("carbon.energy_kwh", None, reason="no meter")),
         "no meter (run002)"),
        (_two(metric("generation.sentiment", 1.0)), "does not say which prompts"),
    ],
)  # fmt: skip
def test_what_is_not_comparable_is_refused_when_asked_for_and_listed_when_not(
    release: Release, tmp_path: Path, audits: list[Audit], told: str
) -> None:
    name = audits[0].metrics[0].name
    extra = metric("gradient.norm_p95", 1.0)
    audits = [each.model_copy(update={"metrics": [*each.metrics, extra]}) for each in audits]
    runs = write(tmp_path, *audits)
    done = compare(release, *runs, "--metric", name)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"groundwire: {name} cannot be compared: ")
    assert told in done.err
    assert done.err.count("\n") == 1
    found = parsed(release, *runs)
    assert [each["name"] for each in found["metrics"]] == ["gradient.norm_p95"]
    ((listed, reason),) = [(each["name"], each["reason"]) for each in found["not_compared"]]
    assert listed == name
    assert told in reason
    assert told in compare(release, *runs).out


def test_nothing_in_common_is_three(release: Release, tmp_path: Path) -> None:
    one, two = audit(1, metric("logged.a", 1.0)), audit(2, metric("logged.b", 1.0))
    done = compare(release, *write(tmp_path, one, two))
    assert done.code == 3
    assert "no number in common" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "Missing argument"),
        (["runs", "--metric", "logged.val_los"], 2, "did you mean 'logged.val_loss'"),
        (["runs", "--metric", "logged.only"], 2, "logged.only cannot be compared: it was not measured (run002)"),
        (
            ["runs", "--by", "model.dropuot"],
            2,
            "--by: no run has a setting 'model.dropuot'; did you mean 'model.dropout'",
        ),
        (["runs", "--vary", "nonsense"], 2, "--vary: no run has a setting 'nonsense'"),
        (["runs", "--folds", "1"], 2, "--folds must be 2 or more"),
        (["runs/20261121T0059-run001"], 2, "Comparing takes two runs"),
        (["runs/20261121T0059-run001", "runs/20261121T0059-run001/"], 2, "Comparing takes two runs"),
        (["nowhere"], 3, "is no run folder and holds none"),
        (["runs", "nowhere"], 3, "is no run folder and holds none"),
        (["runs", ""], 2, "RUN is empty"),
    ],
)
def test_wrong_use_is_one_sentence(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    one, two = losses(1.0, 2.0)
    one = one.model_copy(update={"metrics": [*one.metrics, metric("logged.only", 1.0)]})
    write(tmp_path / "runs", one, two)
    monkeypatch.chdir(tmp_path)
    done = compare(release, *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert "Traceback" not in done.err


# How it is shown


def test_a_folder_stands_for_all_runs_below_it(release: Release, tmp_path: Path) -> None:
    write(tmp_path / "logs" / "version_0" / "groundwire", *losses(1.0))
    (second,) = write(tmp_path / "logs" / "version_1" / "groundwire", losses(1.0, 3.0)[1])
    found = parsed(release, tmp_path / "logs", second / "audit.json")
    assert [run["label"] for run in found["runs"]] == ["run001", "run002"]
    assert row(found)["groups"][0]["mean"] == 2


def test_the_most_wanted_come_first_and_parts_only_when_asked_for(release: Release, tmp_path: Path) -> None:
    names = ("gradient.norm_p95", "carbon.energy_kwh", "overfitting.gap", "logged.val_loss")
    part = metric("carbon.energy_kwh", 1.0, labels={"component": "cpu"})
    runs = write(tmp_path, *(audit(n, *(metric(name, 1.0) for name in names), part) for n in (1, 2)))
    assert [each["name"] for each in parsed(release, *runs)["metrics"]] == [*reversed(names)]
    asked = parsed(release, *runs, "--metric", "carbon.energy_kwh")["metrics"]
    assert [each["labels"] for each in asked] == [{}, {"component": "cpu"}]


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_a_table_is_wider_than_the_terminal(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    runs = write(tmp_path, *losses(*(1 + n / 7 for n in range(40)), name="overfitting.gap"))
    out = compare(release, *runs).out
    lines = out[out.index("each run") :].splitlines()
    assert sum("overfitting.gap" in line for line in lines) == 2
    assert all(len(line) <= width for line in lines if "fit here" not in line)
    assert "of 40 runs fit here: --format json has all" in out
    assert "… and 20 more runs" in out


def test_a_digest_among_the_hyperparameters_says_which_data_it_was(release: Release, tmp_path: Path) -> None:
    found = losses(1.0, 2.0)
    assert "No run says" not in compare(release, *write(tmp_path / "known", *found)).out
    for each in found:
        each.configuration["data"] = {"batch_size": 8, "sha256sum_of": "a", "n": 5}
    assert "No run says by a digest" in compare(release, *write(tmp_path / "unknown", *found)).out


def test_values_are_shown_as_fine_as_they_differ(release: Release, tmp_path: Path) -> None:
    out = compare(release, *write(tmp_path, *losses(2.27101, 2.27105, 2.27102))).out
    assert "2.271010" in out or "2.27101" in out
    assert "2.27105" in out


@pytest.mark.parametrize("shape", ["text", "json", "markdown"])
def test_hostile_names_do_not_act(release: Release, tmp_path: Path, shape: str) -> None:
    audits = []
    for n in (1, 2):
        odd = metric(f"logged.{HOSTILE}", float(n), unit=HOSTILE)
        bad = metric(f"logged.x{HOSTILE}", None, reason=HOSTILE)
        found = audit(n, odd, bad, model={HOSTILE: HOSTILE * n})
        audits.append(found.model_copy(update={"run": found.run.model_copy(update={"id": f"{n}{HOSTILE}"})}))
    runs = []
    for n, each in enumerate(audits):
        runs += write(tmp_path / str(n), each.model_copy(update={"run": each.run.model_copy(update={"id": "a"})}))
        (runs[-1] / "audit.json").write_text(dump(each))
    for more in ([], ["--by", f"model.{HOSTILE}"]):
        done = compare(release, *runs, "--format", shape, *more)
        assert done.code == 0
        text = done.out + done.err
        assert not [character for character in text if character in ACTING]
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]


def test_markdown_has_a_cell_for_every_column(release: Release, tmp_path: Path) -> None:
    out = compare(
        release, *write(tmp_path, *losses(1.0, 2.0, 4.0, name="overfitting.gap")), "--format", "markdown"
    ).out
    rows = [line.replace("\\|", "") for line in out.splitlines() if line.startswith("|")]
    assert [line.count("|") for line in rows] == [5, 5, 5, 8, 8, 8]
    assert "overfitting.gap" in rows[2]


def test_a_hundred_runs_take_a_few_seconds(release: Release, tmp_path: Path) -> None:
    metrics = [metric(f"logged.m{n}", float(n)) for n in range(30)]
    write(tmp_path, *(audit(n, *metrics) for n in range(100)))
    began = time.monotonic()
    assert len(parsed(release, tmp_path)["runs"]) == 100
    assert time.monotonic() - began < 10
