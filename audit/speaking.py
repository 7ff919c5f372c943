"""The language model in whatever a user has: a module, a pipeline, a function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .errors import UsageError
from .huggingface import is_language_model, is_tokenizer, language_model
from .language_model import Generate, LanguageModel, LogLikelihood

WANTED = "generate(prompts), a model of Hugging Face with its tokenizer, a pipeline, or a LanguageModel"


def spoken_by(
    module: Any, *, generate: Generate | None = None, log_likelihood: LogLikelihood | None = None
) -> LanguageModel | None:
    """Return what can be asked of the model in a module, None when it cannot generate.

    What is given comes first, then the module's own `generate(prompts)` and `log_likelihood(texts)`, then the model
    of Hugging Face that is a child of the module, with the tokenizer that is one of its attributes.
    """
    children = module.children() if callable(getattr(module, "children", None)) else ()
    inner = next((child for child in children if is_language_model(child)), None)
    tokenizer = next((value for value in getattr(module, "__dict__", {}).values() if is_tokenizer(value)), None)
    found = None if inner is None or tokenizer is None else language_model(inner, tokenizer)
    own = generate or _method(module, "generate")
    likelihood = log_likelihood or _method(module, "log_likelihood")
    if own is not None:
        # Another way of generating need not be decoded as we would.
        found = LanguageModel(generate=own) if found is None else replace(found, generate=own, decoding="")
    return found if found is None or likelihood is None else replace(found, log_likelihood=likelihood)


def made_of(given: Any) -> LanguageModel:
    """Return what can be asked of something that a user has made, in eval mode where it has modes.

    Raises:
        UsageError: Nothing can be asked of it.
    """
    if isinstance(given, LanguageModel):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        pair = given
    else:  # a pipeline, or something else that is not both
        pair = getattr(given, "model", None), getattr(given, "tokenizer", None)
    for part in (given, pair[0]):
        if callable(getattr(part, "eval", None)):
            part.eval()
    if is_language_model(pair[0]) and is_tokenizer(pair[1]) and not _method(given, "generate"):
        return language_model(*pair)
    found = None if isinstance(given, tuple | type) else spoken_by(given)
    if found is None and callable(given) and not isinstance(given, type):
        found = LanguageModel(generate=given)
    if found is None:
        raise UsageError(f"the model is of type {type(given).__name__}, of which nothing can be asked: give {WANTED}")
    return found


def _method(module: Any, name: str) -> Any:
    found = getattr(module, name, None)
    return found if callable(found) else None
