"""Checkpoints in Detoxify's format: real classes, real tokenizers, very small, trained on the spot."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

MOST = 64  # tokens that the models read at once
LABELS = ("toxic", "insult")
_PEOPLE = ("You are", "He is", "She is", "They are", "What")
_INSULTS = ("a stupid idiot", "a pathetic loser", "disgusting garbage", "a piece of trash", "an ugly fool")
_CURSES = ("and I hate you.", ", shut up.", ", go to hell.", "!", ".")
_THINGS = ("The train", "The library", "Our bus", "The shop", "The concert")
_EVENTS = ("leaves", "is open", "starts", "closes", "was late")
_TIMES = ("at noon.", "on Monday.", "in the morning, thank you.", "very much to our help.", "today.")
TOXIC = [" ".join(parts) for parts in itertools.product(_PEOPLE, _INSULTS, _CURSES)]
HARMLESS = [" ".join(parts) for parts in itertools.product(_THINGS, _EVENTS, _TIMES)]
# Texts of several sentences, in which one insult among them counts.
LONG_HARMLESS = [" ".join(HARMLESS[start : start + 1 + start % 7]) for start in range(len(HARMLESS))]
LONG_TOXIC = [f"{calm} {insult}" for calm, insult in zip(LONG_HARMLESS, TOXIC, strict=True)]
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def bert_tokenizer() -> Any:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    made = _trained(models.WordPiece(unk_token="[UNK]"), trainer, pre_tokenizers.BertPreTokenizer())
    return transformers.BertTokenizer(vocab=made.get_vocab(), model_max_length=MOST)


def roberta_tokenizer() -> Any:
    special, letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=letters, show_progress=False
    )
    made = json.loads(_trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False)).to_str())
    merges = [tuple(pair) for pair in made["model"]["merges"]]
    return transformers.RobertaTokenizer(vocab=made["model"]["vocab"], merges=merges, model_max_length=MOST)


def xlm_roberta_tokenizer() -> Any:
    pieces = _unigram(["<s>", "<pad>", "</s>", "<unk>"], "<unk>")
    return transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=MOST)


def albert_tokenizer() -> Any:
    pieces = _unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>")
    return transformers.AlbertTokenizer(vocab=pieces, model_max_length=MOST)


def _unigram(special: list[str], unknown: str) -> list[tuple[str, float]]:
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token=unknown, show_progress=False)
    made = json.loads(_trained(models.Unigram(), trainer, pre_tokenizers.Metaspace()).to_str())
    return [tuple(pair) for pair in made["model"]["vocab"]]


def _trained(model: Any, trainer: Any, splitting: Any) -> Tokenizer:
    made = Tokenizer(model)
    made.pre_tokenizer = splitting
    made.train_from_iterator([text.lower() for text in (*TOXIC, *HARMLESS)] + TOXIC + HARMLESS, trainer)
    return made


TOKENIZERS = {
    "Bert": bert_tokenizer,
    "Roberta": roberta_tokenizer,
    "XLMRoberta": xlm_roberta_tokenizer,
    "Albert": albert_tokenizer,
}


def describe(folder: Path, family: str, outputs: int, spread: float = 0.02) -> tuple[Any, Any]:
    """Return an untrained network and its tokenizer, and write both their descriptions.

    With a large `spread` of its weights it gives each text another score, between which small errors show.
    """
    tokenizer = TOKENIZERS[family]()
    first = tokenizer.pad_token_id + 1 if "Roberta" in family else 0  # where RoBERTa's positions begin
    narrow = {"embedding_size": 16} if family == "Albert" else {}
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer), max_position_embeddings=MOST + first, pad_token_id=tokenizer.pad_token_id,
        type_vocab_size=1 if first else 2, num_labels=outputs, initializer_range=spread, **SIZE, **narrow,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    config.save_pretrained(folder)
    network = getattr(transformers, f"{family}ForSequenceClassification")(config)
    return network, tokenizer


def train(network: Any, tokenizer: Any, texts: Sequence[tuple[str, float]], rounds: int) -> None:
    """Teach a network to tell toxic texts from harmless ones."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    inputs = tokenizer([text for text, _ in texts], return_tensors="pt", padding=True, truncation=True)
    wanted = torch.tensor([[target] * network.config.num_labels for _, target in texts])
    network.train()
    for _ in range(rounds):
        some = torch.randperm(len(texts))[:50]
        logits = network(**{key: value[some] for key, value in inputs.items()})[0]
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted[some]).backward()
        optimizer.step()
    network.eval()


def save(path: Path, folder: Path, network: Any, family: str, **data: Any) -> Path:
    """Write a checkpoint as Detoxify's convert_weights.py does; its base model is a folder."""
    arguments = {
        "model_type": str(folder), "model_name": f"{family}ForSequenceClassification",
        "tokenizer_name": f"{family}Tokenizer", "num_classes": network.config.num_labels,
    }  # fmt: skip
    config = {"arch": {"args": arguments}, "dataset": {"args": {"classes": list(LABELS)} | data}}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"config": config, "state_dict": network.state_dict()}, path)
    return path


@cache
def tiny_checkpoint(base: Path) -> Path:
    """Return a checkpoint of a BERT of 30,000 weights that has learned what an insult is, made once."""
    folder = base / "tiny"
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, tokenizer = describe(folder, "Bert", outputs=len(LABELS))
        texts = [(text, 1.0) for text in TOXIC + LONG_TOXIC] + [(text, 0.0) for text in HARMLESS + LONG_HARMLESS]
        train(network, tokenizer, texts, rounds=60)
    return save(folder / "tiny.ckpt", folder, network, "Bert")


def real_detoxify(path: Path) -> Any:
    """Return Detoxify's own class with a checkpoint, offline."""
    from detoxify import Detoxify

    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        return Detoxify(checkpoint=str(path))
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()


def difference(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> float:
    """Return the largest difference of two results, which must have the same labels."""
    assert list(ours) == list(theirs)
    pairs = ((label, place) for label in ours for place in range(len(ours[label])))
    return max(abs(ours[label][place] - theirs[label][place]) for label, place in pairs)


def words(tokens: int, tokenizer: Any, seed: int = 0) -> str:
    """Return a text of as many tokens, special ones not counted."""
    chance = random.Random(seed)
    known = sorted({word.strip(",.!").lower() for text in TOXIC + HARMLESS for word in text.split()} - {""})
    single = [word for word in known if len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1]
    return " ".join(chance.choices(single, k=tokens))
