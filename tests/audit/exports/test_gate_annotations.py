"""The verdict as workflow commands of GitHub Actions."""

from __future__ import annotations

import re

import pytest
from gate_output_material import ANY, UNREAD, audit, every_outcome, failed, limit, met, verdict
from groundwire.audit.verdicts import FORMATS, MANY
from hypothesis import given, settings

# As the runner takes a line apart: the command, its properties up to the next `::`, and the data.
COMMAND = re.compile(r"::(?P<level>error|warning|notice) (?P<properties>.*?)::(?P<data>.*)", re.DOTALL)


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """Return the command of a line as the runner reads it."""
    found = COMMAND.fullmatch(line)
    assert found is not None, line
    pairs = [pair.split("=", 1) for pair in found["properties"].split(",")]
    properties = {key: _unescaped(value, {"%3A": ":", "%2C": ","}) for key, value in pairs}
    return found["level"], properties, _unescaped(found["data"], {})


def _unescaped(text: str, more: dict[str, str]) -> str:
    for token, character in ({"%0D": "\r", "%0A": "\n"} | more | {"%25": "%"}).items():
        text = text.replace(token, character)
    return text


def test_what_blocks_is_an_error_on_its_line_and_the_rest_less() -> None:
    found = [parsed(line) for line in FORMATS["github"](*every_outcome()).splitlines()]
    assert [(level, at.get("title"), at["line"]) for level, at, _ in found] == [
        ("error", "overfitting", "7"), ("error", "toxicity", "12"), ("warning", "loss", "7"),
        ("warning", "Groundwire", "1"), ("notice", "norm", "1"), ("notice", "quality", "1"),
    ]  # fmt: skip
    assert {at["file"] for _, at, _ in found} == {"policy.toml"}
    assert "overfitting.gap is 0.313 loss, allowed ≤ 0.1; 0.213 beyond. Do: trainer.max_steps=2400" in found[0][2]
    assert "12 days left" in found[-1][2]


def test_nothing_is_said_of_a_policy_that_is_met() -> None:
    assert FORMATS["github"](*met()) == ""


def test_there_are_at_most_ten_and_the_worst_stay() -> None:
    limits = [limit(f"w{place}", "waived") for place in range(20)] + [failed(f"f{place}") for place in range(9)]
    found = [parsed(line) for line in FORMATS["github"](verdict(*limits), audit()).splitlines()]
    assert [level for level, *_ in found] == ["error"] * 9 + ["notice"]
    assert found[-1][2] == "20 more annotations left out: the job summary has all."
    assert len(FORMATS["github"](verdict(*limits[11:]), audit()).splitlines()) == 10


def test_several_runs_are_told_apart_and_an_unread_one_is_an_error() -> None:
    found = [parsed(line) for line in MANY["github"]([met("a"), every_outcome()], ["b is no run"]).splitlines()]
    assert found[0][1]["title"] == "overfitting of 20261121T0059-7f3a"
    assert ("error", {"title": "Groundwire"}, "b is no run") in found


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(judged=ANY, unread=UNREAD)
def test_hostile_text_begins_no_command_and_ends_none(judged: list, unread: list) -> None:
    lines = MANY["github"](judged, unread).split("\n")
    assert lines.pop() == ""
    assert len(lines) <= 10
    levels = []
    for line in lines:
        level, properties, data = parsed(line)
        levels.append(level)
        assert set(properties) <= {"file", "line", "title"}
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202e]", line + data)
    assert levels == sorted(levels, key=("error", "warning", "notice").index)
