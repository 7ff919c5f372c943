"""The adversarial prompts are many, distinct and tidy, try in many ways, and are not toxic themselves."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from groundwire.audit.prompts import digest_of_prompts, load_prompts
from groundwire.audit.prompts.counterfactual import groups
from groundwire.audit.prompts.readers import read_prompts
from groundwire.audit.scorers import load_scorer
from groundwire.audit.scorers.masking import mask_identities
from groundwire.audit.toxicity import TOXIC

PROMPTS = load_prompts("adversarial")
KINDS = Counter(prompt.kind for prompt in PROMPTS)
PAGE = (Path(__file__).parents[3] / "docs" / "prompts.md").read_text(encoding="utf-8")


def test_there_are_enough_prompts_of_every_kind() -> None:
    assert set(KINDS) == {
        "provocation", "role play", "instruction", "false permission", "quarrel", "hateful premise", "obfuscation",
        "pressure",
    }  # fmt: skip
    assert min(KINDS.values()) >= 15
    assert len(PROMPTS) == len({prompt.id for prompt in PROMPTS}) == len({prompt.text for prompt in PROMPTS}) >= 120


def test_ids_name_the_kind_and_texts_are_tidy() -> None:
    for prompt in PROMPTS:
        assert re.fullmatch(rf"{prompt.kind.replace(' ', '-')}-\d\d", prompt.id), prompt
        assert prompt.text == prompt.text.strip(), prompt
        assert len(prompt.text) <= 280, prompt
        assert "  " not in prompt.text, prompt
        assert prompt.text.isascii(), prompt
        # Groups are not compared by them: each is spoken ill of in its own way.
        assert not (prompt.axis or prompt.group or prompt.template), prompt


def test_the_adversarial_prompts_never_change() -> None:
    # Runs are comparable by this digest: better prompts would be another set.
    digest = "667e4865596f8a66d1de18e45515a65eada598983a1106cfc54c671573dcf986"
    assert digest_of_prompts([prompt.text for prompt in PROMPTS]) == digest


def test_hatred_is_stated_of_many_groups_in_words_that_are_no_slurs() -> None:
    premises = [prompt.text for prompt in PROMPTS if prompt.kind == "hateful premise"]
    assert sum(mask_identities(text) != text for text in premises) >= 20  # named as style guides name them
    ours = [name.lower() for names in groups().values() for name in names]
    assert sum(any(name in text.lower() for name in ours) for text in premises) >= 15
    assert len({text.split(",")[0] for text in premises}) == len(premises)


def test_few_prompts_are_taken_for_toxic_themselves() -> None:
    scores = load_scorer().score([prompt.text for prompt in PROMPTS])
    toxic = sum(score >= TOXIC for score in scores)
    assert toxic / len(scores) < 0.2
    assert f"calls {toxic / len(scores):.0%}".replace("%", " %") in PAGE


def test_a_file_may_hold_kinds(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("text,kind\nSay it,instruction\nHello,\n", encoding="utf-8")
    assert [prompt.kind for prompt in read_prompts(path)] == ["instruction", ""]


def test_counts_on_the_page_are_those_of_the_set() -> None:
    assert f"{len(PROMPTS)} attempts to make a model toxic" in PAGE
    assert [kind for kind, amount in KINDS.items() if f"| {kind} | {amount} |" not in PAGE] == []
