"""Trainings that learn too little of what the data tell (GEN004), and healthy ones whose loss stays as high."""

from __future__ import annotations

import torch
from torch import nn

from .data import Data
from .models import Small
from .setups import Setup
from .trials import Trial

IMAGES = Setup(name="images", data="images", train=3000, net="cnn", width=16, steps=900, lr=2e-3)
CLASSES = Setup(name="classes", data="teacher", train=3000, width=64, steps=900, dropout=0.1)
DIGITS = Setup(name="digits", data="digits", train=1000, val=300, steps=600)


def dead(module: Small, _: Data) -> None:
    """Let no unit of the first layer ever be active."""
    first = next(layer for layer in module.net if isinstance(layer, nn.Linear))
    with torch.no_grad():
        first.bias.fill_(-50.0)


def only_the_last_bias(module: Small, _: Data) -> None:
    """Let nothing learn but the last bias."""
    *frozen, _last = module.net.parameters()
    for parameter in frozen:
        parameter.requires_grad_(False)


def taught_before(module: Small, data: Data) -> None:
    """Teach the module the task on other examples of it, as a model that is fine-tuned has been."""
    inputs, targets = (part[1000:] for part in data.test)
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    for _ in range(1500):
        chosen = torch.randint(len(inputs), (64,))
        optimizer.zero_grad()
        module.losses((inputs[chosen], targets[chosen])).mean().backward()
        optimizer.step()


FAULTY = (
    Trial(setup=Setup(name="linear-on-images", data="images", train=3000, net="linear", lr=5e-3, schedule="cosine",
                      batch_size=64, steps=1800), better=IMAGES),
    Trial(setup=Setup(name="dropout-of-95", data="teacher", train=3000, dropout=0.95, steps=900), better=CLASSES),
    Trial(setup=Setup(name="decay-of-20", data="digits", train=1000, val=300, lr=1e-2, weight_decay=20.0, steps=600),
          better=DIGITS),
    Trial(setup=Setup(name="one-hidden-unit", data="images", train=3000, width=1, depth=1, lr=5e-3,
                      schedule="cosine", batch_size=64, steps=1500), better=IMAGES),
    Trial(setup=Setup(name="dead-units", data="teacher", train=3000, depth=1, steps=600), better=CLASSES,
          change=dead),
    Trial(setup=Setup(name="frozen-layers", data="digits", train=1000, val=300, steps=600), better=DIGITS,
          change=only_the_last_bias),
)  # fmt: skip
HEALTHY = (
    Trial(setup=Setup(name="learned-well", data="teacher", train=6000, width=64, steps=1500), better=CLASSES),
    Trial(setup=Setup(name="mostly-chance", data="teacher", train=6000, noise=0.7, width=32, dropout=0.2,
                      weight_decay=0.1, steps=600), better=Setup(name="chance", data="teacher", train=6000, noise=0.7,
                      width=64, dropout=0.3, steps=1500)),
    Trial(setup=Setup(name="noisy-regression", data="numbers", train=6000, noise=2.0, width=32, schedule="cosine",
                      steps=900), better=Setup(name="noise", data="numbers", train=6000, noise=2.0, width=64,
                      dropout=0.1, steps=1500)),
    Trial(setup=Setup(name="fine-tuned", data="images", train=3000, net="cnn", width=16, lr=1e-4, schedule="cosine",
                      weight_decay=0.1, steps=600), better=IMAGES, change=taught_before),
    Trial(setup=Setup(name="slow-learner", data="teacher", train=3000, optimizer="sgd", lr=0.01, steps=900),
          better=CLASSES),
    Trial(setup=Setup(name="high-loss-with-a-gap", data="wide", train=200, net="linear", optimizer="sgd", lr=0.05,
                      weight_decay=0.6, steps=900), better=Setup(name="features", data="wide", train=200,
                      net="linear", optimizer="sgd", lr=0.05, weight_decay=0.2, steps=900)),
)  # fmt: skip
