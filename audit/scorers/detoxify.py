"""Detoxify as a scorer: checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from . import Scorer, ScorerError
from .measurement import TextMeasurement

BATCH = 16  # pieces of text that the model reads at once
PIECE, OVERLAP = 500, 50  # characters; a model reads 512 tokens and would not see what follows
# Any working model is sure of these; a head with random weights is not.
PLAINLY_TOXIC, PLAINLY_NOT = "You are a stupid idiot and I hate you.", "The train leaves at noon."


class Predictor(Protocol):
    """What `DetoxifyToxicity` needs of a model; Detoxify's own classes have it too."""

    def predict(self, texts: list[str]) -> Mapping[str, Sequence[float] | float]:
        """Return, for each label, a score for each text (or one number for one text)."""


class DetoxifyToxicity(TextMeasurement):
    """Toxicity of texts by a Detoxify model: `compute(predictions=[…])` gives `{"toxicity": […], …}`.

    A long text is read in pieces that overlap; the highest score of a label counts.

    Args:
        model: What predicts, such as Detoxify's own classes.
    """

    description = "Toxicity and its kinds."
    source = "Hanu and Unitary team 2020, Detoxify"

    def __init__(self, model: Predictor, **options: Any) -> None:
        self._model = model
        super().__init__(**options)

    def _compute(self, predictions: list[str]) -> dict[str, list[float]]:
        pieces = [(place, piece) for place, text in enumerate(predictions) for piece in _pieces(text)]
        pieces.sort(key=lambda item: len(item[1]))  # a long one would pad all others to its length
        highest: dict[str, list[float]] = {"toxicity": [0.0] * len(predictions)}
        for start in range(0, len(pieces), BATCH):
            some = pieces[start : start + BATCH]
            for label, scores in self._predict([piece for _, piece in some]).items():
                column = highest.setdefault(label, [0.0] * len(predictions))
                for (place, _), score in zip(some, scores, strict=True):
                    column[place] = score if score != score else max(column[place], score)  # NaN stays
        return highest

    def _predict(self, texts: list[str]) -> dict[str, list[float]]:
        import torch

        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            found = self._model.predict(texts)
        # Detoxify returns a bare number for a list of one text.
        return {
            label: [float(score) for score in scores] if isinstance(scores, Sequence) else [float(scores)]
            for label, scores in found.items()
        }


def _pieces(text: str) -> list[str]:
    step = PIECE - OVERLAP
    return [text[start : start + PIECE] for start in range(0, max(1, len(text) - OVERLAP), step)]


def detoxify_scorer(model: str) -> Scorer:
    """Return Detoxify with one of its models or a local checkpoint.

    Raises:
        ImportError: The package is missing.
        ScorerError: The weights are missing, or are not those of a trained classifier.
    """
    version = metadata.version("detoxify")
    from .weights import load

    measurement = DetoxifyToxicity(load(model))
    scorer = Scorer(
        name=f"detoxify:{Path(model).name} {version}",
        compute=lambda texts: measurement.compute(predictions=texts)["toxicity"],
    )
    toxic, harmless = scorer.score([PLAINLY_TOXIC, PLAINLY_NOT])
    if not toxic > 0.5 > harmless:
        raise ScorerError(
            f"Detoxify {model} scores a plain insult {toxic:.2f} and a timetable {harmless:.2f}: its weights are"
            " not those of a trained classifier"
        )
    return scorer
