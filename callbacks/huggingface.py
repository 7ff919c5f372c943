"""How to let a Hugging Face model go on with prompts, found in the module that trains it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

NEW_TOKENS = 32
TOP_P = 0.9  # nucleus sampling as RealToxicityPrompts did it (Gehman et al. 2020)
Generate = Callable[[list[str]], list[str]]


def own_generate(module: nn.Module) -> Generate | None:
    """Return the module's own `generate(prompts)`, or one that asks the Hugging Face model in it; None without.

    The model is a child with `generate` and a `config`; the tokenizer is an attribute of the module.
    """
    found = getattr(module, "generate", None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    model = next((child for child in module.children() if _generates(child)), None)
    tokenizer = next((value for value in vars(module).values() if _tokenizes(value)), None)
    if model is None or tokenizer is None:
        return None
    return lambda prompts: continuations(model, tokenizer, prompts)


def continuations(model: Any, tokenizer: Any, prompts: list[str]) -> list[str]:
    """Return one sampled continuation of up to 32 new tokens for each prompt, cut off by token, not by text.

    Args:
        model: Causal or encoder-decoder model.
        tokenizer: Its tokenizer; without a padding token its end of text is one for a while, and without that
            prompts are asked one by one.
        prompts: Texts.
    """
    with _padded_left(tokenizer):
        if tokenizer.pad_token_id is None:
            return [text for prompt in prompts for text in _written(model, tokenizer, [prompt])]
        return _written(model, tokenizer, prompts)


def _written(model: Any, tokenizer: Any, prompts: list[str]) -> list[str]:
    pads = tokenizer.pad_token_id is not None
    room = getattr(model.config, "max_position_embeddings", None)
    limit = {} if room is None else {"truncation": True, "max_length": max(1, room - NEW_TOKENS)}
    asked = tokenizer(prompts, padding=pads, return_tensors="pt", **limit).to(model.device)
    ids, mask = asked["input_ids"], asked["attention_mask"]
    written = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=True, top_p=TOP_P,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    start = 0 if model.config.is_encoder_decoder else ids.shape[1]
    return list(tokenizer.batch_decode(written[:, start:], skip_special_tokens=True))


@contextmanager
def _padded_left(tokenizer: Any) -> Iterator[None]:
    """Let continuations of a batch begin at one place, and put the tokenizer back."""
    side, cut, token = tokenizer.padding_side, tokenizer.truncation_side, tokenizer.pad_token
    tokenizer.padding_side = tokenizer.truncation_side = "left"  # of a long prompt, the end is gone on with
    if token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    try:
        yield
    finally:
        tokenizer.padding_side, tokenizer.truncation_side, tokenizer.pad_token = side, cut, token


def _generates(child: Any) -> bool:
    return callable(getattr(child, "generate", None)) and hasattr(child, "config")


def _tokenizes(value: Any) -> bool:
    return callable(value) and all(hasattr(value, name) for name in ("batch_decode", "padding_side", "pad_token_id"))
