"""The verdict for a pull request: within what GitHub takes, worst first, and only its own markup."""

from __future__ import annotations

import pytest
from gate_output_material import (
    ANY,
    HOSTILE,
    UNREAD,
    audit,
    every_outcome,
    failed,
    limit,
    met,
    metric,
    passed,
    verdict,
)
from groundwire.audit.exports.gate_markdown import COMMENT
from groundwire.audit.exports.gate_markdown import as_markdown as of_many
from groundwire.audit.verdicts import MANY, as_markdown, summary_of_many
from hypothesis import given, settings
from markdown_it import MarkdownIt

SUMMARY = 1_024 * 1_024  # bytes
TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
OWN = {"text", "softbreak", "code_inline", "text_special"}


def counted(text: str) -> int:
    """Return the most that GitHub may count: UTF-16 units, a line's end for two."""
    return len(text.replace("\n", "\r\n").encode("utf-16-le")) // 2


def tokens(text: str) -> list:
    return MarkdownIt("gfm-like", {"linkify": False}).parse(text)


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ") and "limit | observed" not in line]


def test_a_verdict_is_a_heading_a_table_worst_first_and_the_last_word() -> None:
    text = as_markdown(*every_outcome())
    assert text.startswith("### ✗ Policy not met\n")
    assert [row.split(" | ")[1] for row in rows(text)] == [
        "overfitting", "toxicity", "loss", "norm", "quality", "energy"
    ]  # fmt: skip
    assert "0.213 beyond. Do: trainer.max\\_steps=2400" in text
    assert "- the waiver of energy is not used" in text
    assert text.endswith("`GATE: FAIL (1 failed, 1 unknown, 1 waived)`\n")


def test_when_met_the_closest_limit_is_named() -> None:
    assert "closest limit: spikes, 0.02 to spare" in as_markdown(*met())


@pytest.mark.slow
@pytest.mark.parametrize("told", ["x " * 300, HOSTILE[-3], "日本語" * 200, "😀" * 600, "|" * 600])
def test_a_thousand_limits_are_cut_at_the_budget_and_the_worst_stay(told: str) -> None:
    limits = [passed(f"p{place}") for place in range(500)]
    limits += [failed(f"f{place}", margin=-float(place), reason=told) for place in range(500)]
    text = as_markdown(verdict(*limits, notes=(told,) * 50), audit())
    assert counted(text) <= COMMENT
    assert len(text.encode()) <= SUMMARY
    assert rows(text)[0].startswith("| ✗ | f499 |")
    left = 1000 - len(rows(text))
    assert f"… {left:,} limits more, none of them worse, left out" in text
    assert "more notes" in text
    assert text.endswith("GATE: FAIL (500 failed)`\n")
    assert counted(text) > COMMENT // 2  # the room is used


def test_many_runs_are_cut_at_the_budget_and_counted() -> None:
    judged = [(verdict(*[failed(f"f{place}") for place in range(40)]), audit(f"r{run}")) for run in range(100)]
    text = MANY["markdown"]([met("good"), *judged])
    assert counted(text) <= COMMENT
    shown = text.count("### ✗")
    assert f"… {101 - shown:,} runs and" in text
    assert "GATE: FAIL (101 runs, 100 failed)" in text


def test_a_run_that_could_not_be_read_is_named() -> None:
    text = MANY["markdown"]([met("good")], ["runs/b has no audit.json"])
    assert "- runs/b has no audit.json" in text
    assert "`GATE: UNKNOWN (2 runs, 1 unknown)`" in text


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(judged=ANY, unread=UNREAD)
def test_hostile_text_makes_no_markup_no_mention_and_no_cell(judged: list, unread: list) -> None:
    text = of_many(judged, unread)
    text.encode()
    assert counted(text) <= COMMENT
    page = tokens(text)
    inside = {child.type for token in page for child in token.children or []}
    assert inside <= OWN
    kinds = {token.type.rsplit("_", 1)[0] for token in page}
    table = {"table", "thead", "tbody", "tr", "th", "td"}
    assert kinds <= {"heading", "paragraph", "inline", "bullet_list", "list_item"} | table | {
        "inline",
        "bullet",
        "list",
    }
    assert "@" not in text
    assert "#" not in text.replace("### ", "")
    for row in rows(text):  # a pipe splits a cell unless an odd number of backslashes stands before it
        parts = row.split("|")[:-1]
        assert sum((len(part) - len(part.rstrip("\\"))) % 2 == 0 for part in parts) == 6
    assert text.rstrip("\n").endswith(f"`{summary_of_many(judged, unread)}`")


def test_an_issue_is_not_linked_from_a_name() -> None:
    text = as_markdown(verdict(limit("a#12", observed=metric(unit="x#3"))), audit("r#4"))
    assert "#12" not in text
    assert "＃12" in text
    assert "#3" not in text
    assert "#4" not in text
