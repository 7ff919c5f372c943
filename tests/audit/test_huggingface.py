"""A model of Hugging Face is asked as it is, and put back."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from groundwire.audit.errors import UsageError
from groundwire.audit.huggingface import continuations, language_model, log_likelihood
from groundwire.audit.speaking import spoken_by
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
    found = spoken_by(Module(tokenizer))
    assert found is not None
    torch.manual_seed(0)
    said = found.generate(["abc", "abcdefgh", "j"])
    assert len(said) == 3
    assert all(isinstance(text, str) for text in said)
    assert (tokenizer.padding_side, tokenizer.pad_token) == ("right", pad)


def test_the_prompt_is_cut_off_by_tokens() -> None:
    lm, tokenizer = model(), Letters(pad="_", end=".").real
    torch.manual_seed(0)
    (alone,) = continuations(lm, tokenizer, ["abc"])
    assert not alone.startswith("a b c a b c")
    assert len(tokenizer(alone)["input_ids"]) <= 2 * 32  # blanks between letters are tokens, too


def test_greedy_continuations_are_the_likeliest_tokens() -> None:
    lm, tokenizer = model(), Letters(pad="_", end=".").real
    greedy = language_model(lm, tokenizer).greedy
    assert greedy is not None
    (said,) = greedy(["abc"])
    assert [said] == greedy(["abc"])
    ids = tokenizer("abc", return_tensors="pt")["input_ids"]
    first = int(lm(ids).logits[0, -1].argmax())
    assert said.split()[:1] == tokenizer.decode([first]).split()


def by_hand(lm: Any, tokenizer: Any, text: str, begin: int | None) -> float:
    """One token after the other, without batches or padding."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    seen, total = ([] if begin is None else [begin]), 0.0
    for token in ids:
        if seen:
            logits = lm(torch.tensor([seen])).logits[0, -1]
            total += float(torch.log_softmax(logits, -1)[token])
        seen.append(token)
    return total


@pytest.mark.parametrize(("end", "begin"), [(".", 1), (None, None)])
def test_likelihoods_are_those_of_one_token_after_the_other(end: str | None, begin: int | None) -> None:
    lm, tokenizer = model(), Letters(pad="_", end=end).real
    texts = ["abc", "a", "jihgfedcba abc", ""]
    with torch.no_grad():
        expected = [by_hand(lm, tokenizer, text, begin) for text in texts]
    found = log_likelihood(lm, tokenizer, texts)
    assert found == pytest.approx(expected, abs=1e-4)
    assert found[3] == 0
    assert all(value < 0 for value in found[:1])


def test_a_text_beyond_the_context_is_read_in_windows() -> None:
    lm, tokenizer = model(), Letters(end=".").real
    text = "abcdefghij" * 20  # 200 tokens, the context holds 64
    (found,) = log_likelihood(lm, tokenizer, [text])
    ids = [1, *tokenizer(text)["input_ids"]]
    expected = 0.0
    with torch.no_grad():
        for start in range(0, 200, 64):
            window = torch.tensor([ids[start : start + 65]])
            told = torch.log_softmax(lm(window[:, :-1]).logits, -1)
            expected += float(told.gather(-1, window[:, 1:, None]).sum())
    assert found == pytest.approx(expected, rel=1e-5)


def test_all_texts_of_three_letters_have_a_probability_of_one_together() -> None:
    lm, tokenizer = model(), Letters(end=".").real
    everything = [
        tokenizer.convert_ids_to_tokens(first) + tokenizer.convert_ids_to_tokens(second)
        for first in range(13)
        for second in range(13)
    ]
    total = sum(map(math.exp, log_likelihood(lm, tokenizer, everything)))
    assert total == pytest.approx(1, abs=1e-4)


def test_without_adapters_there_is_no_base() -> None:
    assert language_model(model(), Letters().real).base is None


def test_adapters_are_switched_off_for_the_base() -> None:
    peft = pytest.importorskip("peft")
    adapted = peft.get_peft_model(
        model(), peft.LoraConfig(target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False)
    )
    found, plain = (
        language_model(adapted.eval(), Letters(end=".").real),
        language_model(model(), Letters(end=".").real),
    )
    assert found.base is not None
    assert found.log_likelihood is not None
    assert plain.log_likelihood is not None
    moved = found.log_likelihood(["abcabc"])
    with found.base():
        assert found.log_likelihood(["abcabc"]) == pytest.approx(plain.log_likelihood(["abcabc"]), rel=1e-5)
    assert found.log_likelihood(["abcabc"]) == moved
    assert moved != pytest.approx(plain.log_likelihood(["abcabc"]), rel=1e-3)


def test_adapters_that_transformers_has_added_are_too() -> None:
    peft = pytest.importorskip("peft")
    lm, tokenizer = model(), Letters(end=".").real
    before = log_likelihood(lm, tokenizer, ["abcabc"])
    lm.add_adapter(peft.LoraConfig(target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False))
    found = language_model(lm.eval(), tokenizer)
    assert found.base is not None
    assert log_likelihood(lm, tokenizer, ["abcabc"]) != pytest.approx(before, rel=1e-3)
    with found.base():
        assert log_likelihood(lm, tokenizer, ["abcabc"]) == pytest.approx(before, rel=1e-5)
    assert log_likelihood(lm, tokenizer, ["abcabc"]) != pytest.approx(before, rel=1e-3)


def test_a_frozen_model_beside_a_trained_one_is_not_asked() -> None:
    class Distilling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.teacher, self.student, self.tok = model(), model(), Letters(end=".").real
            self.teacher.requires_grad_(False)
            with torch.no_grad():
                self.student.lm_head.weight.mul_(3.0)

    module = Distilling()
    found = spoken_by(module)
    assert found is not None
    assert found.log_likelihood is not None
    assert found.log_likelihood(["abc"]) == log_likelihood(module.student, module.tok, ["abc"])
    module.teacher.requires_grad_(True)
    with pytest.raises(UsageError, match="several language models"):
        spoken_by(module)
    given = spoken_by(module, generate=lambda prompts: prompts)
    assert given is not None
    assert given.log_likelihood is None  # nobody knows of which


def test_generate_of_tokens_is_not_taken_for_one_of_texts() -> None:
    module = Module(Letters(end=".").real)
    module.generate = lambda input_ids, **options: module.lm.generate(input_ids, **options)  # type: ignore[assignment]
    found = spoken_by(module)
    assert found is not None
    assert len(found.generate(["abc"])) == 1
    assert spoken_by(model()) is None


def test_the_models_own_configuration_does_not_change_how_it_is_asked() -> None:
    lm, tokenizer = model(), Letters(end=".").real
    asked = language_model(lm, tokenizer)
    assert asked.greedy is not None
    torch.manual_seed(0)
    before = asked.greedy(["abc"]), asked.generate(["abc"])
    lm.generation_config.update(
        num_beams=3, repetition_penalty=5.0, no_repeat_ngram_size=1, num_return_sequences=2, top_k=2, temperature=0.1
    )
    torch.manual_seed(0)
    assert (asked.greedy(["abc"]), asked.generate(["abc"])) == before


def test_a_model_with_a_short_context_is_asked_all_the_same() -> None:
    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
    lm = transformers.AutoModelForCausalLM.from_config(
        transformers.GPT2Config(vocab_size=13, bos_token_id=1, eos_token_id=1, **sizes)
    ).eval()
    asked = language_model(lm, Letters(end=".").real)
    assert len(asked.generate(["abcdefghij" * 3, "a"])) == 2


def test_a_tokenizer_is_saved_as_it_was(tmp_path: Any) -> None:
    tokenizer = Letters(pad=None, end=".").real
    tokenizer.save_pretrained(tmp_path / "before")
    language_model(model(), tokenizer).generate(["abc", "a"])
    tokenizer.save_pretrained(tmp_path / "after")
    files = ("tokenizer.json", "tokenizer_config.json")
    assert [(tmp_path / "before" / name).read_text() for name in files] == [
        (tmp_path / "after" / name).read_text() for name in files
    ]


def test_without_a_tokenizer_or_a_model_there_is_none() -> None:
    assert spoken_by(nn.Linear(2, 2)) is None
    assert spoken_by(Module("not a tokenizer")) is None


def test_a_modules_own_methods_come_first() -> None:
    module = Module(Letters().real)
    module.generate = lambda prompts: ["own"] * len(prompts)  # type: ignore[assignment]
    module.log_likelihood = lambda texts: [-1.0] * len(texts)  # type: ignore[assignment]
    found = spoken_by(module)
    assert found is not None
    assert found.generate(["a"]) == ["own"]
    assert found.log_likelihood is not None
    assert found.log_likelihood(["a"]) == [-1.0]
    given = spoken_by(module, generate=lambda prompts: ["given"])
    assert given is not None
    assert given.generate(["a"]) == ["given"]
