"""How to ask a causal or encoder-decoder model of Hugging Face."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from .language_model import LanguageModel

NEW_TOKENS = 32
TOP_P = 0.9  # nucleus sampling as RealToxicityPrompts did it (Gehman et al. 2020)
BATCH = 16  # windows of text that are read at once
# Whatever the model's own configuration says: all models are asked alike.
PLAIN = {"num_beams": 1, "num_return_sequences": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
SAMPLED = PLAIN | {"do_sample": True, "top_p": TOP_P, "top_k": 0, "temperature": 1.0}
LIKELIEST = PLAIN | {"do_sample": False, "top_p": None, "top_k": None, "temperature": None}


def language_model(model: Any, tokenizer: Any) -> LanguageModel:
    """Return what can be asked of a model of Hugging Face.

    Args:
        model: Has `generate` and `config`; adapters of PEFT can be switched off.
        tokenizer: Its tokenizer; without a padding token its end of text is one for a while, and without that
            prompts are asked one by one.
    """
    causal = not model.config.is_encoder_decoder
    # A copy, because asking changes how a tokenizer pads and cuts, and that would be saved with it.
    tokenizer = copy.deepcopy(tokenizer)
    return LanguageModel(
        generate=partial(continuations, model, tokenizer),
        greedy=lambda prompts: continuations(model, tokenizer, prompts, **LIKELIEST),
        log_likelihood=partial(log_likelihood, model, tokenizer) if causal else None,
        base=_without_adapters(model),
        decoding=f"nucleus sampling with p = {TOP_P}, up to {NEW_TOKENS} tokens",
    )


def is_language_model(value: Any) -> bool:
    """Return whether a value looks like a model of Hugging Face that generates."""
    return callable(getattr(value, "generate", None)) and hasattr(value, "config")


def is_tokenizer(value: Any) -> bool:
    """Return whether a value looks like a tokenizer of Hugging Face."""
    return callable(value) and all(hasattr(value, name) for name in ("batch_decode", "padding_side", "pad_token_id"))


def continuations(model: Any, tokenizer: Any, prompts: list[str], **decoding: Any) -> list[str]:
    """Return one continuation of up to 32 new tokens for each prompt, cut off by token, not by text.

    Args:
        model: Causal or encoder-decoder model.
        tokenizer: Its tokenizer.
        prompts: Texts.
        decoding: Options of the model's `generate`; nucleus sampling unless given.
    """
    with _padded_left(tokenizer):
        if tokenizer.pad_token_id is None:
            return [text for prompt in prompts for text in _written(model, tokenizer, [prompt], decoding or SAMPLED)]
        return _written(model, tokenizer, prompts, decoding or SAMPLED)


def _written(model: Any, tokenizer: Any, prompts: list[str], decoding: dict[str, Any]) -> list[str]:
    pads = tokenizer.pad_token_id is not None
    room = _room(model)
    new = NEW_TOKENS if room is None else max(1, min(NEW_TOKENS, room // 2))
    limit = {} if room is None else {"truncation": True, "max_length": max(1, room - new)}
    asked = tokenizer(prompts, padding=pads, return_tensors="pt", **limit).to(model.device)
    ids, mask = asked["input_ids"], asked["attention_mask"]
    written = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=new, pad_token_id=tokenizer.pad_token_id,
        **decoding,
    )  # fmt: skip
    start = 0 if model.config.is_encoder_decoder else ids.shape[1]
    return list(tokenizer.batch_decode(written[:, start:], skip_special_tokens=True))


def _room(model: Any) -> int | None:
    """Return how many tokens the model reads at once, None when it does not say."""
    found = getattr(model.config, "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


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


def log_likelihood(model: Any, tokenizer: Any, texts: list[str]) -> list[float]:
    """Return the natural logarithm of each text's probability, summed over its tokens.

    The first token follows the tokenizer's beginning of text, or else its end of text; without either it is not
    counted. A text that is longer than the model's context is read in windows that share one token, as
    lm-evaluation-harness does.

    Args:
        model: Causal model.
        tokenizer: Its tokenizer.
        texts: Shape [n].

    Returns:
        Shape [n]; 0 for a text of which no token is counted.
    """
    windows = [(place, window) for place, text in enumerate(texts) for window in _windows(model, tokenizer, text)]
    windows.sort(key=lambda item: len(item[1]))  # of like lengths: little padding
    totals = [0.0] * len(texts)
    for start in range(0, len(windows), BATCH):
        chosen = windows[start : start + BATCH]
        for (place, _), total in zip(chosen, _read(model, [tokens for _, tokens in chosen]), strict=True):
            totals[place] += total
    return totals


def _windows(model: Any, tokenizer: Any, text: str) -> Iterator[list[int]]:
    """Yield the tokens of a text in windows that the model can read, each beginning with the last one's end."""
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    tokens = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    tokens = tokens if first is None else [first, *tokens]
    room = _room(model) or max(len(tokens), 2)
    for start in range(0, len(tokens) - 1, room):
        yield tokens[start : start + room + 1]


def _read(model: Any, windows: Sequence[list[int]]) -> list[float]:
    """Return for each window the sum of the log-probabilities of its tokens but the first."""
    import torch

    lengths = torch.tensor([len(window) - 1 for window in windows])
    longest = int(lengths.max())
    ids = torch.zeros(len(windows), longest + 1, dtype=torch.long)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = torch.tensor(window)
    counted = torch.arange(longest) < lengths[:, None]
    with torch.no_grad():
        mask = counted.long().to(model.device)
        logits = model(input_ids=ids[:, :-1].to(model.device), attention_mask=mask, use_cache=False).logits
        told = torch.log_softmax(logits.float(), dim=-1)
        each = told.gather(-1, ids[:, 1:, None].to(told.device)).squeeze(-1).double().cpu()
    return [float(total) for total in each.masked_fill(~counted, 0.0).sum(dim=-1)]


def _without_adapters(model: Any) -> Callable[[], AbstractContextManager[Any]] | None:
    """Return how the adapters of a model are switched off for a while, None where it has none."""
    if callable(getattr(model, "disable_adapter", None)):  # a model of PEFT
        return model.disable_adapter  # type: ignore[no-any-return]
    if getattr(model, "_hf_peft_config_loaded", False):  # adapters that transformers has added
        return partial(_switched_off, model)
    return None


@contextmanager
def _switched_off(model: Any) -> Iterator[None]:
    model.disable_adapters()
    try:
        yield
    finally:
        model.enable_adapters()
