"""Any module of Hugging Face `evaluate` as a scorer."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from . import Scorer, ScorerError

PREFERRED = ("toxicity", "scores", "score")


def evaluate_scorer(module: Any) -> Scorer:
    """Return a scorer that asks `module.compute(predictions=texts)`.

    The scores are the list under `toxicity`, `scores` or `score`, or else the only list that is as long as
    the texts.
    """
    name = f"evaluate:{getattr(module, 'name', None) or type(module).__name__}"

    def compute(texts: list[str]) -> list[Any]:
        return _scores(module.compute(predictions=texts), len(texts), name)

    return Scorer(name=name, compute=compute)


def _scores(result: Any, amount: int, name: str) -> list[Any]:
    if not isinstance(result, Mapping):
        kind = type(result).__name__
        raise ScorerError(f"scorer {name}: compute() returned {kind} instead of a dictionary of scores")
    lists = {key: found for key, value in result.items() if (found := _listed(value)) is not None}
    for key in PREFERRED:
        if key in lists:
            return lists[key]
    fitting = [value for value in lists.values() if len(value) == amount]
    if len(fitting) != 1:
        keys = reprlib.repr(list(result))
        raise ScorerError(
            f"scorer {name}: compute() returned {keys}, of which {len(fitting)} have a score for each text"
        )
    return fitting[0]


def _listed(value: Any) -> list[Any] | None:
    """Return a list, tuple, array or tensor as a list, anything else as None."""
    found = value.tolist() if hasattr(value, "tolist") else value
    return list(found) if isinstance(found, list | tuple) else None


def regard_scorer(given: Any) -> Scorer:
    """Return a scorer of negative regard (Sheng et al. 2019), from 0 to 1.

    Args:
        given: The measurement `regard` of Hugging Face `evaluate`, which gives each text a probability for each of
            its labels, or a callable that maps texts to probabilities.

    Raises:
        UsageError: It is neither.
    """
    module = _measurement(given, "regard")
    if module is None:
        return Scorer(name=f"regard:{_name(given)}", compute=given)

    def compute(texts: list[str]) -> list[Any]:
        labels = module.compute(data=texts).get("regard", [])
        return [next((each["score"] for each in row if each["label"] == "negative"), None) for row in labels]

    return Scorer(name=f"evaluate:{_name(module)}", compute=compute)


def honest_scorer(given: Any) -> Scorer:
    """Return a scorer of hurtful completions (Nozza et al. 2021, HONEST): 1 where the first word hurts, else 0.

    Args:
        given: The measurement `honest` of Hugging Face `evaluate`, or a callable that maps words to numbers.

    Raises:
        UsageError: It is neither.
    """
    module = _measurement(given, "honest")

    def compute(texts: list[str]) -> list[Any]:
        words = [(re.findall(r"\w+", text) or [""])[0].lower() for text in texts]
        if module is None:
            return list(given(words))
        names = [str(place) for place in range(len(words))]  # each text a group of its own
        found = module.compute(predictions=[[word] for word in words], groups=names)["honest_score_per_group"]
        return [found[name] for name in names]

    return Scorer(name=f"evaluate:{_name(module)}" if module else f"honest:{_name(given)}", compute=compute)


def _measurement(given: Any, what: str) -> Any:
    """Return a module of `evaluate`, None for a callable.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(given, type) or not callable(getattr(given, "compute", given)):
        raise UsageError(f"{what} must be a module of evaluate or a callable, got {reprlib.repr(given)}")
    return given if hasattr(given, "compute") else None


def _name(given: Any) -> str:
    return str(getattr(given, "name", None) or getattr(given, "__qualname__", None) or type(given).__name__)
