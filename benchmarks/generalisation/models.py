"""The model of a setup, as a module of Lightning."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from examples.language_model.gpt import Block

from ..faults.data import Pair
from ..faults.layers import perceptron
from .data import ITEMS, MODULUS, USERS, WORDS, Data
from .setups import Setup

TOLD = ("dropout", "width", "depth")  # in the record


class Small(L.LightningModule):
    """A small network, its loss and its optimizer."""

    def __init__(self, setup: Setup, data: Data) -> None:
        super().__init__()
        self.setup_, self.classes = setup, data.classes
        self.hparams.update({name: getattr(setup, name) for name in TOLD})
        outputs = 2 if setup.uncertain else data.classes
        self.net = network(setup, data.train[0].shape[-1], outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one row of outputs for each example."""
        return self.net(inputs)

    def losses(self, batch: Pair, *, smoothing: float = 0.0) -> Tensor:
        """Return the loss of each example, shape [batch]."""
        inputs, targets = batch
        outputs = self(inputs)
        if self.setup_.uncertain:
            mean, log_variance = outputs.split(1, dim=1)
            likelihood = ((targets - mean) ** 2 * (-log_variance).exp() + log_variance + math.log(2 * math.pi)) / 2
            return likelihood.flatten()
        if self.classes == 1:
            return ((outputs - targets) ** 2).flatten()
        flat = F.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none", label_smoothing=smoothing)
        return flat.view(len(targets), -1).mean(dim=1)

    def training_step(self, batch: Pair, _: int) -> Tensor:
        """Return the loss to differentiate, of inputs with noise where there is augmentation."""
        inputs, targets = batch
        if self.setup_.augment:
            inputs = inputs + self.setup_.augment * torch.randn_like(inputs)
        return self.losses((inputs, targets), smoothing=self.setup_.smoothing).mean()

    def validation_step(self, batch: Pair, _: int) -> Any:
        """Return and log the loss of what is held out."""
        losses = self.losses(batch)
        self.log("val_loss", losses.mean())
        return {"loss": losses.mean(), "losses": losses} if self.setup_.per_example else losses.mean()

    def configure_optimizers(self) -> Any:
        """Return the setup's optimizer and schedule."""
        setup = self.setup_
        if setup.optimizer == "sgd":
            chosen: Any = torch.optim.SGD(self.parameters(), lr=setup.lr, weight_decay=setup.weight_decay)
        else:
            chosen = torch.optim.AdamW(self.parameters(), lr=setup.lr, weight_decay=setup.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(chosen, lambda step: rate(setup, step))
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def rate(setup: Setup, step: int) -> float:
    """Return the share of the highest learning rate at a step."""
    done = min(step / setup.steps, 1.0)
    if setup.schedule == "drop":
        return 1.0 if done < 0.6 else 0.1
    if setup.schedule == "raise":
        return 0.02 if done < 0.6 else 1.0
    if setup.schedule == "constant":
        return 1.0
    if setup.schedule == "restarts":
        done = done * 4 % 1.0 if done < 1 else 1.0
    return 0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2


class Convolutional(nn.Module):
    """Two convolutions over 8 × 8 images."""

    def __init__(self, width: int, outputs: int, dropout: float, *, norm: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for channels in (1, width):
            normed = [nn.BatchNorm2d(width)] if norm else []
            parts += [nn.Conv2d(channels, width, 3, padding=1), *normed, nn.ReLU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*parts, nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * width, outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.layers(images.unflatten(1, (1, 8, 8)))


class Recurrent(nn.Module):
    """A recurrent layer over a sequence; of bytes, with an output for each."""

    def __init__(self, kind: str, width: int, outputs: int, features: int, dropout: float, *, text: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(256, width) if text else None
        self.cells = {"gru": nn.GRU, "lstm": nn.LSTM}[kind](width if text else features, width, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return an output for each byte, or one for the whole sequence."""
        if self.tokens is None:
            return self.head(self.cells(inputs)[0][:, -1])
        return self.head(self.cells(self.tokens(inputs))[0])


class Transformer(nn.Module):
    """A decoder over bytes."""

    def __init__(self, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(256, width)
        self.blocks = nn.Sequential(*(Block(width, 2, dropout) for _ in range(depth)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 256))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits of the byte after each byte."""
        return self.head(self.blocks(self.tokens(tokens)))


class Factors(nn.Module):
    """The product of what is learned of a user and of an item."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(USERS, width), nn.Embedding(ITEMS, width)
        self.drop = nn.Dropout(dropout)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, pairs: Tensor) -> Tensor:
        """Return ratings."""
        return (self.drop(self.users(pairs[:, 0])) * self.items(pairs[:, 1])).sum(dim=1, keepdim=True)


def network(setup: Setup, features: int, outputs: int) -> nn.Module:
    """Return the layers of a setup."""
    width, drop = setup.width, setup.dropout
    if setup.net in ("cnn", "norm-cnn"):
        return Convolutional(width, outputs, drop, norm=setup.net == "norm-cnn")
    if setup.net in ("gru", "lstm"):
        return Recurrent(setup.net, width, outputs, features, drop, text=setup.data == "text")
    if setup.net == "transformer":
        return Transformer(width, setup.depth, drop)
    if setup.net == "factors":
        return Factors(width, drop)
    if setup.net == "linear":
        return nn.Linear(features, outputs)
    if setup.net == "mlp":
        return perceptron([features, *[width] * setup.depth, outputs], "relu", drop)
    # A bag is the mean of its words; pairs stand side by side.
    size, inputs = (WORDS, width) if setup.net == "bag" else (MODULUS, features * width)
    hidden = perceptron([inputs, *[width] * setup.depth, outputs], "relu", drop)
    if setup.net == "bag":
        return nn.Sequential(nn.EmbeddingBag(size, width), hidden)
    return nn.Sequential(nn.Embedding(size, width), nn.Flatten(), hidden)
