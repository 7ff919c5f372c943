"""Scorers of generated text: toxicity from 0 to 1 and sentiment from −1 to 1.

`load_scorer` turns what a user names into a `Scorer`. Nothing here is imported before a run can generate text.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import GroundwireError, UsageError
from ..registry import nearest

INSTALL = 'pip install "groundwire[text,embedded]"'
DETOXIFY = ("original", "unbiased", "multilingual", "original-small", "unbiased-small")
EMBEDDED = "embedded"


class ScorerError(GroundwireError):
    """A scorer cannot be loaded or gave something that is not a score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorer:
    """Scores texts.

    Attributes:
        name: Which scorer it is, with the version that its scores depend on.
        compute: Maps texts to as many numbers.
        low: Least possible score.
        high: Greatest possible score.
    """

    name: str
    compute: Callable[[list[str]], Iterable[Any]]
    low: float = 0.0
    high: float = 1.0

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return one score for each text.

        Raises:
            ScorerError: The scorer raised, or returned too few, too many or impossible scores.
        """
        if not texts:
            return []
        # A lone surrogate cannot be encoded, and some tokenizers are written in languages that must.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scores = list(self.compute(clean))
        except Exception as error:
            raise ScorerError(f"scorer {self.name} raised {type(error).__name__}: {error}") from error
        if len(scores) != len(texts):
            raise ScorerError(f"scorer {self.name} returned {len(scores)} scores for {len(texts)} texts")
        return [self._checked(score) for score in scores]

    def _checked(self, score: Any) -> float:
        try:
            value = float(score)
        except (TypeError, ValueError):
            value = math.nan
        if isinstance(score, str | bool) or not self.low <= value <= self.high:
            bounds = f"between {self.low:g} and {self.high:g}"
            raise ScorerError(f"scorer {self.name} returned {score!r}, which is not a number {bounds}")
        return value


def load_scorer(choice: Any = EMBEDDED) -> Scorer:
    """Return the toxicity scorer that `choice` means.

    Args:
        choice: `embedded`; `detoxify` or `detoxify:MODEL` or `detoxify:CHECKPOINT`; a module of Hugging Face
            `evaluate`; or a callable that maps a list of texts to a list of scores.

    Raises:
        UsageError: It means nothing.
        ScorerError: Its package or its weights are missing.
    """
    if isinstance(choice, Scorer):
        return choice
    if isinstance(choice, str):
        return _named(choice)
    if callable(getattr(choice, "compute", None)):
        from .foreign import evaluate_scorer

        return evaluate_scorer(choice)
    if callable(choice):
        name = getattr(choice, "__qualname__", type(choice).__name__)
        return Scorer(name=f"callable:{name}", compute=choice)
    raise UsageError(f"scorer must be 'embedded', 'detoxify', an evaluate module or a callable, got {choice!r}")


def _named(choice: str) -> Scorer:
    kind, _, model = choice.partition(":")
    if choice == EMBEDDED:
        from .embedded import embedded_scorer

        return embedded_scorer()
    if kind == "detoxify":
        from .detoxify import detoxify_scorer

        return detoxify_scorer(model or "unbiased")
    raise UsageError(f"there is no scorer {choice!r}{nearest(choice, [EMBEDDED, 'detoxify'])}")


def load_sentiment() -> Scorer:
    """Return VADER's compound sentiment, from −1 to 1.

    Raises:
        ScorerError: Its package is missing.
    """
    from .embedded import sentiment_scorer

    return sentiment_scorer()
