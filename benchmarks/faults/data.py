"""Small real data that needs no network: what comes with scikit-learn and Python, and one recurrent task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from sklearn import datasets
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from examples.language_model.data import HELD_OUT, paragraphs, to_tokens

Pair = tuple[Tensor, Tensor]

CONTEXT = 16  # characters that the language model sees
TERMS = 8  # length of the sequences of the adding problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Inputs and targets, the first dimension counting examples.

    Attributes:
        train: What is trained on.
        val: What is held out.
        classes: Number of classes; 1 where a number is predicted.
    """

    train: Pair
    val: Pair
    classes: int

    @property
    def features(self) -> int:
        """Size of an example's last dimension."""
        return self.train[0].shape[-1]


class Examples(Dataset[Pair]):
    """Tensors of which a whole batch is taken at once: eight times faster than collating examples."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __len__(self) -> int:
        return len(self.pair[0])

    def __getitem__(self, index: int) -> Pair:
        return self.pair[0][index], self.pair[1][index]

    def __getitems__(self, indices: Sequence[int]) -> Pair:
        chosen = torch.tensor(indices)
        return self.pair[0][chosen], self.pair[1][chosen]


def _as_it_is(batch: Pair) -> Pair:
    return batch


def loader(pair: Pair, batch_size: int, *, shuffle: bool = False, drop_last: bool = False) -> DataLoader[Pair]:
    """Return a loader of batches of `pair`."""
    return DataLoader(Examples(pair), batch_size, shuffle=shuffle, drop_last=drop_last, collate_fn=_as_it_is)


@cache
def load(name: str, *, scaled: bool = True) -> Data:
    """Return a data set by name; not `scaled`, it keeps the units in which it was published."""
    return SETS[name](scaled)


def _split(inputs: Tensor, targets: Tensor, classes: int) -> Data:
    """Return three quarters to train on, the same ones each time."""
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    seen, held_out = order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]
    return Data(train=(inputs[seen], targets[seen]), val=(inputs[held_out], targets[held_out]), classes=classes)


def standardised(values: Tensor) -> Tensor:
    """Return columns with mean 0 and standard deviation 1."""
    return (values - values.mean(dim=0)) / values.std(dim=0).clamp_min(1e-6)


def _table(bunch: Any, scaled: bool) -> tuple[Tensor, Tensor]:
    inputs = torch.tensor(bunch.data, dtype=torch.float32)
    return (standardised(inputs) if scaled else inputs), torch.tensor(bunch.target)


def _digits(scaled: bool) -> Data:
    """Return 1,797 images of 8 × 8 pixels in a row of 64; not scaled, as bytes from 0 to 255."""
    inputs, targets = _table(datasets.load_digits(), scaled=False)
    images = (inputs - inputs.mean()) / inputs.std() if scaled else inputs * 255 / 16
    return _split(images, targets, classes=10)


def _cancer(scaled: bool) -> Data:
    """Return 569 tumours with 30 features; not scaled, from 0.001 to 4,254."""
    return _split(*_table(datasets.load_breast_cancer(), scaled), classes=2)


def _diabetes(scaled: bool) -> Data:
    """Return 442 patients with 10 features and the progression of their disease, standardised."""
    inputs, targets = _table(datasets.load_diabetes(scaled=False), scaled)
    return _split(inputs, standardised(targets.float()[:, None]), classes=1)


def _text(_: bool) -> Data:
    """Return pieces of the language reference, and the same one byte later; held out are other paragraphs."""
    parts = paragraphs()
    seen = to_tokens([part for index, part in enumerate(parts) if index % HELD_OUT], 60_000)
    train, val = (t.unfold(0, CONTEXT + 1, CONTEXT // 2) for t in (seen, to_tokens(parts[::HELD_OUT], 6_000)))
    return Data(train=(train[:, :-1], train[:, 1:]), val=(val[:, :-1], val[:, 1:]), classes=256)


def _adding(scaled: bool) -> Data:
    """Return sequences of random numbers of which two are marked; the target is their sum, standardised.

    Hochreiter and Schmidhuber 1997, Long Short-Term Memory, experiment 4.
    """
    draw = torch.Generator().manual_seed(0)
    values = torch.rand(4000, TERMS, generator=draw)
    first, second = torch.rand(4000, TERMS, generator=draw).topk(2, dim=1).indices.unbind(dim=1)
    marks = torch.zeros(4000, TERMS).scatter_(1, torch.stack([first, second], dim=1), 1.0)
    targets = (values * marks).sum(dim=1, keepdim=True)
    values = (values - 0.5) * 12**0.5 if scaled else 100 * values
    return _split(torch.stack([values, marks], dim=2), standardised(targets), classes=1)


SETS: dict[str, Callable[[bool], Data]] = {
    "digits": _digits,
    "cancer": _cancer,
    "diabetes": _diabetes,
    "text": _text,
    "adding": _adding,
}
