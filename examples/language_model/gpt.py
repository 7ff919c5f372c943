"""A small GPT that reads and writes bytes, as one LightningModule."""

from __future__ import annotations

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

VOCABULARY = 256  # every byte is a token: no tokenizer to train, none to lose


def rotate(x: Tensor) -> Tensor:
    """Turn pairs of the last dimension by angles that grow with the position (RoPE, arXiv:2104.09864).

    The product of two turned vectors then depends on how far apart they stand, not on where:
    the model needs no table of positions.

    Args:
        x: Queries or keys, shape (..., time, size), `size` even.
    """
    time, size = x.shape[-2:]
    speeds = 1000.0 ** -torch.arange(0, 1, 2 / size, device=x.device)
    angles = torch.outer(torch.arange(time, device=x.device), speeds)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), dim=-1)


class Attention(nn.Module):
    """Causal self-attention with several heads: each position looks at itself and to its left."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (batch, time, width), over time."""
        batch, time, width = x.shape
        split = self.qkv(x).view(batch, time, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        share = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(rotate(q), rotate(k), v, dropout_p=share, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, time, width))


class Block(nn.Module):
    """Attention, then a two-layer perceptron; each reads a normalised copy and adds to the stream."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, shape (batch, time, width), with what both layers have to add."""
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.perceptron(self.norm2(x)))


class GPT(L.LightningModule):
    """A decoder-only transformer over bytes, by default with a million parameters.

    Args:
        context: Bytes that the model looks at when it writes.
        width: Size of each position's vector.
        depth: Number of blocks.
        heads: Attention heads of a block; divides `width`.
        dropout: Share of activations zeroed in training.
        lr: Learning rate of AdamW.
        weight_decay: AdamW's decay of matrices; biases and gains are left alone.
    """

    def __init__(
        self,
        *,
        context: int = 64,
        width: int = 192,
        depth: int = 2,
        heads: int = 6,
        dropout: float = 0.0,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (batch, time, 256) of the byte that follows each of `tokens` (batch, time)."""
        return self.head(self.norm(self.blocks(self.drop(self.tokens(tokens)))))

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean cross-entropy in nats a byte."""
        tokens, targets = batch
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss to differentiate."""
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return and log the loss on held-out text."""
        loss = self.loss(batch)
        self.log("val_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW that decays matrices only."""
        matrices = [p for p in self.parameters() if p.ndim >= 2]
        vectors = [p for p in self.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": self.hparams.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.hparams.lr, betas=(0.9, 0.99))

    @torch.no_grad()
    def generate(self, prompts: list[str], *, length: int = 80) -> list[str]:
        """Return a continuation of `length` bytes for each prompt, sampled at temperature 1."""
        return [self._continue(prompt, length) for prompt in prompts]

    def _continue(self, prompt: str, length: int) -> str:
        text = list(prompt.encode()) or [ord("\n")]
        for _ in range(length):
            seen = torch.tensor([text[-self.hparams.context :]], device=self.device)
            odds = self(seen)[0, -1].softmax(dim=-1)
            text.append(int(torch.multinomial(odds, 1)))
        return bytes(text[-length:]).decode(errors="replace")
