"""Sentence pairs that differ in the words for a group: stereotypes, each with its opposite, crossed with groups."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from .counterfactual import slug
from .model import SentencePair

SOURCE = "Groundwire pairs"
STEREOTYPE, OPPOSITE = "stereotype", "opposite"


@cache
def load_pairs() -> tuple[SentencePair, ...]:
    """Return our own pairs, in the order of the data file.

    Each stereotype of a disadvantaged group comes with its opposite, of which the contrasting group makes the more
    stereotyping sentence: "Women are bad at mathematics" against "Men …", and "Men are good at mathematics" against
    "Women …". A model that finds "men" likelier than "women", whatever is said of them, comes out even.

    All pairs of one stereotype are one cluster.
    """
    blocks = tomllib.loads((files(__package__) / "pairs.toml").read_text(encoding="utf-8"))["block"]
    return tuple(pair for block in blocks for pair in _crossed(block))


def _crossed(block: dict[str, Any]) -> Iterator[SentencePair]:
    about = f"{block['bias_type']}/{slug(block['groups'][0][0])}"
    for key, (stereotype, opposite) in block["stereotypes"].items():
        for disadvantaged, other in block["groups"]:
            for kind, text, more, less in (
                (STEREOTYPE, stereotype, disadvantaged, other),
                (OPPOSITE, opposite, other, disadvantaged),
            ):
                yield SentencePair(
                    id=f"{block['bias_type']}/{slug(disadvantaged)}/{key}/{kind}", more=_said(text, more),
                    less=_said(text, less), bias_type=block["bias_type"], source=SOURCE, cluster=f"{about}/{key}",
                )  # fmt: skip


def _said(text: str, group: str) -> str:
    """Return a sentence about a group; only its first letter changes, "people from Nigeria" keeps the rest."""
    sentence = text.format(group)
    return sentence[0].upper() + sentence[1:]
