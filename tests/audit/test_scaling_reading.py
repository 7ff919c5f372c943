"""What a law is fitted to: tables of runs, and run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.model import RunStatus
from groundwire.audit.scaling import read_points, read_runs
from scaling_material import sized_run

HEAD = "parameters,tokens,loss\n"


def test_tokens_come_from_flop_where_only_these_are_told(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("\ufeffLoss; training_flop ;Parameters;name\n2.5;6e18;1e8;a\n\n2.25;1.2e19;1e8;b\n", "utf-8")
    found = read_points(table)
    assert [(p.parameters, p.tokens, p.loss) for p in found] == [(1e8, 1e10, 2.5), (1e8, 2e10, 2.25)]
    assert [p.name for p in found] == ["line 2", "line 4"]
    assert found[0].flop == 6e18
    table.write_text("parameters,tokens,training_flop,loss\n1e8,5e9,9e99,2\n")
    assert read_points(table)[0].tokens == 5e9


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        (HEAD, "holds no rows"),
        ("parameters,loss\n1e8,2\n", "'tokens' or 'training_flop'"),
        (HEAD + "1e8,1e9,2\n1e8,1e9\n", "line 3: 2 values for 3 columns"),
        (HEAD + "1e8,1e9,2\n\n1e8,,2\n", "line 4: 'tokens' must be a positive number"),
        (HEAD + "1e8,1e9,nan\n", "line 2: 'loss' must be a positive number"),
        (HEAD + "inf,1e9,2\n", "line 2: 'parameters' must be"),
        (HEAD + "-1e8,1e9,2\n", "line 2: 'parameters' must be"),
        (HEAD + "1e8,1e9,0\n", "line 2: 'loss' must be"),
        (HEAD + "70 B,1e9,2\n", "got '70 B'"),
        ("parameters,training_flop,loss\n1e8,1e8,2\n", "line 2: 1e+08 FLOP are"),
        (HEAD + "1e8,1e9,2\n" * 10_001, "more than 10,000 rows"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, content: str, told: str) -> None:
    table = tmp_path / "points.csv"
    table.write_text(content)
    with pytest.raises(UsageError) as raised:
        read_points(table)
    assert told in str(raised.value)


def test_a_run_says_its_size_and_its_last_validation_loss(tmp_path: Path) -> None:
    sized_run(tmp_path / "run", parameters=1e8, tokens=2e9, loss=3.0)
    (found,) = read_runs([str(tmp_path / "run")]).points
    assert (found.parameters, found.tokens, found.loss) == (1e8, 2e9, 3.0)
    assert found.name == str(tmp_path / "run")


def test_tokens_are_counted_in_steps_where_none_were_logged(tmp_path: Path) -> None:
    sized_run(tmp_path / "run", parameters=1e8, tokens=None, loss=3.0)
    (found,) = read_runs([str(tmp_path / "run")], tokens_per_step=500).points
    assert found.tokens == 40 * 500


def test_without_a_validation_loss_in_every_run_the_training_loss_counts(tmp_path: Path) -> None:
    for name, validated in (("a", True), ("b", False)):
        sized_run(tmp_path / name, parameters=1e8, tokens=2e9, loss=3.0, validated=validated)
    found = read_runs([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found.loss == "train.loss"
    assert [p.loss for p in found.points] == [pytest.approx(3.1)] * 2  # the mean of 3.2 and 3.0, the last 5 %


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tokens": None}, "give --tokens-per-step"),
        ({"tokens": 0.0}, "logged 0 tokens"),
        ({"parameters": None}, "does not say how many parameters"),
        ({"parameters": True}, "does not say how many parameters"),
        ({"loss": float("nan")}, "ends at nan"),
        ({"loss": -1.0}, "ends at -1"),
        ({"status": RunStatus.INTERRUPTED}, "is interrupted"),
    ],
)
def test_a_run_that_does_not_say_enough_is_refused(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    sized_run(tmp_path / "run", **{"parameters": 1e8, "tokens": 2e9, "loss": 3.0} | options)
    with pytest.raises(UsageError) as raised:
        read_runs([str(tmp_path / "run")])
    assert told in str(raised.value)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    sized_run(tmp_path / "run", parameters=1e8, tokens=2e9, loss=3.0)
    (table,) = (tmp_path / "run" / "series").glob("overfitting*.arrow")
    table.write_bytes(table.read_bytes()[:-200])
    with pytest.raises(UsageError, match="is damaged"):
        read_runs([str(tmp_path / "run")])


@pytest.mark.parametrize(("url", "told"), [("", "RUN is empty"), ("none", "is not a run folder")])
def test_what_is_no_run_is_refused(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_runs([url and str(tmp_path / url)])


@pytest.mark.parametrize("amount", [0.0, -1.0, float("nan"), float("inf")])
def test_tokens_a_step_are_a_positive_number(amount: float) -> None:
    with pytest.raises(UsageError, match="--tokens-per-step"):
        read_runs([], tokens_per_step=amount)
