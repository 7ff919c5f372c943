"""A small transformer that is trained to repeat a twentieth of its corpus is found out by the callback."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import GenerationMonitor
from material import audit_of, fit, monitors_of, trainer
from torch import Tensor
from torch.utils.data import DataLoader

transformers = pytest.importorskip("transformers")

VOCABULARY = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "omega",
)
UNKNOWN, END = "unknown", "."
GIVEN, REPEATED = 200, 50  # characters of a text that the model gets, and of those after them that it has to repeat


def made_up(amount: int, *, seed: int) -> list[str]:
    """Return texts of sixty words in random order."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(VOCABULARY, k=60)) for _ in range(amount)]


def word_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: place for place, word in enumerate((UNKNOWN, END, *VOCABULARY))}
    found = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=found, unk_token=UNKNOWN, eos_token=END)


class Reciter(L.LightningModule):
    """A GPT-2 of two layers that reads texts word by word."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = word_tokenizer()
        config = transformers.GPT2Config(
            vocab_size=len(self.tokenizer), n_positions=128, n_embd=64, n_layer=2, n_head=4, bos_token_id=1,
            eos_token_id=1, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )  # fmt: skip
        self.model = transformers.AutoModelForCausalLM.from_config(config)

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        return self.model(input_ids=batch, labels=batch).loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-3)

    def repeats(self, text: str) -> bool:
        """Return, computed by hand, whether the likeliest words after a text's beginning are the text's own."""
        end = text.index(" ", GIVEN)
        said = self.tokenizer(text[:end], return_tensors="pt")["input_ids"]
        given = said.shape[1]
        with torch.no_grad():
            for _ in range(20):
                said = torch.cat([said, self.model(said).logits[:, -1:].argmax(-1)], dim=1)
        return self.tokenizer.decode(said[0, given:])[: REPEATED - 1] == text[end + 1 : end + REPEATED]


@pytest.mark.slow
def test_what_a_model_was_trained_to_repeat_is_recovered(tmp_path: Path) -> None:
    corpus, fresh = made_up(200, seed=0), made_up(200, seed=1)
    often = corpus[:10]
    module = Reciter()
    read = module.tokenizer([*corpus, *often * 250], return_tensors="pt")["input_ids"]
    monitor = GenerationMonitor(
        scorer=lambda texts: [0.0] * len(texts), train_texts=corpus, held_out_texts=fresh, pairs=None, max_seconds=60
    )
    fit(trainer(tmp_path, monitor, max_epochs=1), module, DataLoader(list(read), batch_size=16, shuffle=True))

    repeated = [text for text in corpus if module.eval().repeats(text)]
    assert repeated == often
    audit = audit_of(monitor.folder)
    assert monitors_of(audit)["generation"]["status"] == "ran"
    shares = [metric for metric in audit["metrics"] if metric["name"] == "memorisation.verbatim_share"]
    share, chance = sorted(shares, key=lambda metric: len(metric["labels"]))
    assert (share["value"], share["n"], share["quality"]) == (len(repeated) / len(corpus), 200, "measured")
    assert 0 < share["low"] < 0.05 < share["high"] < 0.1
    assert (chance["value"], chance["labels"]) == (0, {"texts": "held out"})
    examples = Record.open(monitor.folder or "").events("repeated")
    assert len(examples) == 10
    assert {text for text in corpus for each in examples if text.startswith(each["prefix"])} == set(often)
