"""Three models whose operations are known by arithmetic, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset


class Plain(L.LightningModule):
    """A classifier around any network."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the cross-entropy of logits [batch, ..., classes]."""
        return functional.cross_entropy(self.net(batch[0]).flatten(0, -2), batch[1].flatten())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return a plain optimizer."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


class Attention(nn.Module):
    """Causal self-attention by the fused kernel, over [batch, length, width]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, length, width]."""
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A layer of a transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.wide = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, length, width]."""
        x = x + self.attention(x)
        return x + self.wide(x)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A model with the operations of a training step.

    Attributes:
        name: What it is.
        make: Returns it, untrained.
        batch: Returns inputs and labels of `size` examples.
        flop: Returns the operations of a batch of `size` examples, forward and backward.
    """

    name: str
    make: Callable[[], L.LightningModule]
    batch: Callable[[int], tuple[Tensor, Tensor]]
    flop: Callable[[int], float]

    def loader(self, *, batches: int, size: int) -> DataLoader[Any]:
        """Return a loader of batches of one size."""
        return DataLoader(TensorDataset(*self.batch(batches * size)), batch_size=size)


WIDTHS = (784, 512, 256, 10)


def mlp_flop(size: int) -> float:
    """Return 2·B·Σ(in · out) for each of: forward, gradient of weights, gradient of inputs but for the first."""
    products = [2.0 * size * one * other for one, other in pairwise(WIDTHS)]
    return 3 * sum(products) - products[0]


def cnn_flop(size: int) -> float:
    """Return 2·B·out·in·k²·H·W a convolution, 3 → 16 at 30², 16 in 4 groups → 32 at 14²; and the head 32·10."""
    first = 2.0 * size * 16 * 3 * 9 * 30 * 30
    second = 2.0 * size * 32 * (16 / 4) * 9 * 14 * 14
    return 2 * first + 3 * second + 3 * 2.0 * size * 32 * 10


LAYERS, WIDTH, HEADS, LENGTH, VOCABULARY = 2, 64, 4, 48, 200


def transformer_flop(size: int) -> float:
    """Return three times: 2 · (12·L·d² + d·V) a token, and 4·T·d a token and layer for attention, mask or not."""
    tokens = size * LENGTH
    return 3.0 * tokens * (2 * (12 * LAYERS * WIDTH**2 + WIDTH * VOCABULARY) + 4 * LAYERS * LENGTH * WIDTH)


def _mlp() -> L.LightningModule:
    layers = [nn.Sequential(nn.Linear(one, other), nn.ReLU()) for one, other in pairwise(WIDTHS)]
    return Plain(nn.Sequential(*layers))


def _cnn() -> L.LightningModule:
    convolutions = [nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, groups=4), nn.ReLU()]
    return Plain(nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)))


def _transformer() -> L.LightningModule:
    blocks = [Block(WIDTH, HEADS) for _ in range(LAYERS)]
    return Plain(nn.Sequential(nn.Embedding(VOCABULARY, WIDTH), *blocks, nn.Linear(WIDTH, VOCABULARY)))


def _labelled(inputs: Tensor) -> tuple[Tensor, Tensor]:
    return inputs, torch.randint(0, 10, (len(inputs),))


def _text(size: int) -> tuple[Tensor, Tensor]:
    tokens = torch.randint(0, VOCABULARY, (size, LENGTH + 1))
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


KNOWN = (
    Known(
        name="MLP 784-512-256-10",
        make=_mlp,
        batch=lambda size: _labelled(torch.randn(size, WIDTHS[0])),
        flop=mlp_flop,
    ),
    Known(
        name="CNN, one layer in groups",
        make=_cnn,
        batch=lambda size: _labelled(torch.randn(size, 3, 32, 32)),
        flop=cnn_flop,
    ),
    Known(name="transformer, fused attention", make=_transformer, batch=_text, flop=transformer_flop),
)
