"""The scores in what a module of `evaluate` or a callable returns are found, or it is said that they are not."""

from __future__ import annotations

import functools
from collections import UserDict
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
import torch
from datasets import Features, Value
from groundwire.audit.errors import UsageError
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
        {"score": [0.5, 0.5], "scores": [0.1, 0.9]},
        {"scores": [0.5, 0.5], "toxicity": torch.tensor([0.1, 0.9], dtype=torch.float64)},
        {"toxicity": 0.5, "scores": [0.1, 0.9]},
        {"toxicity": np.float32(0.5), "each": [0.1, 0.9]},
        {1: [0.1, 0.9], "labels": "ab"},
        UserDict(anything=[0.1, 0.9]),
    ],
)
def test_the_scores_are_found(result: Any) -> None:
    scorer = load_scorer(Module(result))
    assert scorer.name == "evaluate:told"
    assert scorer.score(["a", "b"]) == [0.1, 0.9]


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ([0.1, 0.2], r"evaluate:told: compute\(\) returned list instead of a dictionary"),
        ({"scores": iter([0.1, 0.2])}, r"returned \['scores'\], of which 0"),
        ({"scores": "ab"}, r"returned \['scores'\], of which 0"),
        ({"each": [0.1, 0.2, 0.3]}, r"returned \['each'\], of which 0"),
        ({"toxicity": [0.1], "each": [0.1, 0.2]}, "returned 1 scores for 2 texts"),
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


def test_what_is_shown_of_many_keys_is_short() -> None:
    with pytest.raises(ScorerError) as caught:
        load_scorer(Module({"x" * 10**5 + str(key): 0.5 for key in range(100)})).score(["a", "b"])
    assert len(str(caught.value)) < 400


BAD_SCORES = [
    ([], "returned 0 scores for 2 texts: return one score for each"),
    ([0.5, 0.5, 0.5], "returned more scores than 2 texts: return one score for each"),
    ([0.5, "toxic"], "returned 'toxic', which is not a number between 0 and 1"),
    ([0.5, None], "returned None, which is not a number between 0 and 1"),
    ([False, True], "returned False, which is not a number between 0 and 1"),
    ([0.5, [0.5]], r"returned \[0.5\], which is not a number between 0 and 1"),
    ([0.5, float("nan")], "returned nan, which is not a number between 0 and 1"),
    ([0.5, float("inf")], "returned inf, which is not a number between 0 and 1"),
    ([0.5, -0.01], "returned -0.01, which is not a number between 0 and 1"),
    ([0.5, 1.01], "returned 1.01, which is not a number between 0 and 1"),
]


@pytest.mark.parametrize(("found", "problem"), BAD_SCORES)
def test_a_bad_score_of_a_module_is_named(found: list[Any], problem: str) -> None:
    with pytest.raises(ScorerError, match=f"^scorer evaluate:told {problem}$"):
        load_scorer(Module({"toxicity": found})).score(["a", "b"])


@pytest.mark.parametrize(("found", "problem"), BAD_SCORES)
def test_a_bad_score_of_a_callable_is_named(found: list[Any], problem: str) -> None:
    def mine(texts: list[str]) -> list[Any]:
        return found

    with pytest.raises(ScorerError, match=f"^scorer callable:.*mine {problem}$"):
        load_scorer(mine).score(["a", "b"])


def test_a_callable_gives_no_dictionary_as_a_module_does() -> None:
    with pytest.raises(ScorerError, match="returned dict: return a list with one score for each text"):
        load_scorer(lambda texts: {"toxicity": [0.1, 0.2]}).score(["a", "b"])


def test_a_callable_without_a_name_is_named_by_its_type() -> None:
    assert load_scorer(functools.partial(np.linspace, 0.1, 0.9)).name == "callable:partial"


class Raising:
    """Cannot compute, asked in either way."""

    def __call__(self, texts: list[str]) -> list[float]:
        raise RuntimeError("no model\nlong story")

    def compute(self, *, predictions: list[str]) -> dict[str, list[float]]:
        return {"toxicity": self(predictions)}


@pytest.mark.parametrize(("choice", "name"), [(Raising(), "evaluate:Raising"), (Raising().__call__, "callable:.*")])
def test_whoever_raises_is_named_with_the_first_line(choice: Any, name: str) -> None:
    with pytest.raises(ScorerError, match=rf"^scorer {name} raised RuntimeError: no model$") as caught:
        load_scorer(choice).score(["a"])
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_module_gets_all_texts_at_once_and_well_formed() -> None:
    class Seeing(Module):
        def compute(self, *, predictions: list[str]) -> Any:
            seen.append(predictions)
            return self.result

    seen: list[list[str]] = []
    load_scorer(Seeing({"toxicity": [0.1, 0.9]})).score(["a\ud800", "b"])
    assert seen == [["a\ufffd", "b"]]


def test_the_package_itself_is_no_scorer() -> None:
    with pytest.raises(UsageError, match=r"an evaluate module or a callable, got <module"):
        load_scorer(evaluate)


class Politeness(evaluate.Measurement):
    """A measurement as its authors write it, with two lists and a number."""

    def _info(self) -> evaluate.MeasurementInfo:
        features = Features({"predictions": Value("string")})
        return evaluate.MeasurementInfo(description="", citation="", features=features, module_type="measurement")

    def _compute(self, predictions: list[str]) -> dict[str, Any]:
        rude = [float("rude" in text) for text in predictions]
        return {"polite": [1 - score for score in rude], "toxicity": rude, "mean": sum(rude) / len(rude)}


def test_a_measurement_of_somebody_else_scores(tmp_path: Path) -> None:
    scorer = load_scorer(Politeness(keep_in_memory=True, cache_dir=str(tmp_path)))
    assert scorer.name.startswith("evaluate:")
    assert scorer.score(["rude words", "noon", "how rude"]) == [1.0, 0.0, 1.0]
    assert scorer.score(["noon"]) == [0.0]


def test_a_real_module_is_named_and_scores() -> None:
    scorer = load_scorer(EmbeddedToxicity())
    assert scorer.name == "evaluate:embedded_toxicity"
    assert scorer.score(["you idiot", "noon"])[0] > 0.5
