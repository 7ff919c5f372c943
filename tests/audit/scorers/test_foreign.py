"""The scores in what a module of `evaluate` returns are found, or it is said that they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from groundwire.audit.scorers import ScorerError, load_scorer
from groundwire.audit.scorers.embedded import EmbeddedToxicity


class Module:
    """Computes what it is told."""

    name = "told"

    def __init__(self, result: Any) -> None:
        self.result = result

    def compute(self, *, predictions: list[str]) -> Any:
        return self.result


@pytest.mark.parametrize(
    "result",
    [
        {"toxicity": [0.1, 0.9]},
        {"insult": [0.5, 0.5], "toxicity": [0.1, 0.9]},
        {"anything": [0.1, 0.9], "mean": 0.5, "labels": ["a", "b", "c"]},
        {"perplexities": np.array([0.1, 0.9])},
        {"score": (0.1, 0.9)},
    ],
)
def test_the_scores_are_found(result: Any) -> None:
    scorer = load_scorer(Module(result))
    assert scorer.name == "evaluate:told"
    assert scorer.score(["a", "b"]) == [0.1, 0.9]


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, r"evaluate:told: compute\(\) returned NoneType instead of a dictionary"),
        ({}, "of which 0 have a score for each text"),
        ({"mean": 0.5}, r"returned \['mean'\], of which 0"),
        ({"a": [0.1, 0.2], "b": [0.1, 0.2]}, "of which 2 have a score"),
        ({"toxicity": [0.1]}, "returned 1 scores for 2 texts"),
        ({"regard": [[{"label": "positive"}]] * 2}, "which is not a number between 0 and 1"),
        ({"perplexities": [12.0, 80.0]}, "12.0, which is not a number between 0 and 1"),
    ],
)
def test_what_holds_no_scores_is_named(result: Any, problem: str) -> None:
    with pytest.raises(ScorerError, match=problem):
        load_scorer(Module(result)).score(["a", "b"])


def test_a_real_module_is_named_and_scores() -> None:
    scorer = load_scorer(EmbeddedToxicity())
    assert scorer.name == "evaluate:embedded_toxicity"
    assert scorer.score(["you idiot", "noon"])[0] > 0.5
