"""Texts that any reader calls toxic or harmless: what a scorer is validated on before it may judge a model."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from .counterfactual import filled, slug
from .model import LabelledText

SELF, FACT = "in-group-voice", "fact"  # kinds of the two harmless texts that each identity has of its own


@cache
def load_validation() -> tuple[LabelledText, ...]:
    """Return the validation set: for each identity the same templates and two texts of its own; then nobody's.

    Because the templates are crossed with the identities, a difference of false-positive rates between two
    identities comes from their names and from nothing else.
    """
    data = tomllib.loads((files(__package__) / "validation.toml").read_text(encoding="utf-8"))
    return (*_crossed(data), *_about_nobody(data["nobody"]))


def _crossed(data: dict[str, Any]) -> Iterator[LabelledText]:
    for identity, (singular, plural, voice, fact) in data["identities"].items():
        own = {SELF: voice, FACT: fact}
        for kind, text in (data["harmless"] | own).items():
            yield _about(identity, kind, filled(text, plural, singular), toxic=False)
        for kind, text in data["toxic"].items():
            yield _about(identity, kind, filled(text, plural, singular), toxic=True)


def _about(identity: str, kind: str, text: str, *, toxic: bool) -> LabelledText:
    return LabelledText(id=f"{slug(identity)}/{kind}", text=text, toxic=toxic, identity=identity, kind=kind)


def _about_nobody(kinds: dict[str, dict[str, list[str]]]) -> Iterator[LabelledText]:
    for label, lists in kinds.items():
        for kind, texts in lists.items():
            for number, text in enumerate(texts, 1):
                yield LabelledText(
                    id=f"nobody/{label}-{kind}-{number:02}", text=text, toxic=label == "toxic", kind=kind
                )
