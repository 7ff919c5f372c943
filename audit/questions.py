"""What a language model is asked, checked before anything is."""

from __future__ import annotations

import hashlib
import os
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from .errors import UsageError
from .memorisation import Canary
from .prompts import Prompt, SentencePair, digest_of_prompts, load_prompts
from .prompts.given import given_prompts
from .prompts.pairs import load_pairs
from .prompts.readers import read_pairs, read_prompts

OURS = "groundwire"
ADVERSARIAL = "adversarial"
COUNTERFACTUAL = "counterfactual"

GivenPrompts = str | os.PathLike[str] | Sequence[str | Prompt]
GivenTexts = str | os.PathLike[str] | Sequence[str]
GivenPairs = str | os.PathLike[str] | Sequence[SentencePair]


@dataclass(frozen=True, kw_only=True, slots=True)
class Questions:
    """What a model is asked.

    Attributes:
        prompts: What it goes on with.
        prompt_set: Their name.
        k: Continuations a prompt.
        seed: Seed of the first call; each call has its own.
        adversarial: Prompts that try to provoke.
        groups: Prompts about groups of people, by which those are compared.
        pairs: Sentences of which it may think one likelier.
        train_texts: What it was trained on, or a part of it; None when that is not known.
        held_out_texts: Texts of the same kind that it was not trained on.
        canaries: Secrets that were planted into its training.
    """

    prompts: tuple[Prompt, ...]
    prompt_set: str
    k: int = 1
    seed: int = 0
    adversarial: tuple[Prompt, ...] = ()
    groups: tuple[Prompt, ...] = ()
    pairs: tuple[SentencePair, ...] = ()
    train_texts: tuple[str, ...] | None = None
    held_out_texts: tuple[str, ...] = ()
    canaries: tuple[Canary, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        prompts: GivenPrompts | None = None,
        k: int = 1,
        seed: int = 0,
        adversarial: bool | GivenPrompts = False,
        groups: bool | GivenPrompts = False,
        pairs: GivenPairs | None = OURS,
        train_texts: GivenTexts | None = None,
        held_out_texts: GivenTexts | None = None,
        canaries: Sequence[Canary] = (),
    ) -> Questions:
        """Return what a user means.

        Raises:
            UsageError: An option is not allowed, or a file cannot be read; the message begins with its name.
        """
        _check_number("k", k, 1)
        _check_number("seed", seed, 0)
        if not isinstance(canaries, list | tuple) or not all(isinstance(canary, Canary) for canary in canaries):
            raise UsageError("canaries must be a list of Canary")  # what was given may be a secret
        if held_out_texts is not None and train_texts is None:
            raise UsageError("held_out_texts are compared with train_texts: give both")
        chosen, name = _named("prompts", given_prompts, prompts)
        return cls(
            prompts=chosen,
            prompt_set=name,
            k=k,
            seed=seed,
            adversarial=_more("adversarial", adversarial, ADVERSARIAL),
            groups=_groups(groups, chosen),
            pairs=_named("pairs", _pairs, pairs),
            train_texts=None if train_texts is None else _texts("train_texts", train_texts),
            held_out_texts=() if held_out_texts is None else _texts("held_out_texts", held_out_texts),
            canaries=tuple(canaries),
        )

    @property
    def sha256(self) -> str:
        """Digest by which two runs can show that they were asked the same prompts."""
        return digest_of_prompts([prompt.text for prompt in self.prompts])

    def facts(self) -> dict[str, JsonValue]:
        """Return what has to be the same for numbers to be comparable, in JSON-like types."""
        texts: dict[str, Sequence[str]] = {
            "adversarial": [prompt.text for prompt in self.adversarial],
            "groups": [prompt.text for prompt in self.groups],
            "pairs": [text for pair in self.pairs for text in (pair.more, pair.less, pair.unrelated)],
            "train_texts": self.train_texts or (),
            "held_out_texts": self.held_out_texts,
            "canaries": [canary.text for canary in self.canaries],
        }
        digests: dict[str, JsonValue] = {f"{name}_sha256": _digest(given) for name, given in texts.items() if given}
        return {**digests, "k": self.k, "seed": self.seed, "prompts_sha256": self.sha256}


def _digest(texts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        found.update(len(content).to_bytes(8) + content)
    return found.hexdigest()


def _check_number(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**32:
        raise UsageError(f"{name} must be a whole number from {least} and below 2**32, got {value!r}")


def _named(name: str, make: Any, given: Any) -> Any:
    """Return what is made of an option; an error begins with the option's name."""
    try:
        return make(given)
    except UsageError as error:
        text = str(error)
        raise UsageError(text if text.startswith(name) else f"{name}: {text}") from error


def _more(name: str, given: bool | GivenPrompts, ours: str) -> tuple[Prompt, ...]:  # noqa: FBT001 - as users give it
    if isinstance(given, bool):
        return load_prompts(ours) if given else ()
    chosen, _ = _named(name, given_prompts, given)
    return tuple(chosen)


def _groups(given: bool | GivenPrompts, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:  # noqa: FBT001
    """Return prompts about groups of people.

    Raises:
        UsageError: They name no groups, or the other prompts name some, too: there would be two comparisons.
    """
    found = _more("groups", given, COUNTERFACTUAL)
    if found and not any(prompt.axis and prompt.group for prompt in found):
        raise UsageError("groups: no prompt has an axis and a group: give both, or True for ours")
    if found and any(prompt.axis and prompt.group for prompt in prompts):
        raise UsageError("groups: the prompts are about groups of people already: leave one of the two out")
    return found


def _pairs(given: GivenPairs | None) -> tuple[SentencePair, ...]:
    if given is None:
        return ()
    if isinstance(given, str | os.PathLike):
        return load_pairs() if given == OURS else read_pairs(Path(given))
    if not isinstance(given, list | tuple) or not all(isinstance(pair, SentencePair) for pair in given):
        raise UsageError(f"pairs must be {OURS!r}, a file or a list of SentencePair, got {reprlib.repr(given)}")
    return tuple(given)


def _texts(name: str, given: Any) -> tuple[str, ...]:
    """Return texts, or those in a file, one on each line or as the columns that prompts have."""
    if isinstance(given, str | os.PathLike):
        return tuple(prompt.text for prompt in _named(name, read_prompts, Path(given)))
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise UsageError(f"{name} must be a list of texts or a file, got {reprlib.repr(given)}")
    given = tuple(given)
    for text in given:
        if not isinstance(text, str):
            raise UsageError(f"{name} must hold texts only, got {reprlib.repr(text)} among them")
    return tuple(given)
