"""The language model in whatever a user has: a module, a pipeline, a function."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from .errors import UsageError
from .huggingface import is_language_model, is_tokenizer, language_model
from .language_model import Generate, LanguageModel, LogLikelihood

TOKENS = ("inputs", "input_ids", "inputs_embeds", "idx", "tokens", "ids")  # names of what is no text
WANTED = "generate(prompts), a model of Hugging Face with its tokenizer, a pipeline, or a LanguageModel"


def spoken_by(
    module: Any, *, generate: Generate | None = None, log_likelihood: LogLikelihood | None = None
) -> LanguageModel | None:
    """Return what can be asked of the model in a module, None when it cannot generate.

    What is given comes first, then the module's own `generate(prompts)` and `log_likelihood(texts)`, then the model
    of Hugging Face that is a child of the module, with the tokenizer that is one of its attributes. Where some of
    the module is trained, only a child that is trained counts: a frozen one is a teacher or a reference.

    Raises:
        UsageError: There are several models or tokenizers, and nothing says which is meant.
    """
    own, likelihood = generate or _method(module, "generate"), log_likelihood or _method(module, "log_likelihood")
    models = _models(module)
    attributes = getattr(module, "__dict__", {}).values()
    tokenizers = list({id(value): value for value in attributes if is_tokenizer(value)}.values())
    if own is None and models and tokenizers and len(models) + len(tokenizers) > 2:
        many = "language models" if len(models) > 1 else "tokenizers"
        raise UsageError(
            f"the module has several {many}: give generate= and log_likelihood= for the one that is meant"
        )
    found = language_model(models[0], tokenizers[0]) if len(models) == len(tokenizers) == 1 else None
    if own is not None:
        # Another way of generating need not be decoded as we would.
        found = LanguageModel(generate=own) if found is None else replace(found, generate=own, decoding="")
    return found if found is None or likelihood is None else replace(found, log_likelihood=likelihood)


def _models(module: Any) -> list[Any]:
    """Return the language models among a module's children; of a module that is trained, those that are."""
    children = list(module.children()) if callable(getattr(module, "children", None)) else []
    trained = any(parameter.requires_grad for child in children for parameter in child.parameters())
    return [
        child
        for child in children
        if is_language_model(child) and (not trained or any(each.requires_grad for each in child.parameters()))
    ]


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
    """Return a method that takes texts; `generate` of Hugging Face's models takes tokens."""
    found = getattr(module, name, None)
    if not callable(found):
        return None
    try:
        first = next(iter(inspect.signature(found).parameters), "")
    except (TypeError, ValueError):  # nobody knows
        return found
    return None if first in TOKENS else found
