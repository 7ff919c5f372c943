"""Detoxify's weights: found or fetched in bounded time, and checked to be complete.

Detoxify's own loader unpickles whatever a checkpoint holds, asks the hub even where everything is on disk, and
puts random numbers where weights are missing. Its models are loaded here instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import DETOXIFY, ScorerError, brief
from .checkpoint import ELSE, Checkpoint, open_checkpoint
from .classifier import Classifier, classifier
from .fetch import fetch_hub, fetch_weights

POSITIONS = ("position_ids", "token_type_ids")  # counted up, not learned; older releases of transformers saved them


def load(model: str | Path) -> Classifier:
    """Return one of Detoxify's models, or the one of a local checkpoint, on the CPU in float32.

    Configuration and tokenizer are those beside a local checkpoint, if there is a `config.json`; else those of the
    base model that it names, from the hub's cache or the hub.

    Raises:
        ScorerError: Something is missing, cannot be fetched in time or does not fit.
    """
    path = checkpoint_path(model)
    checkpoint = open_checkpoint(path)
    beside = str(model) not in DETOXIFY and (path.parent / "config.json").is_file()
    try:
        with _muted():
            return _assembled(checkpoint, str(path.parent) if beside else checkpoint.base)
    except (ScorerError, ImportError):
        raise
    except Exception as error:
        raise ScorerError(
            f"Detoxify {str(model)!r} cannot be loaded ({brief(error)}); choose another, {ELSE}"
        ) from error


def checkpoint_path(model: str | Path) -> Path:
    """Return the file of a model, which is fetched if it has to be.

    Raises:
        ScorerError: There is none.
    """
    if str(model) in DETOXIFY:
        return _published(str(model))
    path = Path(model).expanduser()
    if path.is_dir():
        raise ScorerError(f"{str(model)!r} is a folder: name the checkpoint in it, {ELSE}")
    if not path.is_file():
        known = ", ".join(DETOXIFY)
        raise ScorerError(f"there is no Detoxify model or checkpoint {str(model)!r}: choose one of {known}")
    return path


def _published(model: str) -> Path:
    import torch
    from detoxify.detoxify import MODEL_URLS

    url = str(MODEL_URLS[model])
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]  # where Detoxify itself looks
    if not path.is_file():
        fetch_weights(url, path)
    return path


def _assembled(checkpoint: Checkpoint, source: str) -> Classifier:
    import transformers

    kind = _class_of(checkpoint.network, transformers.PreTrainedModel)
    tokenizer_kind = _class_of(checkpoint.tokenizer, transformers.PreTrainedTokenizerBase)
    config, tokenizer = _described(kind, tokenizer_kind, source, checkpoint.outputs)
    network, told = kind.from_pretrained(
        None, config=config, state_dict=checkpoint.state, output_loading_info=True, ignore_mismatched_sizes=True
    )
    _check_keys(told)
    return classifier(network.float().eval(), tokenizer, checkpoint.labels)


def _check_keys(told: dict[str, Any]) -> None:
    """Raise if a weight was not in the checkpoint, or one of those was left out."""
    shaped = (key if isinstance(key, str) else key[0] for key in told["mismatched_keys"])  # with both shapes
    lacking = sorted({*map(str, told["missing_keys"]), *map(str, shaped)})
    surplus = sorted(str(key) for key in told["unexpected_keys"] if not str(key).endswith(POSITIONS))
    if lacking:
        what = f"no weights of the right shape for {lacking[0]} and {len(lacking) - 1} others, which would be random"
    elif surplus:
        what = f"weights for {surplus[0]} and {len(surplus) - 1} others, which its model does not have"
    else:
        return
    raise ScorerError(f"the Detoxify checkpoint has {what}; fetch it again, {ELSE}")


def _class_of(name: str, base: type) -> Any:
    """Return the class that a checkpoint names; it names no other thing of that package."""
    import transformers

    found = getattr(transformers, name, None)
    if found is transformers.AutoTokenizer and base is transformers.PreTrainedTokenizerBase:
        return found
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ScorerError(f"the Detoxify checkpoint names {name!r}, which is no {base.__name__}; choose another")
    return found


def _described(kind: Any, tokenizer_kind: Any, source: str, outputs: int) -> tuple[Any, Any]:
    """Return configuration and tokenizer, from disk if they are there."""

    def on_disk() -> tuple[Any, Any]:
        config = kind.config_class.from_pretrained(source, num_labels=outputs, local_files_only=True)
        return config, tokenizer_kind.from_pretrained(source, local_files_only=True)

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
