"""Small models of many kinds that learn in a few hundred steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from examples.language_model.gpt import Block

from .data import Data, Pair
from .layers import LowRank, convolutions, perceptron, pretrained, turned
from .optimizers import optimizer, schedule
from .recipes import Recipe

CODE = 8  # features between encoder and decoder
NOISE = 16  # features from which the generator draws
TOLD = (
    "lr",
    "weight_decay",
    "dropout",
    "width",
    "depth",
    "norm_momentum",
)  # in the record: nothing there names a fault


class Model(L.LightningModule):
    """A network, its loss on a batch, and the optimizer of its recipe."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        super().__init__()
        self.recipe, self.classes = recipe, data.classes
        self.epochs = math.ceil(recipe.steps * recipe.batch_size / len(data.train[0]))
        self.hparams.update({name: getattr(recipe, name) for name in TOLD})
        self.build(recipe, data)

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        sizes = [data.features, *[recipe.width] * recipe.depth, data.classes]
        momentum = recipe.norm_momentum if recipe.norm else None
        self.net = perceptron(sizes, recipe.activation, recipe.dropout, momentum)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one row of outputs for each example."""
        return self.net(inputs)

    def loss(self, batch: Pair) -> Tensor:
        """Return cross-entropy of classes, mean squared error of numbers."""
        inputs, targets = batch
        outputs = self(inputs)
        return F.mse_loss(outputs, targets) if self.classes == 1 else F.cross_entropy(outputs, targets)

    def training_step(self, batch: Pair, _: int) -> Tensor:
        """Return the loss to differentiate."""
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Pair, _: int) -> Tensor:
        """Return and log the loss of what is held out."""
        loss = self.loss(batch)
        self.log("val_loss", loss)
        return loss

    def trained(self) -> Iterable[nn.Parameter]:
        """Return what the optimizer gets."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def configure_optimizers(self) -> Any:
        """Return the recipe's optimizer and schedule."""
        recipe = self.recipe
        moments = {name: getattr(recipe, name) for name in ("eps", "beta1", "beta2")}
        chosen = optimizer(recipe.optimizer, self.trained(), recipe.lr, recipe.weight_decay, **moments)
        scheduler = schedule(recipe.schedule, chosen, recipe.steps, self.epochs)
        return {"optimizer": chosen} | ({"lr_scheduler": scheduler} if scheduler else {})


class Convolutional(Model):
    """Convolutions with batch norm, and a linear layer."""

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        channels = recipe.width // 4
        self.net = convolutions(channels, recipe.depth, recipe.activation, recipe.norm_momentum)
        self.head = nn.Sequential(nn.Dropout(recipe.dropout), nn.Linear(4 * channels, data.classes))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.net(inputs))


class Recurrent(Model):
    """A recurrent layer over a sequence, or over the rows of an image, and a linear layer on its last state."""

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        kinds: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
        self.rows = 16 if recipe.cell == "rnn" else 8
        size = data.features // self.rows if recipe.data == "digits" else data.features
        layers = min(2, recipe.depth)
        self.net = kinds[recipe.cell](size, recipe.width // 2, num_layers=layers, batch_first=True)
        self.head = nn.Linear(recipe.width // 2, data.classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits, or a number."""
        outputs, _ = self.net(inputs if inputs.ndim == 3 else inputs.unflatten(1, (self.rows, -1)))
        return self.head(outputs[:, -1])


class Language(Model):
    """A decoder-only transformer over bytes, made of the example's blocks."""

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        self.tokens = nn.Embedding(data.classes, recipe.width)
        self.net = nn.Sequential(*(Block(recipe.width, 2, recipe.dropout) for _ in range(recipe.depth)))
        self.norm = nn.LayerNorm(recipe.width)
        self.head = nn.Linear(recipe.width, data.classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits of the byte after each byte."""
        return self.head(self.norm(self.net(self.tokens(tokens))))

    def loss(self, batch: Pair) -> Tensor:
        """Return the mean cross-entropy in nats a byte."""
        tokens, targets = batch
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


class Autoencoder(Model):
    """Images through a narrow code and back."""

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        hidden = [recipe.width] * recipe.depth
        self.encoder = perceptron([data.features, *hidden, CODE], recipe.activation)
        self.decoder = perceptron([CODE, *hidden, data.features], recipe.activation)

    def forward(self, images: Tensor) -> Tensor:
        """Return images like those given."""
        return self.decoder(self.encoder(images))

    def loss(self, batch: Pair) -> Tensor:
        """Return the mean squared difference of pixels."""
        return F.mse_loss(self(batch[0]), batch[0])


class Contrastive(Model):
    """Two noisy views of each image, told apart from all other images (InfoNCE, arXiv:1807.03748)."""

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        self.net = perceptron([data.features, *[recipe.width] * recipe.depth, 32], recipe.activation)

    def loss(self, batch: Pair) -> Tensor:
        """Return the cross-entropy of finding the other view."""
        first, second = (F.normalize(self(self.view(batch[0])), dim=1) for _ in range(2))
        return F.cross_entropy(first @ second.T / 0.2, torch.arange(len(first)))

    def view(self, images: Tensor) -> Tensor:
        """Return images with noise and with a third of their pixels gone."""
        return (images + 0.3 * torch.randn_like(images)) * (torch.rand_like(images) > 0.3)


class LoRA(Model):
    """A classifier of upright digits, frozen, with adapters that learn turned ones."""

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        layers = pretrained(recipe.width, recipe.depth)
        self.net = nn.Sequential(*(LowRank(part) if isinstance(part, nn.Linear) else part for part in layers))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of turned images."""
        return self.net(turned(images))


class Adversarial(Model):
    """A generator of digits against a discriminator, each with its optimizer."""

    def build(self, recipe: Recipe, data: Data) -> None:
        """Make the layers."""
        self.automatic_optimization = False
        hidden = [recipe.width] * max(1, recipe.depth - 1)
        self.generator = perceptron([NOISE, *hidden, data.features], "relu")
        self.discriminator = perceptron([data.features, *hidden, 1], "leaky-relu", 0.3)

    def judged(self, images: Tensor, *, real: bool) -> Tensor:
        """Return the loss of the discriminator's judgement; real ones are labelled 0.9."""
        logits = self.discriminator(images)
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 0.9 if real else 0.0))

    def loss(self, batch: Pair) -> Tensor:
        """Return the discriminator's loss."""
        drawn = self.generator(torch.randn(len(batch[0]), NOISE))
        return self.judged(batch[0], real=True) + self.judged(drawn.detach(), real=False)

    def training_step(self, batch: Pair, _: int) -> None:
        """Let both take a step."""
        first, second = self.optimizers()
        self._step(first, self.loss(batch))
        drawn = self.generator(torch.randn(len(batch[0]), NOISE))
        self._step(second, self.judged(drawn, real=True))

    def _step(self, chosen: Any, loss: Tensor) -> None:
        chosen.zero_grad()
        self.manual_backward(loss)
        chosen.step()

    def configure_optimizers(self) -> tuple[Optimizer, Optimizer]:
        """Return one optimizer for each player."""
        recipe, players = self.recipe, (self.discriminator, self.generator)
        first, second = (optimizer(recipe.optimizer, player.parameters(), recipe.lr) for player in players)
        return first, second


MODELS: dict[str, type[Model]] = {
    "mlp": Model,
    "regression": Model,
    "cnn": Convolutional,
    "lstm": Recurrent,
    "transformer": Language,
    "gan": Adversarial,
    "autoencoder": Autoencoder,
    "contrastive": Contrastive,
    "lora": LoRA,
}
