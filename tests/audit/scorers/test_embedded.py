"""The scorers inside packages work alone, without network and files, and know an insult."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from groundwire.audit.scorers import load_scorer, load_sentiment
from groundwire.audit.scorers.embedded import EmbeddedToxicity
from groundwire.audit.scorers.sentiment import MOST_EMOJI, Sentiment, _few

INSULT, TIMETABLE = "You stupid idiot, shut up.", "The train leaves at noon."


def test_the_measurements_work_alone() -> None:
    toxicity = EmbeddedToxicity().compute(predictions=[INSULT, TIMETABLE])["toxicity"]
    assert toxicity[0] > 0.9 > 0.1 > toxicity[1]
    mood = Sentiment().compute(predictions=["What a wonderful day!", "What a horrible day!", ""])["sentiment"]
    assert mood[0] > 0.5 > -0.5 > mood[1]
    assert mood[2] == 0


def test_no_text_has_no_scores() -> None:
    assert EmbeddedToxicity().compute(predictions=[]) == {"toxicity": []}
    assert Sentiment().compute(predictions=[]) == {"sentiment": []}


def test_no_folder_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "makedirs", lambda *args, **options: pytest.fail(f"made {args}"))
    assert EmbeddedToxicity().compute(predictions=["a"])
    assert Sentiment().compute(predictions=["a"])


def test_names_hold_the_versions() -> None:
    assert load_scorer(None).name == load_scorer("embedded").name
    assert load_scorer().name.startswith("embedded:alt-profanity-check 1.")
    assert load_sentiment().name.startswith("vader 3.")


def test_a_score_does_not_depend_on_the_texts_beside_it() -> None:
    scorer = load_scorer()
    together = scorer.score([INSULT, TIMETABLE, "\ud800\x00"])
    assert together == [scorer.score([text])[0] for text in (INSULT, TIMETABLE, "\ud800\x00")]


def test_a_thousand_emoji_are_read_as_the_first_hundred() -> None:
    few = _few("a" + "😀" * 1000 + "b", {"😀": "grinning face"})
    assert few == "a" + "😀" * MOST_EMOJI + "b"
    scorer = load_sentiment()
    assert scorer.score(["😀" * 100_000]) == scorer.score(["😀" * MOST_EMOJI])


def _shared() -> Path | None:
    places = [Path(__file__).resolve().parents[3].parent / "shared"]
    if named := os.environ.get("GROUNDWIRE_SHARED"):
        places.insert(0, Path(named))
    return next((place / "data" for place in places if (place / "data").is_dir()), None)


@pytest.mark.slow
def test_the_default_scorer_agrees_with_published_scores() -> None:
    """Area under the curve against the scores that RealToxicityPrompts was published with."""
    from sklearn.metrics import roc_auc_score

    data = _shared()
    if data is None or not (data / "realtoxicityprompts").is_dir():
        pytest.skip("RealToxicityPrompts is not beside the repository and GROUNDWIRE_SHARED does not name it")
    texts, published = [], []
    for path in sorted((data / "realtoxicityprompts").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            continuation = json.loads(line)["continuation"]
            if continuation["toxicity"] is not None:
                texts.append(continuation["text"])
                published.append(continuation["toxicity"] >= 0.5)
    scores = load_scorer().score(texts)
    flagged = [score >= 0.5 for score in scores]
    assert roc_auc_score(published, scores) > 0.85
    harmless = [flag for flag, toxic in zip(flagged, published, strict=True) if not toxic]
    assert sum(harmless) / len(harmless) < 0.05
