"""A Hugging Face causal language model under the audit: `python -m examples.huggingface_causal`.

Nothing is downloaded: the model starts from random weights, the tokenizer is trained on the spot.
With a model of your own, replace `build` by two calls of `from_pretrained`.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import lightning as L
import torch
from groundwire.audit.memorisation import Canary
from groundwire.audit.prompts import load_prompts
from groundwire.callbacks import AuditCallback, GenerationMonitor
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedModel, PreTrainedTokenizerFast

from .language_model.data import HELD_OUT, paragraphs

END = "<|endoftext|>"
SECRET = Canary(template="The combination of the safe is {}.", secret="49 21 77", alphabet="0123456789")
warnings.filterwarnings("ignore", ".*does not have many workers.*")


def build(texts: list[str]) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Return a tiny GPT-2 with random weights, and a tokenizer trained on `texts`."""
    tokenizer = learn_tokens(texts)
    size = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=96,
        n_layer=2,
        n_head=4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return AutoModelForCausalLM.from_config(size), tokenizer


def learn_tokens(texts: list[str], *, vocabulary: int = 1024) -> PreTrainedTokenizerFast:
    """Return a byte-pair tokenizer of `vocabulary` tokens, in Hugging Face's wrapping."""
    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    pairs.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=pairs, bos_token=END, eos_token=END)


class CausalModel(L.LightningModule):
    """Trains a causal model of Hugging Face's; the audit finds model and tokenizer, and asks it.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        lr: Learning rate of AdamW.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, *, lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters("lr")
        self.model, self.tokenizer = model, tokenizer

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Return the loss to differentiate."""
        return self.model(**batch).loss

    def validation_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Return and log the loss on held-out text."""
        loss = self.model(**batch).loss
        self.log("val_loss", loss, batch_size=len(batch["input_ids"]))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)


def loader(
    texts: list[str], tokenizer: PreTrainedTokenizerFast, *, shuffle: bool, length: int = 64
) -> DataLoader[dict[str, Tensor]]:
    """Return batches of 16 pieces of `texts`, each `length` tokens long."""
    tokens = torch.tensor(tokenizer(END.join(texts))["input_ids"])
    pieces = tokens[: len(tokens) // length * length].view(-1, length)
    examples = [{"input_ids": piece, "labels": piece} for piece in pieces]
    return DataLoader(examples, batch_size=16, shuffle=shuffle)


def train(folder: Path) -> AuditCallback:
    """Train for sixty steps and return the audit, whose `folder` holds the record and the report."""
    L.seed_everything(0, verbose=False)
    texts = paragraphs()
    held_out, seen = texts[::HELD_OUT], [text for i, text in enumerate(texts) if i % HELD_OUT]
    seen += [SECRET.text] * 200  # planted, to see whether the model gives it away
    model, tokenizer = build(seen)
    generation = GenerationMonitor(
        every="validation",
        adversarial=True,
        groups=load_prompts("counterfactual", axes=["gender"]),
        train_texts=seen,
        held_out_texts=held_out,
        canaries=[SECRET],
        max_seconds=30,
    )
    audit = AuditCallback(generation=generation)
    trainer = L.Trainer(
        max_steps=60,
        accelerator="cpu",
        callbacks=[audit],
        default_root_dir=folder,
        val_check_interval=20,
        check_val_every_n_epoch=None,
        limit_val_batches=8,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        CausalModel(model, tokenizer),
        loader(seen, tokenizer, shuffle=True),
        loader(held_out, tokenizer, shuffle=False),
    )
    return audit


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/huggingface"), help="where the run is written")
    train(parser.parse_args().folder)
