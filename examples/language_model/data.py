"""Real English that every machine with Python has: the language reference behind `help()`."""

from __future__ import annotations

from pydoc_data.topics import topics

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

HELD_OUT = 10  # every tenth paragraph is for validation


def paragraphs() -> list[str]:
    """Return the reference's paragraphs, each once.

    Topics quote each other ("compound" holds all of "for"): without the `dict`, what is held out
    would also be trained on.
    """
    text = "\n\n".join(topics[name] for name in sorted(topics))
    return list(dict.fromkeys(text.split("\n\n")))


def to_tokens(parts: list[str], limit: int) -> Tensor:
    """Return the first `limit` bytes of `parts` as int64 tokens."""
    text = "\n\n".join(parts).encode()[:limit]
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Pieces of a text, each with the same piece one byte later: what to predict."""

    def __init__(self, tokens: Tensor, *, context: int, stride: int) -> None:
        self.tokens, self.context = tokens, context
        self.starts = range(0, len(tokens) - context, stride)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        start = self.starts[index]
        piece = self.tokens[start : start + self.context + 1]
        return piece[:-1], piece[1:]


class Reference(L.LightningDataModule):
    """Windows of the language reference.

    Args:
        context: Bytes in a window.
        batch_size: Windows in a batch.
        train_bytes: How much text to train on.
        val_bytes: How much text to validate on.
    """

    def __init__(
        self, *, context: int = 64, batch_size: int = 32, train_bytes: int = 64_000, val_bytes: int = 16_000
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        parts = paragraphs()
        held_out = parts[::HELD_OUT]
        seen = [part for index, part in enumerate(parts) if index % HELD_OUT]
        self.train_tokens = to_tokens(seen, train_bytes)
        self.val_tokens = to_tokens(held_out, val_bytes)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return shuffled windows that start at every byte."""
        windows = Windows(self.train_tokens, context=self.hparams.context, stride=1)
        return DataLoader(windows, batch_size=self.hparams.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return windows that do not overlap, so that they count as separate examples."""
        windows = Windows(self.val_tokens, context=self.hparams.context, stride=self.hparams.context)
        return DataLoader(windows, batch_size=2 * self.hparams.batch_size)
