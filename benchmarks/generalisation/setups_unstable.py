"""Trainings whose validation loss jumps with the weights (GEN006), and healthy ones in which it wavers for less."""

from __future__ import annotations

from torch import nn

from .data import Data
from .models import Small
from .setups import Setup
from .trials import Trial


def fast_statistics(module: Small, _: Data) -> None:
    """Let the statistics of normalisation follow single batches."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.9


FAULTY = (
    Trial(setup=Setup(name="high-rate-small-batches", data="teacher", train=3000, optimizer="sgd", lr=0.3, width=64,
                      batch_size=4, steps=1200)),
    Trial(setup=Setup(name="adam-at-0.03", data="digits", train=1000, val=300, lr=0.03, width=64, steps=800)),
    Trial(setup=Setup(name="statistics-of-small-batches", data="images", train=2000, net="norm-cnn", width=8,
                      lr=0.01, batch_size=4, steps=900), change=fast_statistics),
    Trial(setup=Setup(name="regression-at-0.02", data="numbers", train=4000, noise=0.3, lr=0.02, batch_size=8,
                      steps=900, per_example=True)),
    Trial(setup=Setup(name="recurrent-at-0.1", data="sequences", train=3000, noise=0.3, net="gru", width=32, lr=0.1,
                      steps=800)),
    Trial(setup=Setup(name="restarts-at-0.03", data="teacher", train=3000, lr=0.03, schedule="restarts", width=64,
                      batch_size=16, steps=1200)),
)  # fmt: skip
HEALTHY = (
    Trial(setup=Setup(name="validation-of-16", data="teacher", train=3000, val=16, noise=0.1, width=32, steps=800,
                      per_example=True)),
    Trial(setup=Setup(name="drawn-anew", data="teacher", train=3000, val=1200, noise=0.1, width=32, lr=5e-4,
                      steps=800), drawn_anew=True, options={"limit_val_batches": 4}),
    Trial(setup=Setup(name="high-peak-calm-end", data="teacher", train=3000, lr=0.02, schedule="cosine", width=64,
                      batch_size=16, steps=1200)),
    Trial(setup=Setup(name="steep-fall", data="images", train=3000, net="cnn", width=16, lr=1e-3, steps=600)),
    Trial(setup=Setup(name="mild-restarts", data="teacher", train=6000, noise=0.1, width=24, schedule="restarts",
                      lr=2e-3, steps=1200)),
    Trial(setup=Setup(name="statistics-of-large-batches", data="images", train=3000, net="norm-cnn", width=8,
                      batch_size=64, lr=3e-4, steps=600)),
)  # fmt: skip
