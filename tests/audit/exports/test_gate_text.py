"""The verdict in a terminal: one screen, worst first, within its width, and nothing acts."""

from __future__ import annotations

import io
import unicodedata

import pytest
from gate_output_material import (
    ANY,
    NEVER,
    UNREAD,
    audit,
    cannot_tell,
    every_outcome,
    failed,
    limit,
    met,
    passed,
    unknown,
    verdict,
)
from groundwire.audit.exports.gate_text import NARROWEST
from groundwire.audit.verdicts import MANY, as_text, summary_of_many, wants_color
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_everything_that_decides_is_on_one_screen_worst_first() -> None:
    shown = lines(as_text(*every_outcome(), width=80))
    assert len(shown) <= 24
    marks = [line.split()[:2] for line in shown if line[2:3] in "✗?○✓" and line.startswith("  ") and line[4] != " "]
    assert marks == [
        ["✗", "overfitting"], ["?", "toxicity"], ["✗", "loss"], ["?", "norm"], ["○", "quality"], ["✓", "energy"]
    ]  # fmt: skip
    text = "\n".join(shown)
    for told in ("POLICY NOT MET", "0.213 beyond", "→ trainer.max_steps=2400", "about 93 samples", "12 days left",
                 "+0.084 from 2.1", "best.ckpt, step 2,400", "! the waiver of energy is not used"):  # fmt: skip
        assert told in text
    assert text.count("only warns") == 2
    assert shown[-1] == "GATE: FAIL (1 failed, 1 unknown, 1 waived)"


def test_columns_stand_below_one_another() -> None:
    shown = lines(as_text(verdict(failed("a"), failed("much-longer")), audit(), width=100))
    places = {line.index("≤ 0.1") for line in shown if "≤" in line}
    assert len(places) == 1


def test_when_met_the_closest_limit_is_named() -> None:
    text = as_text(*met(), width=80)
    assert "closest limit: spikes, 0.02 to spare (3.3 % of it)" in text
    assert lines(text)[-1] == "GATE: PASS"


def test_a_count_of_none_is_not_the_closest_limit() -> None:
    none = limit("nonfinite", metric="gradient.nonfinite_steps", maximum=0.0, margin=0.0)
    assert "closest limit: energy" in as_text(verdict(none, passed(), outcome="pass"), audit(), width=80)


def test_many_met_limits_do_not_push_the_failed_one_away() -> None:
    limits = [passed(f"l{place}", margin=place / 100) for place in range(60)]
    shown = lines(as_text(verdict(*limits, failed()), audit(), width=100))
    assert len(shown) <= 18
    assert "✗ overfitting" in shown[2]
    assert "50 other limits met" in "\n".join(shown)


def test_several_runs_come_worst_first_and_met_ones_take_a_line() -> None:
    judged = [met("a"), cannot_tell("b"), every_outcome(), met("c")]
    text = MANY["text"](judged)
    assert text.index("20261121T0059-7f3a") < text.index("· b ·") < text.index("✓ TinyGPT · a")
    assert lines(text)[-1] == "GATE: FAIL (4 runs, 1 failed, 1 unknown)"


@pytest.mark.slow
def test_a_thousand_runs_show_the_worst_whole_and_count_the_rest() -> None:
    judged = [met(f"m{place}") for place in range(900)] + [
        (verdict(failed()), audit(f"f{place}")) for place in range(100)
    ]
    shown = lines(MANY["text"](judged))
    assert sum("POLICY NOT MET" in line for line in shown) == 10
    assert sum(line.startswith("✗") for line in shown) == 100
    assert "… and 890 more runs that meet the policy" in shown
    assert shown[-1] == "GATE: FAIL (1,000 runs, 100 failed)"


def test_a_run_that_could_not_be_read_is_no_pass() -> None:
    text = MANY["text"]([met()], ["runs/b has no audit.json"])
    assert "? runs/b has no audit.json" in text
    assert lines(text)[-1] == "GATE: UNKNOWN (2 runs, 1 unknown)"
    assert summary_of_many([]).startswith("GATE: UNKNOWN")


def test_a_value_that_is_cut_says_so() -> None:
    text = as_text(verdict(failed("n" * 500)), audit(), width=80)
    assert "n… (440 more characters)" in " ".join(text.split())


def test_colours_are_for_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_color(Terminal())
    assert not wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_color(Terminal())
    plain, colored = (as_text(*every_outcome(), width=80, color=color) for color in (False, True))
    assert "\x1b" not in plain
    assert (
        colored.replace("\x1b[0m", "")
        .replace("\x1b[31m", "")
        .replace("\x1b[33m", "")
        .replace("\x1b[32m", "")
        .replace("\x1b[36m", "")
        == plain
    )


def test_the_terminal_says_how_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert as_text(*every_outcome()) == as_text(*every_outcome(), width=50)


def test_wide_characters_take_two_columns() -> None:
    shown = lines(as_text(verdict(failed("日本語" * 12), unknown()), audit(), width=60))
    assert max(map(cell_len, shown)) <= 60
    assert sum("日" in line for line in shown) >= 2


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(judged=ANY, unread=UNREAD, width=st.integers(1, 200))
def test_hostile_text_stays_within_its_lines_and_acts_on_nothing(judged: list, unread: list, width: int) -> None:
    from groundwire.audit.exports.gate_text import as_text as of_many

    text = of_many(judged, unread, width=width)
    text.encode()
    shown = text.split("\n")
    assert shown.pop() == ""
    assert shown[-1] == summary_of_many(judged, unread)
    assert all(cell_len(line) <= max(width, NARROWEST) for line in shown[:-1])
    assert not any(
        character in NEVER or unicodedata.category(character) in {"Cc", "Cs"} for character in "".join(shown)
    )
    assert not any("::" in line or "##[" in line or "##vso[" in line for line in shown)
    assert not any(line.startswith("GATE:") for line in shown[:-1])
