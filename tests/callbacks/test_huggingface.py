"""A Hugging Face model in a module is found and asked by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from groundwire.callbacks.huggingface import continuations, own_generate
from torch import nn

transformers = pytest.importorskip("transformers")


class Letters:
    """A tokenizer of letters with what a real one has."""

    def __init__(self, *, pad: str | None = "_", end: str | None = None) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        letters = {letter: place for place, letter in enumerate("_.abcdefghij ")}
        found = Tokenizer(models.WordLevel(letters, unk_token="a"))
        found.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        self.real = transformers.PreTrainedTokenizerFast(
            tokenizer_object=found, pad_token=pad, eos_token=end, padding_side="right"
        )


def model(kind: str = "gpt2") -> Any:
    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64}
    return transformers.AutoModelForCausalLM.from_config(
        transformers.GPT2Config(vocab_size=13, bos_token_id=1, eos_token_id=1, **sizes)
    ).eval()


class Module(nn.Module):
    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self.lm, self.tok = model(), tokenizer


@pytest.mark.parametrize(("pad", "end"), [("_", "."), (None, "."), (None, None)])
def test_it_is_found_asked_and_put_back(pad: str | None, end: str | None) -> None:
    tokenizer = Letters(pad=pad, end=end).real
    generate = own_generate(Module(tokenizer))
    assert generate is not None
    torch.manual_seed(0)
    said = generate(["abc", "abcdefgh", "j"])
    assert len(said) == 3
    assert all(isinstance(text, str) for text in said)
    assert (tokenizer.padding_side, tokenizer.pad_token) == ("right", pad)


def test_the_prompt_is_cut_off_by_tokens() -> None:
    lm, tokenizer = model(), Letters(pad="_", end=".").real
    torch.manual_seed(0)
    (alone,) = continuations(lm, tokenizer, ["abc"])
    assert not alone.startswith("a b c a b c")
    assert len(tokenizer(alone)["input_ids"]) <= 2 * 32  # blanks between letters are tokens, too


def test_without_a_tokenizer_or_a_model_there_is_none() -> None:
    assert own_generate(nn.Linear(2, 2)) is None
    bare = Module("not a tokenizer")
    assert own_generate(bare) is None


def test_a_modules_own_method_comes_first() -> None:
    module = Module(Letters().real)
    module.generate = lambda prompts: ["own"] * len(prompts)  # type: ignore[assignment]
    generate = own_generate(module)
    assert generate is not None
    assert generate(["a"]) == ["own"]
