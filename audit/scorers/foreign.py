"""Any module of Hugging Face `evaluate` as a scorer."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

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
