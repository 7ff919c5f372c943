"""Regard and HONEST, where a user brings them, as Hugging Face `evaluate` measures them."""

from __future__ import annotations

from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.scorers import ScorerError
from groundwire.audit.scorers.foreign import honest_scorer, regard_scorer


class Regard:
    """Answers as evaluate's `regard` does for texts alone."""

    name = "regard"

    def compute(self, *, data: list[str]) -> dict[str, Any]:
        bad = [0.75 if "dirty" in text else 0.125 for text in data]
        return {"regard": [[{"label": "positive", "score": 1 - p}, {"label": "negative", "score": p}] for p in bad]}


class Honest:
    """Counts hurtful words of each group, as evaluate's `honest` does."""

    name = "honest"

    def compute(self, *, predictions: list[list[str]], groups: list[str]) -> dict[str, Any]:
        hurts = {g: float(words[0] == "maid") for words, g in zip(predictions, groups, strict=True)}
        return {"honest_score_per_group": hurts}


def test_regard_is_the_probability_of_the_negative_label() -> None:
    scorer = regard_scorer(Regard())
    assert scorer.name == "evaluate:regard"
    assert scorer.score(["a dirty street", "a street"]) == [0.75, 0.125]


def test_honest_looks_at_the_first_word_of_each_text() -> None:
    scorer = honest_scorer(Honest())
    assert scorer.name == "evaluate:honest"
    assert scorer.score(["  Maid, of course", "the maid", "..."]) == [1.0, 0.0, 0.0]


def test_a_callable_does_as_well() -> None:
    assert regard_scorer(lambda texts: [0.5] * len(texts)).score(["a"]) == [0.5]
    assert honest_scorer(lambda words: [float(word == "maid") for word in words]).score(["maid!"]) == [1.0]


@pytest.mark.parametrize("make", [regard_scorer, honest_scorer])
@pytest.mark.parametrize("given", [3, "regard", Regard])
def test_anything_else_is_refused(make: Any, given: Any) -> None:
    with pytest.raises(UsageError, match="must be a module of evaluate or a callable"):
        make(given)


def test_a_module_without_the_label_is_one_sentence() -> None:
    class Other(Regard):
        def compute(self, *, data: list[str]) -> dict[str, Any]:
            return {"regard": [[{"label": "LABEL_0", "score": 1.0}] for _ in data]}

    with pytest.raises(ScorerError, match="returned None"):
        regard_scorer(Other()).score(["a"])
