"""Sentiment of texts by a lexicon that comes inside a package."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from . import ENGLISH, Scorer
from .measurement import TextMeasurement

MOST_EMOJI = 100  # VADER's time grows with their square; after so many the score no longer moves


class Sentiment(TextMeasurement):
    """VADER's compound score of a text, from −1 (negative) to 1 (positive).

    `Sentiment().compute(predictions=["…"])` gives `{"sentiment": [0.4]}`.
    """

    description = "Compound sentiment of a text."
    source = "Hutto and Gilbert 2014, VADER"

    def _download_and_prepare(self, dl_manager: Any) -> None:  # noqa: ARG002 - evaluate passes one
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()

    def _compute(self, predictions: list[str]) -> dict[str, list[float]]:
        return {"sentiment": [self._compound(text) for text in predictions]}

    def _compound(self, text: str) -> float:
        return float(self._analyzer.polarity_scores(_few(text, self._analyzer.emojis))["compound"])


def _few(text: str, emoji: dict[str, str]) -> str:
    """Return `text` without the emoji after the first `MOST_EMOJI`: VADER reads each as several words."""
    places = [place for place, character in enumerate(text) if character in emoji]
    if len(places) <= MOST_EMOJI:
        return text
    surplus = set(places[MOST_EMOJI:])
    return "".join(character for place, character in enumerate(text) if place not in surplus)


def sentiment_scorer() -> Scorer:
    """Return the sentiment scorer.

    Raises:
        ImportError: Its package is missing.
    """
    measurement = Sentiment()
    return Scorer(
        name=f"vader {metadata.version('vaderSentiment')}",
        compute=lambda texts: measurement.compute(predictions=texts)["sentiment"],
        low=-1.0,
        languages=ENGLISH,
    )
