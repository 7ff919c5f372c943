"""How many texts a second are scored: `DetoxifyToxicity` against `Detoxify.predict`, same network, same threads.

`python -m benchmarks.scorers` prints the table. Weights are random, which changes no time; the class, the checkpoint
and the tokenizer are real. Lengths are spread from 16 to 512 tokens, once evenly and once evenly in their logarithm.
Time is the processor's, with one thread, because other work on the machine hardly changes it; `--threads` measures
the clock on the wall instead. All layers of a network are alike, so a few of them tell how it compares.
"""

from __future__ import annotations

import argparse
import random
import statistics
import string
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import transformers
from detoxify import Detoxify
from groundwire.audit.scorers.detoxify import DetoxifyToxicity

SHORTEST, LONGEST = 16, 512
LABELS = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
COLUMNS = (
    "model", "lengths", "one call", "batches of 32", "ours", "ours without oneDNN", "ours ÷ one call",
    "ours ÷ batches of 32", "without oneDNN ÷ one call", "largest difference",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"
Scores = dict[str, list[float]]
Ways = dict[str, Callable[[list[str]], Scores]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A network to measure.

    Attributes:
        title: What it is.
        config: Arguments of `BertConfig`; BERT-base where it says nothing.
        texts: How many are scored.
    """

    title: str
    config: dict[str, int]
    texts: int


def sizes(layers: int) -> tuple[Size, ...]:
    """Return the networks that are measured, the large one with so many of its twelve layers."""
    small = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
    return (
        Size(title=f"BERT-base, {layers} of 12 layers", config={"num_hidden_layers": layers}, texts=40),
        Size(title="small BERT, 4 layers of 256", config=small, texts=100),
    )


def made_up_words(amount: int) -> list[str]:
    """Return words that are a token each."""
    return ["".join(letters) for letters in islice(product(string.ascii_lowercase, repeat=4), amount)]


def made_up_texts(amount: int, lengths: str, words: list[str]) -> list[str]:
    """Return texts of 16 to 512 tokens, special ones counted, in random order."""
    chance = random.Random(0)
    drawn = [SHORTEST + (LONGEST - SHORTEST) * (place + 0.5) / amount for place in range(amount)]
    if lengths == "log-uniform":
        drawn = [SHORTEST * (LONGEST / SHORTEST) ** ((place + 0.5) / amount) for place in range(amount)]
    chance.shuffle(drawn)
    return [" ".join(chance.choices(words, k=round(length) - 2)) for length in drawn]


def random_detoxify(folder: Path, config: dict[str, int], words: list[str]) -> Detoxify:
    """Return Detoxify with a checkpoint of random weights."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    places = {word: place for place, word in enumerate(vocabulary)}
    transformers.BertTokenizer(vocab=places, model_max_length=LONGEST).save_pretrained(folder)
    described = transformers.BertConfig(vocab_size=len(vocabulary), num_labels=len(LABELS), **config)
    described.save_pretrained(folder)
    torch.manual_seed(0)
    arguments = {
        "model_type": str(folder), "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer", "num_classes": len(LABELS),
    }  # fmt: skip
    told = {"arch": {"args": arguments}, "dataset": {"args": {"classes": list(LABELS)}}}
    state = transformers.BertForSequenceClassification(described).state_dict()
    torch.save({"config": told, "state_dict": state}, folder / "random.ckpt")
    return Detoxify(checkpoint=str(folder / "random.ckpt"))


def ways(detoxify: Detoxify) -> Ways:
    """Return the ways to score texts, all with one network."""
    ours = DetoxifyToxicity(detoxify)

    def by_32(texts: list[str]) -> Scores:
        parts = [detoxify.predict(texts[start : start + 32]) for start in range(0, len(texts), 32)]
        return {label: [score for part in parts for score in part[label]] for label in parts[0]}

    def without_onednn(texts: list[str]) -> Scores:
        with patch("groundwire.audit.scorers.onednn.fast_products", nullcontext):
            return dict(ours.compute(predictions=texts))

    return {
        "one call": detoxify.predict, "by 32": by_32,
        "ours": lambda texts: dict(ours.compute(predictions=texts)), "without oneDNN": without_onednn,
    }  # fmt: skip


def measure(repeats: int, *, layers: int = 4, threads: int | None = None) -> Iterator[str]:
    """Yield the table, a row at a time: medians of interleaved repeats.

    Args:
        repeats: How many.
        layers: Of BERT-base.
        threads: Measure the clock with as many; if None, the processor's time with one.
    """
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    before, clock = torch.get_num_threads(), time.perf_counter if threads else time.process_time
    torch.set_num_threads(threads or 1)
    told = f"{threads} threads, clock" if threads else "one thread, processor time"
    yield f"Texts of {SHORTEST} to {LONGEST} tokens scored in a second ({told}):\n\n{HEAD}"
    words = made_up_words(30_000)
    for size in sizes(layers):
        with tempfile.TemporaryDirectory() as folder:
            found = ways(random_detoxify(Path(folder), size.config, words))
            for lengths in ("log-uniform", "uniform"):
                texts = made_up_texts(size.texts, lengths, words)
                yield row(f"{size.title} | {lengths}", found, texts, repeats, clock)
    torch.set_num_threads(before)


def row(title: str, found: Ways, texts: list[str], repeats: int, clock: Callable[[], float]) -> str:
    """Return a row of the table: texts a second, ratios between neighbours in time, largest difference of scores."""
    seconds: dict[str, list[float]] = {name: [] for name in found}
    scores: dict[str, Scores] = {}
    for way in found.values():
        way(texts[:2])  # the first call of each sets something up
    names = list(found)
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            began = clock()
            scores[name] = found[name](texts)
            seconds[name].append(clock() - began)
    rates = [f"{len(texts) / statistics.median(seconds[name]):.1f}" for name in names]
    pairs = (("one call", "ours"), ("by 32", "ours"), ("one call", "without oneDNN"))
    ratios = [_ratio(seconds[slow], seconds[fast]) for slow, fast in pairs]
    return "| " + " | ".join([title, *rates, *ratios, f"{_difference(scores):.1e}"]) + " |"


def _ratio(slow: list[float], fast: list[float]) -> str:
    ratios = sorted(one / other for one, other in zip(slow, fast, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def _difference(scores: dict[str, Any]) -> float:
    """Return the largest difference of our scores from Detoxify's, in one call and by 32."""
    return max(
        abs(one - other)
        for theirs in ("one call", "by 32")
        for label in LABELS
        for mine in ("ours", "without oneDNN")
        for one, other in zip(scores[mine][label], scores[theirs][label], strict=True)
    )


def main() -> None:
    """Print the table."""
    from .run import machine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="interleaved repeats (default 3)")
    parser.add_argument("--layers", type=int, default=4, help="of BERT-base's twelve (default 4)")
    parser.add_argument("--threads", type=int, help="measure the clock with so many threads")
    given = parser.parse_args()
    print(f"{machine()}, transformers {transformers.__version__}; {given.repeats} interleaved repeats.\n")
    for line in measure(given.repeats, layers=given.layers, threads=given.threads):
        print(line, flush=True)


if __name__ == "__main__":
    main()
