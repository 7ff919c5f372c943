"""Prompts as a user names them."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from . import NAMES, load_prompts
from .model import Prompt
from .readers import read_prompts

WANTED = "a list of strings or Prompts, the name of a set or a file"


def given_prompts(given: str | os.PathLike[str] | Sequence[str | Prompt] | None) -> tuple[tuple[Prompt, ...], str]:
    """Return the prompts that are meant, and the name of their set.

    Args:
        given: None for our neutral openings, the name of one of our sets, a file, or prompts.

    Raises:
        UsageError: Nothing is meant, or the file cannot be read.
    """
    if given is None or (isinstance(given, str) and given in NAMES):
        return load_prompts(given or NAMES[0]), given or NAMES[0]
    if isinstance(given, str | os.PathLike):
        return read_prompts(Path(given)), Path(given).name
    if not isinstance(given, Sequence) or not given:
        raise UsageError(f"prompts must be {WANTED}, got {reprlib.repr(given)}")
    prompts = [_prompt(place, prompt) for place, prompt in enumerate(given)]
    # Asked twice, a prompt would count as two.
    return tuple({(prompt.text, prompt.axis, prompt.group): prompt for prompt in prompts}.values()), "own"


def _prompt(place: int, given: str | Prompt) -> Prompt:
    if isinstance(given, Prompt):
        return given
    if not isinstance(given, str):
        raise UsageError(f"prompts must be {WANTED}, got {reprlib.repr(given)} among them")
    if not given.strip():
        raise UsageError(f"prompts must say something, prompt {place + 1} is empty")
    return Prompt(id=f"own-{place + 1}", text=given)
