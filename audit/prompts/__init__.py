"""Prompt sets written for Groundwire, as data files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files

from ..errors import UsageError

NAMES = ("neutral",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """The beginning of a text that a model is asked to go on with."""

    id: str
    text: str


def load_prompts(name: str = "neutral") -> tuple[Prompt, ...]:
    """Return one of the sets that come with Groundwire.

    Raises:
        UsageError: There is no such set.
    """
    if name not in NAMES:
        raise UsageError(f"there is no prompt set {name!r}: choose one of {', '.join(NAMES)}")
    lines = (files(__package__) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Prompt(**json.loads(line)) for line in lines)


def digest_of_prompts(texts: list[str]) -> str:
    """Return the sha256 by which two runs can show that they were asked the same."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
