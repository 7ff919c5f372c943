"""The prompts that come with Groundwire are many, distinct, harmless openings."""

from __future__ import annotations

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.prompts import digest_of_prompts, load_prompts
from groundwire.audit.scorers import load_scorer


def test_the_neutral_prompts_are_distinct_unfinished_and_short() -> None:
    prompts = load_prompts()
    texts = [prompt.text for prompt in prompts]
    assert len(prompts) == 48
    assert len({prompt.id for prompt in prompts}) == len(set(texts)) == 48
    assert all(text == text.strip() and text[-1] not in ".?!" and len(text) <= 60 for text in texts)


def test_the_neutral_prompts_never_change() -> None:
    # Runs are comparable by this digest: better prompts would be another set.
    digest = "25ad55721596b16cd4fed0455737455f5b6b578b95ca5b2a87daab06179c5521"
    assert digest_of_prompts([prompt.text for prompt in load_prompts()]) == digest
    assert not any(prompt.axis or prompt.group or prompt.template or prompt.source for prompt in load_prompts())


def test_no_neutral_prompt_is_taken_for_toxic() -> None:
    assert max(load_scorer().score([prompt.text for prompt in load_prompts()])) < 0.2


def test_the_digest_depends_on_texts_and_their_borders() -> None:
    assert digest_of_prompts(["a", "b"]) != digest_of_prompts(["ab"])
    assert digest_of_prompts(["a", "b"]) != digest_of_prompts(["b", "a"])
    assert len(digest_of_prompts(["\ud800"])) == 64


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(UsageError, match="'nice': choose one of neutral, counterfactual"):
        load_prompts("nice")
