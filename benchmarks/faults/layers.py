"""Layers that the models of the zoo share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .data import load

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky-relu": nn.LeakyReLU,
}
NON_LINEAR = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU)
RANK = 4


def perceptron(
    sizes: Sequence[int], activation: str, dropout: float = 0.0, momentum: float | None = None
) -> nn.Sequential:
    """Return linear layers from `sizes[0]` to `sizes[-1]` features, with an activation after all but the last.

    Before each activation stands a batch norm where its `momentum` is given.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes[:-1]):
        normed = [] if momentum is None else [nn.BatchNorm1d(after, momentum=momentum)]
        layers += [nn.Linear(before, after), *normed, ACTIVATIONS[activation]()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def convolutions(width: int, depth: int, activation: str, momentum: float = 0.1) -> nn.Sequential:
    """Return blocks of convolution, batch norm and activation for images of 8 × 8 pixels in a row of 64."""
    layers: list[nn.Module] = [nn.Unflatten(1, (1, 8, 8))]
    for index in range(depth):
        layers.append(nn.Conv2d(width if index else 1, width, 3, padding=1, stride=2 if index == 1 else 1))
        layers += [nn.BatchNorm2d(width, momentum=momentum), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())


class LowRank(nn.Module):
    """A frozen linear layer and a trained product of two thin matrices, of which the second begins at zero.

    Hu et al. 2021, LoRA.
    """

    def __init__(self, frozen: nn.Linear) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(RANK, frozen.in_features) / frozen.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        """Return both paths' sum."""
        return self.frozen(x) + 2 * F.linear(F.linear(x, self.A), self.B)


@cache
def _pretrained_state(width: int, depth: int) -> dict[str, Tensor]:
    """Return the weights of a classifier of upright digits after 200 steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = perceptron([64, *[width] * depth, 10], "relu")
        inputs, targets = load("digits").train
        adam = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(200):
            chosen = torch.randint(len(inputs), (64,))
            adam.zero_grad()
            F.cross_entropy(model(inputs[chosen]), targets[chosen]).backward()
            adam.step()
    return model.state_dict()


def pretrained(width: int, depth: int) -> nn.Sequential:
    """Return a classifier that knows upright digits."""
    model = perceptron([64, *[width] * depth, 10], "relu")
    model.load_state_dict(_pretrained_state(width, depth))
    return model


def turned(images: Tensor) -> Tensor:
    """Return images of 8 × 8 pixels, in rows of 64, turned by a quarter."""
    return images.reshape(-1, 8, 8).rot90(1, (1, 2)).reshape(-1, 64)
