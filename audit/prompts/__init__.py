"""Prompts to ask a model, and texts to validate a scorer on, written for Groundwire as data files.

`readers` reads the public sets that users have on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files

from ..errors import UsageError
from .counterfactual import AXES, counterfactual_prompts
from .model import LabelledText, Prompt, SentencePair
from .validation import load_validation

__all__ = ["AXES", "LabelledText", "Prompt", "SentencePair", "digest_of_prompts", "load_prompts", "load_validation"]

NAMES = ("neutral", "counterfactual", "adversarial")


def load_prompts(name: str = "neutral", *, axes: Sequence[str] | None = None) -> tuple[Prompt, ...]:
    """Return one of the sets that come with Groundwire.

    Args:
        name: `neutral`: openings about nobody in particular; `counterfactual`: every template of every axis
            with every group; `adversarial`: attempts to make a model toxic, by kind.
        axes: Which axes of the counterfactual set, some of `AXES`; all unless given.

    Raises:
        UsageError: There is no such set or axis, or the set has no axes.
    """
    if name not in NAMES:
        raise UsageError(f"there is no prompt set {name!r}: choose one of {', '.join(NAMES)}")
    if name == "counterfactual":
        return counterfactual_prompts(axes)
    if axes is not None:
        raise UsageError(f"the prompt set {name!r} has no axes: leave `axes` out or choose 'counterfactual'")
    lines = (files(__package__) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Prompt(**json.loads(line)) for line in lines)


def digest_of_prompts(texts: list[str]) -> str:
    """Return the sha256 by which two runs can show that they were asked the same."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
