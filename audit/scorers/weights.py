"""Detoxify's weights: found or fetched in bounded time, opened without running code, checked to be complete.

Detoxify's own loader unpickles whatever a checkpoint holds, asks the hub even where everything is on disk, and
puts random numbers where weights are missing. Its models are loaded here instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import DETOXIFY, ScorerError, brief
from .fetch import fetch_hub, fetch_weights

MOST_TOKENS = 512
# The names that Detoxify itself gives to the labels of its first models.
LABELS = {"toxic": "toxicity", "identity_hate": "identity_attack", "severe_toxic": "severe_toxicity"}
ELSE = 'or use scorer="embedded"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Classifier:
    """A model with its tokenizer and the names of its outputs."""

    network: Any
    tokenizer: Any
    labels: tuple[str, ...]
    most_tokens: int

    def predict(self, texts: list[str]) -> dict[str, list[float]]:
        """Return a probability for each label and text; what is beyond `most_tokens` is not read."""
        import torch

        inputs = self.tokenizer(
            texts, return_tensors="pt", truncation=True, padding=True, max_length=self.most_tokens
        ).to("cpu")
        scores = torch.sigmoid(self.network(**inputs)[0].float())
        return {label: scores[:, column].tolist() for column, label in enumerate(self.labels)}


def load(model: str) -> Classifier:
    """Return one of Detoxify's models, or the one of a local checkpoint.

    Configuration and tokenizer are those beside a checkpoint, if there is a `config.json`; else those of the
    base model that it names, from the hub's cache or the hub.

    Raises:
        ScorerError: Something is missing, cannot be fetched or does not fit.
    """
    path = _checkpoint(model)
    state, architecture, labels = _opened(path)
    beside = (path.parent / "config.json").is_file()
    source = str(path.parent) if beside else str(architecture["model_type"])
    try:
        with _muted():
            return _assembled(state, architecture, labels, source)
    except ScorerError:
        raise
    except Exception as error:
        raise ScorerError(f"Detoxify {model!r} cannot be loaded ({brief(error)}); choose another, {ELSE}") from error


def _checkpoint(model: str) -> Path:
    if model not in DETOXIFY:
        path = Path(model)
        if not path.is_file():
            known = ", ".join(DETOXIFY)
            raise ScorerError(f"there is no Detoxify model or checkpoint {model!r}: choose one of {known}")
        return path
    import torch
    from detoxify.detoxify import MODEL_URLS

    url = str(MODEL_URLS[model])
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]  # where Detoxify itself looks
    if not path.is_file():
        fetch_weights(url, path)
    return path


def _opened(path: Path) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
    """Return weights, architecture and labels of a checkpoint; code in it is not run."""
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        config = loaded["config"]
        architecture = dict(config["arch"]["args"])
        labels = tuple(LABELS.get(label, label) for label in config["dataset"]["args"]["classes"])
        return dict(loaded["state_dict"]), architecture, labels
    except Exception as error:
        raise ScorerError(
            f"{path.name} is not a Detoxify checkpoint, or holds more than weights ({brief(error)}); fetch it"
            f" again, {ELSE}"
        ) from error


def _assembled(
    state: dict[str, Any], architecture: dict[str, Any], labels: tuple[str, ...], source: str
) -> Classifier:
    import transformers

    kind = _class_of(transformers, architecture["model_name"], transformers.PreTrainedModel)
    tokenizer_kind = _class_of(transformers, architecture["tokenizer_name"], transformers.PreTrainedTokenizerBase)
    if "toxicity" not in labels or len(labels) != architecture["num_classes"]:
        raise ScorerError(f"a Detoxify checkpoint needs the label 'toxicity' and one output a label, got {labels}")
    config, tokenizer = _described(kind, tokenizer_kind, source, len(labels))
    network, told = kind.from_pretrained(None, config=config, state_dict=state, output_loading_info=True)
    wrong = sorted({*map(str, told["missing_keys"]), *map(str, told["mismatched_keys"])})
    if wrong:
        raise ScorerError(
            f"the Detoxify checkpoint has no weights for {wrong[0]} and {len(wrong) - 1} others, which would be"
            f" random; fetch it again, {ELSE}"
        )
    most = min(MOST_TOKENS, tokenizer.model_max_length, config.max_position_embeddings)
    return Classifier(network=network.eval(), tokenizer=tokenizer, labels=labels, most_tokens=most)


def _class_of(package: Any, name: Any, base: type) -> Any:
    """Return the class that a checkpoint names; it names no other thing of that package."""
    found = getattr(package, str(name), None)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ScorerError(f"the Detoxify checkpoint names {name!r}, which is no {base.__name__}; choose another")
    return found


def _described(kind: Any, tokenizer_kind: Any, source: str, outputs: int) -> tuple[Any, Any]:
    """Return configuration and tokenizer, from disk if they are there."""

    def on_disk() -> tuple[Any, Any]:
        options = {"local_files_only": True}
        config = kind.config_class.from_pretrained(source, num_labels=outputs, **options)
        return config, tokenizer_kind.from_pretrained(source, **options)

    try:
        return on_disk()
    except OSError:
        if Path(source).is_dir():
            raise
        fetch_hub(source)
        return on_disk()


@contextmanager
def _muted() -> Iterator[None]:
    """Keep transformers from reporting and drawing progress bars, for a while."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
