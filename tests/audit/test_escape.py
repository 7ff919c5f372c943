"""Text that wants to do something is shown instead."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from groundwire.audit.escape import CAP, markdown_code, markdown_text, redacted, visible
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
HOSTILE = (
    "[a](http://evil.example)",
    "![a](http://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "http://evil.example www.evil.example <http://evil.example>",
    "`code` ``more``` ~~~",
    "# heading\n\n- list\n\n> quote\n\n| a | b |\n|---|---|",
    "&lt;b&gt; &#64; \\<b> \\\\[a](b)",
    "1. one",
    "- one",
    "===",
    "*a* _b_ **c** ~~d~~",
    "@somebody",
)


def test_every_acting_character_is_shown() -> None:
    acting = [chr(p) for p in range(sys.maxunicode + 1) if unicodedata.category(chr(p)) in ACTING]
    left = [f"{ord(character):x}" for character in acting if visible(character) == character]
    assert not left


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb", "a\\x0ab"),
        ("\x85", "\\x85"),
        ("\u202eevil", "\\u202eevil"),
        ("a\u200bb", "a\\u200bb"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("naïve 日本語 é 😀", "naïve 日本語 é 😀"),
    ],
)
def test_form_of_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_visible_text_can_be_encoded_and_stays_on_its_line(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1


def test_long_text_is_cut_and_says_so() -> None:
    assert visible("a" * (CAP + 1_234)) == "a" * CAP + "… (1,234 more characters)"
    assert visible("a" * CAP) == "a" * CAP


def test_redaction_keeps_a_little_and_counts_the_rest() -> None:
    assert redacted("something rude", keep=4) == "some… [10 characters hidden]"
    assert redacted("some", keep=4) == "some"
    assert redacted("some", keep=0) == "… [4 characters hidden]"


def tokens(markdown: str) -> list[str]:
    parsed = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [kind.type for token in parsed for kind in (token, *(token.children or ()))]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_prose_has_no_markup(text: str) -> None:
    assert set(tokens(markdown_text(text))) <= {"paragraph_open", "inline", "text", "paragraph_close"}
    assert "@" not in markdown_text(text)


@given(ANY_TEXT)
def test_markdown_prose_has_no_markup_whatever_the_text(text: str) -> None:
    assert set(tokens(f"- x {markdown_text(text)}")) <= {
        "bullet_list_open", "list_item_open", "paragraph_open", "inline", "text", "paragraph_close",
        "list_item_close", "bullet_list_close",
    }  # fmt: skip


@given(st.text("`a |\\\n@<", max_size=12))
def test_markdown_code_is_one_code_span(text: str) -> None:
    inner = [kind for kind in tokens(f"x {markdown_code(text)} y") if kind not in ("text", "inline")]
    assert inner == ["paragraph_open", "code_inline", "paragraph_close"]


@given(st.text("`a |\\", max_size=12))
def test_markdown_code_stays_in_its_cell(text: str) -> None:
    row = f"| a | b |\n|---|---|\n| {markdown_code(text)} | {markdown_text(text)} |"
    assert tokens(row).count("td_open") == 2


def test_markdown_shows_what_was_written() -> None:
    assert (
        MarkdownIt().render(markdown_text("a < b & c | d [e] 0.31 * 2"))
        == "<p>a &lt; b &amp; c | d [e] 0.31 * 2</p>\n"
    )
