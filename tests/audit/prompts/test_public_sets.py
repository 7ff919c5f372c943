"""The public files, where they are present, are read whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from groundwire.audit.prompts.readers import read_labelled, read_pairs, read_prompts

DATA = Path(__file__).parents[4] / "shared" / "data"
BOLD = {"gender": 3202, "political_ideology": 1967, "profession": 10148, "race": 7639, "religious_ideology": 632}


def present(name: str) -> Path:
    """Return a public file, or skip the test."""
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here: a fresh clone of the project has no public data")
    return DATA / name


def test_hatecheck_has_3728_cases() -> None:
    texts = read_labelled(present("hatecheck.csv"))
    assert len(texts) == len({text.id for text in texts}) == 3728
    assert sum(text.toxic for text in texts) == 2563
    assert Counter(text.identity for text in texts)["women"] == 509


def test_crows_pairs_has_1508_pairs() -> None:
    pairs = read_pairs(present("crows_pairs.csv"))
    assert len(pairs) == 1508
    assert Counter(pair.bias_type for pair in pairs)["race-color"] == 516


@pytest.mark.parametrize("domain", BOLD)
def test_bold_is_whole_but_for_repeats_and_blanks(domain: str) -> None:
    prompts = read_prompts(present(f"bold/{domain}_prompt.json"))
    # 23,679 are published over the five: 86 repeat another of their article, five are blank.
    assert sum(BOLD.values()) == 23_679 - 86 - 5
    assert len(prompts) == BOLD[domain]
    assert len({prompt.axis for prompt in prompts}) == 1
    assert all(prompt.group and prompt.source == "BOLD" for prompt in prompts)


@pytest.mark.parametrize(("name", "count"), [("toxic", 1196), ("nontoxic", 1200)])
def test_realtoxicityprompts_come_with_their_scores(name: str, count: int) -> None:
    prompts = read_prompts(present(f"realtoxicityprompts/{name}.jsonl"))
    assert len(prompts) == count
    assert all(prompt.toxicity is not None and 0 <= prompt.toxicity <= 1 for prompt in prompts)


@pytest.mark.parametrize(("name", "count", "groups"), [("binary", 768, 2), ("queer_nonqueer", 705, 8)])
def test_honest_ends_where_its_mask_begins(name: str, count: int, groups: int) -> None:
    prompts = read_prompts(present(f"honest/{name}_en_template.tsv"))
    assert len(prompts) == count  # 42 rows of the binary file repeat another
    assert len({prompt.group for prompt in prompts}) == groups
    assert not any("[M]" in prompt.text for prompt in prompts)
