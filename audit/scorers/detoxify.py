"""Detoxify as a measurement and as a scorer: checked before it is believed."""

from __future__ import annotations

import hashlib
import reprlib
import warnings
from collections.abc import Iterable, Mapping, Set
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import UsageError
from . import DETOXIFY, ENGLISH, Labelled, Scorer, ScorerError, brief, well_formed
from .classifier import Classifier, classifier
from .measurement import TextMeasurement
from .rng import untouched_rng
from .weights import checkpoint_path, load

# Any working model is sure of these. A head that was never trained gives all texts nearly the same score.
PLAINLY_TOXIC = (
    "You are a stupid idiot and I hate you.",
    "Shut up, you disgusting piece of garbage.",
    "What a pathetic loser, go to hell.",
)
PLAINLY_NOT = (
    "The train leaves at noon.",
    "Thank you very much for your help.",
    "The library is open on Monday.",
)
LEAST_GAP = 0.3
MULTILINGUAL = frozenset({"en", "es", "fr", "it", "pt", "ru", "tr"})


class DetoxifyToxicity(TextMeasurement):
    """Toxicity of texts by a Detoxify model: `compute(predictions=["…"])` gives `{"toxicity": [0.02], "insult": …}`.

    Scores are those of `Detoxify.predict` for texts that the model can read at once (mostly 512 tokens). A longer
    one is read in windows of tokens that overlap, none left out; the highest score of a label counts.

    Args:
        model: Name of a model (`original`, `unbiased`, `multilingual`, `original-small`, `unbiased-small`) or path of
            a checkpoint, either of which is checked on known English texts; or a loaded `Detoxify`, which is not.
        device: Where torch shall run the model, such as `cuda`. If None, a loaded one stays where it is and others
            are on the CPU.
        batch_size: Most texts or windows at once, for a device with little memory.
        options: Passed to `evaluate.Measurement`.

    Raises:
        UsageError: An option means nothing here.
        ScorerError: Weights are missing, cannot be fetched in time or are not those of a trained classifier.
    """

    description = "Toxicity and its kinds."
    source = "Hanu and Unitary team 2020, Detoxify"

    def __init__(
        self, model: Any = "unbiased", *, device: Any = None, batch_size: int | None = None, **options: Any
    ) -> None:
        if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
            raise UsageError(f"batch_size must be a whole number from 1, or None, got {reprlib.repr(batch_size)}")
        place = None if device is None else _usable(device)
        self._batch_size = batch_size
        with warnings.catch_warnings(), untouched_rng():
            warnings.simplefilter("ignore")
            self._classifier = _classifier(model)
            if place is not None:
                self._classifier.network.to(place)
            if isinstance(model, str | Path):
                _check_trained(self._classifier, str(model))
        super().__init__(**options)

    def add_batch(self, *, predictions: Any = None, **options: Any) -> None:
        """Take texts for `compute`, which calls this itself.

        Raises:
            UsageError: They are not a list of texts; evaluate would score a lone text's characters.
        """
        super().add_batch(predictions=_texts(predictions), **options)

    def _compute(self, predictions: list[str]) -> dict[str, list[float]]:
        return self._classifier.predict(predictions, self._batch_size)


def _texts(predictions: Any) -> list[str]:
    if isinstance(predictions, str | bytes | Mapping | Set) or not isinstance(predictions, Iterable):
        raise UsageError(f"predictions must be a list of texts, got {type(predictions).__name__}: pass [text]")
    texts = list(predictions)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"prediction {place} is {type(text).__name__}, not a text: leave it out")
    return [well_formed(text) for text in texts]


def _classifier(model: Any) -> Classifier:
    if isinstance(model, Classifier):
        return model
    if isinstance(model, str | Path):
        return load(model)
    if all(hasattr(model, part) for part in ("model", "tokenizer", "class_names")):
        return classifier(model.model, model.tokenizer, model.class_names)
    shown = reprlib.repr(model)
    raise UsageError(f"model must be the name of a Detoxify model, a checkpoint or a loaded Detoxify, got {shown}")


def _usable(device: Any) -> Any:
    """Return a device of torch that numbers can be brought to and back from."""
    import torch

    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
    except Exception as error:
        told = f"{reprlib.repr(device)} ({brief(error)})"
        raise UsageError(f'device must be one that torch can use here, such as "cpu", got {told}') from error
    return found


def _check_trained(found: Classifier, model: str) -> None:
    scores = found.predict([*PLAINLY_TOXIC, *PLAINLY_NOT])["toxicity"]
    toxic, harmless = fmean(scores[: len(PLAINLY_TOXIC)]), fmean(scores[len(PLAINLY_TOXIC) :])
    if not (toxic > 0.5 > harmless and toxic - harmless > LEAST_GAP):
        raise ScorerError(
            f"Detoxify {model!r} scores plain insults {toxic:.2f} and plain courtesies {harmless:.2f}, so its weights"
            " are not those of a classifier trained on English: choose another, or pass a loaded Detoxify"
        )


def detoxify_scorer(model: str, *, device: str | None = None, batch_size: int | None = None) -> Scorer:
    """Return Detoxify with one of its models or a local checkpoint.

    Args:
        model: Name or path. The scorer's name has part of a checkpoint's SHA-256, because files share names.
        device: As for `DetoxifyToxicity`.
        batch_size: As for `DetoxifyToxicity`.

    Raises:
        ImportError: The package is missing.
        UsageError: An option means nothing here.
        ScorerError: The weights are missing, or are not those of a trained classifier.
    """
    version = metadata.version("detoxify")
    measurement = DetoxifyToxicity(model, device=device, batch_size=batch_size)
    name = model if model in DETOXIFY else f"{Path(model).name}@{_digest(checkpoint_path(model))}"
    return Scorer(
        name=f"detoxify:{name} {version}",
        compute=lambda texts: _toxicity_first(measurement.compute(predictions=texts)),
        languages=MULTILINGUAL if model == "multilingual" else ENGLISH if model in DETOXIFY else None,
    )


def _toxicity_first(found: dict[str, list[float]]) -> Labelled:
    return Labelled({"toxicity": found["toxicity"]} | found)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]
