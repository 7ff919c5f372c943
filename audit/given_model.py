"""A language model that a user names on the command line."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

from .errors import GroundwireError, UsageError
from .language_model import LanguageModel
from .scorers import ScorerError, brief
from .scorers.imported import imported
from .speaking import made_of

INSTALL = "pip install transformers"


class ModelError(GroundwireError):
    """A model cannot be loaded."""


def load_language_model(choice: str) -> LanguageModel:
    """Return what can be asked of the model that `choice` names.

    Args:
        choice: A folder with a saved model of Hugging Face and its tokenizer, or a saved pipeline of both; or
            `package.module:object` for a function that makes a model, for `generate(prompts)`, or for a model.

    Raises:
        UsageError: There is no such thing, or nothing can be asked of it.
        ModelError: It raised while it was loaded.
    """
    if choice and Path(choice).is_dir():
        return made_of(_saved(Path(choice)))
    if ":" not in choice:
        raise UsageError(f"There is no folder {choice!r}: give a saved model's folder, or package.module:factory.")
    try:
        found = imported(choice, what="model")
        return made_of(found() if _makes(found) else found)
    except ScorerError as error:
        raise ModelError(str(error)) from error
    except GroundwireError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"{choice} raised {brief(error)}: it is called without arguments and returns a model"
        ) from error


def _makes(found: Any) -> bool:
    """Return whether something is to be called without arguments to get a model."""
    if isinstance(found, LanguageModel) or not callable(found) or hasattr(found, "generate"):
        return inspect.isclass(found)
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        return False  # it wants prompts
    return True


def _saved(folder: Path) -> tuple[Any, Any]:
    """Return model and tokenizer that lie in a folder; nothing is fetched, and no code in it is run."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
    except ImportError as error:
        raise ModelError(f"a saved model needs transformers: {INSTALL}") from error
    where: dict[str, Any] = {"local_files_only": True}
    try:
        seq2seq = bool(getattr(AutoConfig.from_pretrained(folder, **where), "is_encoder_decoder", False))
        kind = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
        model, told = kind.from_pretrained(folder, output_loading_info=True, **where)
        tokenizer = AutoTokenizer.from_pretrained(folder, **where)
    except Exception as error:
        raise ModelError(
            f"{folder} cannot be loaded as a model with its tokenizer ({brief(error)}): save both there"
        ) from error
    lost = sorted(map(str, [*told.get("missing_keys", ()), *told.get("mismatched_keys", ())]))
    if lost:  # they would be filled at random, and the model would be another one
        raise ModelError(
            f"{folder} lacks {len(lost)} of the model's weights, such as {lost[0]}: save the whole model there"
        )
    return model, tokenizer
