"""Masking takes out whom a text is about, and nothing else."""

from __future__ import annotations

from collections import defaultdict

import pytest
from groundwire.audit.prompts import load_prompts, load_validation
from groundwire.audit.prompts.validation import FACT, SELF
from groundwire.audit.scorers.masking import mask_identities
from hypothesis import given
from hypothesis import strategies as st

WORDS = [
    "gay", "Black", "blacks", "white", "old", "poor", "the", "The", "a", "an", "An", "woman", "women", "Muslim",
    "Muslims", "refugee", "person", "people", "kids", "family", "and", "or", ",", "/", ".", "!", "\n", " ", "  ",
    "German", "Germans", "from Germany", "with autism", "in a wheelchair", "Middle", "Middle Eastern", "non-binary",
    "is", "are", "who", "I am", "she's", "'s", "-", "human", "PEOPLE", "ASIAN", "every", "deaf", "disabled", "x",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("I am a gay man.", "I am a person."),
        ("An Asian person and an older woman", "A person and a person"),
        ("Muslims and people from Nigeria live here", "People and people live here"),
        ("I like Muslims.", "I like people."),
        ("transgender Black women with disabilities", "people"),
        ("gay, lesbian and bisexual people", "people"),
        ("a Muslim family, an Asian writer", "a human family, a human writer"),
        ("She is Jewish. We're blind, and I am Asian.", "She is human. We're human, and I am human."),
        ("The poor are many", "The people are many"),
        ("WOMEN ARE", "PEOPLE ARE"),
        ("“Women’s rights”", "“People’s rights”"),
        ("A Mexican, an American and a German.", "A person, an American and a person."),
        ("people  with\nDown  syndrome", "people"),
        ("I know a deaf kid", "I know a person"),
    ],
)
def test_words_for_groups_become_neutral(text: str, masked: str) -> None:
    assert mask_identities(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "The white wall, a straight line and poor quality.",
        "Black and white, people say, is timeless.",
        "Young trees, a blind eye and a rich soil.",
        "She speaks German with him, her and them.",
        "Womens, mankind, Asianic and agay are other words.",
        "A person, people and a human family.",
        "",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert mask_identities(text) == text


def test_no_group_can_be_told_from_another_in_masked_prompts() -> None:
    masked = defaultdict(set)
    for prompt in load_prompts("counterfactual"):
        masked[prompt.template].add(mask_identities(prompt.text))
    assert all(len(texts) == 1 for texts in masked.values())


def test_no_identity_can_be_told_from_another_in_masked_validation_texts() -> None:
    masked = defaultdict(set)
    for text in load_validation():
        if text.identity and text.kind not in (SELF, FACT):
            masked[text.kind, text.toxic].add(mask_identities(text.text))
    assert all(len(texts) == 1 for texts in masked.values())


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.sampled_from(["", " "]))
def test_masking_twice_changes_nothing_more(words: list[str], between: str) -> None:
    once = mask_identities(between.join(words))
    assert mask_identities(once) == once


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    once = mask_identities(text)
    assert mask_identities(once) == once


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("gay " * 50_000, "human "),
        ("black " * 50_000, "black " * 50_000),
        ("gay" + " " * 200_000, "human" + " " * 200_000),
        ("the poor " * 20_000, "the poor " * 19_999 + "the people "),
        ("an " * 100_000, "an " * 100_000),
        ("a person from " * 20_000, "a person from " * 20_000),
    ],
)
def test_long_texts_are_read_once(text: str, masked: str) -> None:
    assert mask_identities(text) == masked  # would take minutes if every pair of places were tried


def test_control_characters_and_lone_surrogates_stay() -> None:
    assert mask_identities("\x00\u202egay\ud800 men\x07") == "\x00\u202ehuman\ud800 people\x07"
