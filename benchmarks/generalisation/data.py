"""Small data whose truth is known: each set is drawn by a seed, with a test set that is much larger than the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn import datasets
from torch import Tensor

from examples.language_model.data import paragraphs, to_tokens

from ..faults.data import Pair, standardised

TEST = 2000  # examples, or what a real data set has left
CONTEXT = 16  # bytes that the language model sees
MODULUS = 23
WORDS, LENGTH = 400, 12  # of a vocabulary and of a document
USERS, ITEMS = 60, 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Inputs and targets, the first dimension counting examples.

    Attributes:
        train: What is trained on.
        val: What the run validates on.
        test: What tells the truth about it; the run never sees it.
        classes: Number of classes; 1 where a number is predicted.
    """

    train: Pair
    val: Pair
    test: Pair
    classes: int


Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor, int]]


def load(name: str, seed: int, *, train: int, val: int, noise: float) -> Data:
    """Return a data set drawn by a seed.

    Args:
        name: One of `SETS`.
        seed: Decides the task as well as the examples.
        train: Examples to train on.
        val: Examples to validate on.
        noise: Share of labels that are drawn anew, or standard deviation that is added to numbers; in all parts.
    """
    draw = torch.Generator().manual_seed(seed)
    inputs, targets, classes = SETS[name](train + val + TEST, draw)
    targets = _noisy(targets, classes, noise, draw)
    order = torch.arange(len(inputs)) if name == "text" else torch.randperm(len(inputs), generator=draw)
    parts = (order[:train], order[train : train + val], order[train + val :])
    seen, held_out, rest = ((inputs[part], targets[part]) for part in parts)
    return Data(train=seen, val=held_out, test=rest, classes=classes)


def _noisy(targets: Tensor, classes: int, noise: float, draw: torch.Generator) -> Tensor:
    if classes == 1:
        return targets + noise * torch.randn(targets.shape, generator=draw)
    anew = torch.randint(classes, targets.shape, generator=draw)
    return torch.where(torch.rand(targets.shape, generator=draw) < noise, anew, targets)


def _digits(_: int, _draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """1,797 real images of 8 × 8 pixels."""
    found = datasets.load_digits()
    images = torch.tensor(found.data, dtype=torch.float32)
    return (images - images.mean()) / images.std(), torch.tensor(found.target), 10


def _teacher(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Twenty features, and the largest of four outputs of a random network with one hidden layer."""
    inputs = torch.randn(count, 20, generator=draw)
    hidden = torch.tanh(inputs @ torch.randn(20, 12, generator=draw) / 3)
    return inputs, (hidden @ torch.randn(12, 4, generator=draw)).argmax(dim=1), 4


def _numbers(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Eight features and a smooth number."""
    inputs = torch.randn(count, 8, generator=draw)
    hidden = torch.tanh(inputs @ torch.randn(8, 12, generator=draw) / 2)
    return inputs, standardised(hidden @ torch.randn(12, 1, generator=draw)), 1


def _wide(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Two hundred features of which five decide between two classes, not always."""
    inputs = torch.randn(count, 200, generator=draw)
    sure = torch.sigmoid(2 * inputs[:, :5].sum(dim=1))
    return inputs, (torch.rand(count, generator=draw) < sure).long(), 2


def _images(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Noisy images of 8 × 8 pixels with one of five small patterns, wrapped around to anywhere."""
    patterns = torch.randn(5, 8, 8, generator=draw) * (torch.arange(64).view(8, 8) % 8 < 4)
    targets = torch.randint(5, (count,), generator=draw)
    shifts = torch.randint(0, 3, (count, 2), generator=draw).tolist()
    moved = [patterns[kind].roll(shift, dims=(0, 1)) for kind, shift in zip(targets.tolist(), shifts, strict=True)]
    return (torch.stack(moved) + 1.2 * torch.randn(count, 8, 8, generator=draw)).flatten(1), targets, 5


def _text(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Pieces of real text (Python's language reference) from a place of the seed's, and the same one byte later."""
    parts = paragraphs()
    first = int(torch.randint(len(parts), (1,), generator=draw))
    tokens = to_tokens(parts[first:] + parts[:first], count * CONTEXT + 1)
    pieces = tokens.unfold(0, CONTEXT + 1, CONTEXT)[:count]
    return pieces[:, :-1], pieces[:, 1:], 256


def _documents(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Documents of a dozen words, of two classes to which each word has a leaning."""
    often = 1 / torch.arange(1, WORDS + 1)
    words = torch.multinomial(often.expand(count, -1), LENGTH, replacement=True, generator=draw)
    leaning = torch.randn(WORDS, generator=draw)
    sure = torch.sigmoid(leaning[words].sum(dim=1))
    return words, (torch.rand(count, generator=draw) < sure).long(), 2


def _sequences(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Sequences of eight pairs of numbers and the sum of the products of each pair's."""
    inputs = torch.randn(count, 8, 2, generator=draw)
    return inputs, standardised(inputs.prod(dim=2).sum(dim=1, keepdim=True)), 1


def _ratings(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """What users think of items: two tastes of each, and chance."""
    pairs = torch.stack([torch.randint(size, (count,), generator=draw) for size in (USERS, ITEMS)], dim=1)
    users, items = (torch.randn(size, 2, generator=draw) for size in (USERS, ITEMS))
    return pairs, (users[pairs[:, 0]] * items[pairs[:, 1]]).sum(dim=1, keepdim=True), 1


def _modular(_: int, _draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """All sums of two numbers modulo 23."""
    first, second = torch.meshgrid(torch.arange(MODULUS), torch.arange(MODULUS), indexing="ij")
    pairs = torch.stack([first.flatten(), second.flatten()], dim=1)
    return pairs, pairs.sum(dim=1) % MODULUS, MODULUS


def _scales(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Features of three scales: the large and the small ones tell of the number, those between do not.

    A linear model learns them one after the other, so its error falls, rises and falls again (Heckel and Yilmaz 2020,
    Early Stopping in Deep Networks: Double Descent and How to Eliminate it, arXiv:2007.10099).
    """
    groups = ((20, 0.6, 1 / 0.6), (150, 0.22, 0.0), (30, 0.05, 0.8 / 0.05))  # features, scale, weight of each
    inputs = [scale * torch.randn(count, size, generator=draw) for size, scale, _ in groups]
    signal = [part @ torch.randn(part.shape[1], 1, generator=draw) * weight
              for part, (_, _, weight) in zip(inputs, groups, strict=True)]  # fmt: skip
    return torch.cat(inputs, dim=1), sum(signal) / math.sqrt(20), 1


SETS: dict[str, Draw] = {
    "digits": _digits,
    "teacher": _teacher,
    "numbers": _numbers,
    "wide": _wide,
    "images": _images,
    "text": _text,
    "documents": _documents,
    "sequences": _sequences,
    "ratings": _ratings,
    "modular": _modular,
    "scales": _scales,
}
