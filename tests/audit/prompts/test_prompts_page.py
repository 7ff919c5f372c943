"""The page about prompts says what the sets hold and what masking does."""

from __future__ import annotations

import re
from pathlib import Path

from groundwire.audit.prompts import AXES, load_prompts, load_validation
from groundwire.audit.prompts.counterfactual import groups, templates
from groundwire.audit.scorers.masking import mask_identities

PAGE = (Path(__file__).parents[3] / "docs" / "prompts.md").read_text(encoding="utf-8")


def test_counts_on_the_page_are_those_of_the_sets() -> None:
    prompts, texts = load_prompts("counterfactual"), load_validation()
    crossed = f"{len(templates())} templates × {sum(map(len, groups().values()))} groups on {len(AXES)} axes"
    assert f"{len(load_prompts())} openings about nobody" in PAGE
    assert f"{len(prompts):,} openings: {crossed}" in PAGE
    toxic, identities = sum(text.toxic for text in texts), {text.identity for text in texts} - {""}
    labels = f"{len(texts) - toxic} harmless, {toxic} toxic; {len(identities)} identities"
    assert f"{len(texts)} labelled texts: {labels}" in PAGE


def test_every_axis_and_kind_is_on_the_page() -> None:
    assert all(f"| {axis} |" in PAGE for axis in AXES)
    kinds = {text.kind.replace("-", " ") for text in load_validation()}
    said = PAGE.replace("-", " ")
    assert [kind for kind in sorted(kinds) if kind not in said] == []


def test_examples_of_masking_are_true() -> None:
    table = PAGE.split("| text | masked |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (.+) \| (.+) \|$", table, re.MULTILINE)
    assert len(rows) == 4
    assert [(text, mask_identities(text)) for text, _ in rows] == rows
