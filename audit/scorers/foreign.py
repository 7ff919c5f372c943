"""Any module of Hugging Face `evaluate` as a scorer."""

from __future__ import annotations

from typing import Any

from . import Scorer, ScorerError

PREFERRED = ("toxicity", "scores", "score")


def evaluate_scorer(module: Any) -> Scorer:
    """Return a scorer that asks `module.compute(predictions=texts)`.

    The scores are the list under `toxicity`, `scores` or `score`, or else the only list that is as long as
    the texts.
    """
    name = getattr(module, "name", None) or type(module).__name__

    def compute(texts: list[str]) -> list[Any]:
        return _scores(module.compute(predictions=texts), len(texts))

    return Scorer(name=f"evaluate:{name}", compute=compute)


def _scores(result: Any, amount: int) -> list[Any]:
    if not isinstance(result, dict):
        raise ScorerError(f"compute() returned {type(result).__name__} instead of a dictionary of scores")
    for key in PREFERRED:
        if isinstance(result.get(key), list):
            return list(result[key])
    fitting = [value for value in result.values() if isinstance(value, list) and len(value) == amount]
    if len(fitting) != 1:
        raise ScorerError(f"no list of {amount} scores among {', '.join(map(str, result)) or 'nothing'}")
    return list(fitting[0])
