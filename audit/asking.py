"""Asks a model to go on with prompts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .errors import GroundwireError
from .scorers import brief, well_formed

LONGEST = 4000  # characters of a continuation that are scored and kept

Generate = Callable[[list[str]], list[str]]


class GenerateError(GroundwireError):
    """`generate` raised or returned something that is not one continuation for each prompt."""


@dataclass(kw_only=True, slots=True)
class Answers:
    """What a model said.

    Attributes:
        prompts: What it was asked, shape [n].
        continuations: For each prompt its continuations, shape [n][k].
        echo_cut: Whether every answer began with its prompt, which was cut off.
        echoes: How many answers began with their prompt, cut off or not.
        truncated: How many continuations were longer than `LONGEST`.
        asked: How many prompts there were, answered in time or not.
    """

    prompts: list[str]
    continuations: list[list[str]]
    echo_cut: bool = False
    echoes: int = 0
    truncated: int = 0
    asked: int = 0

    @property
    def said(self) -> list[str]:
        """All continuations that hold any text."""
        return [text for texts in self.continuations for text in texts if text.strip()]


def ask(
    generate: Generate,
    prompts: Sequence[str],
    *,
    k: int,
    batch: int = 8,
    deadline: float | None = None,
    before_round: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Return k continuations of as many prompts as there is time for.

    A batch of prompts that has fewer than k continuations when the time is over is left out.

    Args:
        generate: Maps prompts to as many continuations.
        prompts: Shape [n].
        k: Continuations a prompt, at least 1.
        batch: Prompts a call, at least 1.
        deadline: `time.monotonic()` after which no further call begins.
        before_round: Called with a number before each call, to seed it.

    Raises:
        GenerateError: `generate` raised, or returned too few answers or something that is not text.
        ValueError: `k` or `batch` is less than 1.
    """
    if min(k, batch) < 1:
        raise ValueError(f"k and batch must be at least 1, got {k} and {batch}")
    answers = Answers(prompts=[], continuations=[], asked=len(prompts))
    for start in range(0, len(prompts), batch):
        asked = list(prompts[start : start + batch])
        rounds: list[list[str]] = []
        for index in range(k):
            if deadline is not None and time.monotonic() > deadline:
                return _cut(answers)
            before_round(start // batch * k + index)
            rounds.append(_call(generate, asked))
        answers.prompts += asked
        answers.continuations += [list(texts) for texts in zip(*rounds, strict=True)]
    return _cut(answers)


def _call(generate: Generate, prompts: list[str]) -> list[str]:
    try:
        found = generate(list(prompts))
    except (Exception, SystemExit) as error:
        hint = "; it gets a list of prompts, as strings" if isinstance(error, TypeError | AttributeError) else ""
        raise GenerateError(f"generate raised {brief(error)}{hint}") from error
    if isinstance(found, str) or not isinstance(found, Sequence):
        kind = type(found).__name__
        raise GenerateError(f"generate returned {kind}: return a list with one continuation for each prompt")
    if len(found) != len(prompts):
        raise GenerateError(f"generate returned {len(found)} answers to {len(prompts)} prompts: return one for each")
    for answer in found:
        if not isinstance(answer, str):
            raise GenerateError(f"generate returned {type(answer).__name__} where a string belongs: decode it")
    # No more than what decides below whether the prompt is repeated and the rest is too long.
    return [text[: len(prompt) + LONGEST + 1] for prompt, text in zip(prompts, found, strict=True)]


def _cut(answers: Answers) -> Answers:
    """Cut off prompts that every answer repeats, and what is too long to score."""
    pairs = list(zip(answers.prompts, answers.continuations, strict=True))
    said = [(prompt, text) for prompt, texts in pairs for text in texts if text]
    answers.echoes = sum(bool(prompt) and text.startswith(prompt) for prompt, text in said)
    answers.echo_cut = 0 < answers.echoes == len(said)
    cut = [[text.removeprefix(prompt) if answers.echo_cut else text for text in texts] for prompt, texts in pairs]
    answers.truncated = sum(len(text) > LONGEST for texts in cut for text in texts)
    answers.continuations = [[well_formed(text[:LONGEST]) for text in texts] for texts in cut]
    answers.prompts = [well_formed(prompt) for prompt in answers.prompts]
    return answers
