"""What a scorer returns is checked; what it may disturb is not disturbed."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from groundwire.audit.errors import UsageError
from groundwire.audit.scorers import Scorer, ScorerError, load_scorer, load_sentiment, well_formed
from hypothesis import given
from hypothesis import strategies as st


def _score(found: Any) -> list[float]:
    return Scorer(name="mine", compute=lambda texts: found).score(["a", "b"])


@pytest.mark.parametrize(
    "found", [[0.0, 1], (0.0, 1.0), np.array([0.0, 1.0]), torch.tensor([0.0, 1.0]), iter([0, 1.0]), [0.0, 1.0000001]]
)
def test_anything_with_one_number_for_each_text_is_scores(found: Any) -> None:
    assert _score(found) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (None, "scorer mine returned NoneType: return a list with one score for each text"),
        ("ab", "returned str: return a list"),
        ({"a": 0.1, "b": 0.2}, "returned dict: return a list"),
        (0.5, "returned float: return a list"),
        (np.float64(0.5), "returned float: return a list"),
        ([0.5], "returned 1 scores for 2 texts: return one score for each"),
        (itertools.repeat(0.5), "returned more scores than 2 texts"),
        ([0.5, float("nan")], "returned nan, which is not a number between 0 and 1"),
        ([0.5, -0.1], "returned -0.1, which is not a number between 0 and 1"),
        ([0.5, True], "returned True, which is not"),
        ([0.5, "0.5"], "returned '0.5', which is not"),
        ([0.5, None], "returned None, which is not"),
        ([0.5, 10**400], "which is not a number"),
        (np.zeros((2, 1)), "which is not a number"),
    ],
)
def test_what_is_no_score_is_named(found: Any, problem: str) -> None:
    with pytest.raises(ScorerError, match=problem):
        _score(found)


def test_what_is_shown_of_a_bad_score_is_short() -> None:
    with pytest.raises(ScorerError) as caught:
        _score(["x" * 10**6] * 2)
    assert len(str(caught.value)) < 200


def test_a_scorer_that_raises_is_named_with_the_first_line() -> None:
    def compute(texts: list[str]) -> list[float]:
        raise ValueError("no model\nlong story")

    with pytest.raises(ScorerError, match=r"scorer mine raised ValueError: no model$"):
        Scorer(name="mine", compute=compute).score(["a"])


def test_without_texts_nobody_is_asked() -> None:
    assert Scorer(name="mine", compute=lambda texts: 1 / 0).score([]) == []


def test_warnings_of_a_scorer_are_muted_and_the_filters_put_back() -> None:
    def compute(texts: list[str]) -> list[float]:
        warnings.warn("an old pickle", UserWarning, stacklevel=1)
        return [0.5]

    before = list(warnings.filters)
    assert Scorer(name="mine", compute=compute).score(["a"]) == [0.5]
    assert warnings.filters == before


@pytest.mark.slow
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_text_becomes_well_formed_and_only_where_it_is_not(text: str) -> None:
    clean = well_formed(text)
    clean.encode()
    assert well_formed(clean) == clean
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert clean == text


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        ("embeded", "there is no scorer 'embeded'; did you mean 'embedded'"),
        ("embedded:v2", "there is no scorer 'embedded:v2'"),
        ("", "there is no scorer ''"),
        (3, "scorer must be 'embedded', 'detoxify', an evaluate module or a callable, got 3"),
        (dict, "scorer must be an instance, got the class dict"),
    ],
)
def test_a_choice_that_means_nothing_is_named(choice: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        load_scorer(choice)


def test_choices_that_need_no_package() -> None:
    scorer = Scorer(name="mine", compute=lambda texts: [0.5] * len(texts))
    assert load_scorer(scorer) is scorer
    named = load_scorer(test_without_texts_nobody_is_asked)
    assert named.name == "callable:test_without_texts_nobody_is_asked"


@pytest.mark.parametrize(
    ("choice", "module"),
    [("embedded", "profanity_check"), ("embedded", "evaluate"), ("detoxify", "detoxify.detoxify")],
)
def test_a_missing_package_says_what_to_install(choice: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("groundwire.audit.scorers.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ScorerError, match=r'pip install "groundwire\[text,embedded\]"'):
        load_scorer(choice)


def test_missing_vader_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(ScorerError, match=r'pip install "groundwire\[text,embedded\]"'):
        load_sentiment()


def _random_states() -> list[Any]:
    legacy = np.random.get_state(legacy=False)["state"]
    return [random.getstate(), legacy["pos"], legacy["key"].tolist(), torch.get_rng_state().tolist()]


def test_a_scorer_that_draws_leaves_random_states_alone() -> None:
    def compute(texts: list[str]) -> list[float]:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        return [random.random() * np.random.rand() * torch.rand(()).item() for _ in texts]

    before = _random_states()
    Scorer(name="mine", compute=compute).score(["a"])
    assert _random_states() == before


FIRST_IMPORT = """
import random, numpy as np, torch
random.seed(1), np.random.seed(1), torch.manual_seed(1)
states = lambda: (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
before = states()
from groundwire.audit.scorers import load_scorer, load_sentiment
for scorer in (load_scorer(), load_sentiment()):
    scorer.score(["you idiot"])
assert states() == before
"""


@pytest.mark.slow
def test_the_first_import_of_a_scorer_leaves_random_states_alone() -> None:
    # In a process of its own: a package draws while it is imported for the first time.
    subprocess.run([sys.executable, "-W", "ignore", "-c", FIRST_IMPORT], check=True, timeout=120)


HEAVY = (
    "torch",
    "scipy",
    "evaluate",
    "datasets",
    "transformers",
    "sklearn",
    "detoxify",
    "profanity_check",
    "lightning",
)


def test_importing_what_measures_imports_nothing_heavy() -> None:
    code = (
        "import sys, groundwire.audit.generation, groundwire.audit.scorers, groundwire.audit.statistics\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
