"""Trainings whose last third bought nothing (GEN003), and healthy ones in which it did, or cannot be told."""

from __future__ import annotations

from .setups import Setup
from .setups_underfit import dead
from .trials import Trial

FAULTY = (
    Trial(setup=Setup(name="linear-at-rest", data="teacher", train=6000, net="linear", optimizer="sgd", lr=0.5,
                      schedule="cosine", batch_size=256, steps=2000)),
    Trial(setup=Setup(name="rate-dropped-early", data="teacher", train=6000, noise=0.2, width=16, lr=3e-3,
                      schedule="drop", weight_decay=0.1, batch_size=256, steps=2000)),
    Trial(setup=Setup(name="regression-at-its-noise", data="numbers", train=6000, noise=1.0, net="linear", lr=1e-2,
                      schedule="cosine", batch_size=128, steps=1200)),
    Trial(setup=Setup(name="decayed-to-a-balance", data="digits", train=1000, val=300, net="linear", optimizer="sgd",
                      lr=0.1, weight_decay=0.1, batch_size=1000, steps=900)),
    Trial(setup=Setup(name="dead-from-the-start", data="teacher", train=3000, depth=1, lr=5e-3, batch_size=500,
                      schedule="cosine", steps=900), change=dead),
    Trial(setup=Setup(name="many-features-at-rest", data="wide", train=3000, net="linear", optimizer="sgd", lr=0.3,
                      weight_decay=0.02, schedule="cosine", batch_size=256, steps=1500)),
)  # fmt: skip
HEALTHY = (
    Trial(setup=Setup(name="text-still-falling", data="text", train=6000, val=300, net="transformer", width=32,
                      depth=1, lr=1e-3, steps=900)),
    Trial(setup=Setup(name="cosine-that-pays-late", data="teacher", train=6000, noise=0.1, width=32, lr=0.01,
                      schedule="cosine", batch_size=16, steps=1200)),
    Trial(setup=Setup(name="grokking-late", data="modular", train=320, val=200, net="pairs", width=96, depth=1,
                      lr=5e-3, weight_decay=1.0, batch_size=320, steps=1200)),
    Trial(setup=Setup(name="slow-sgd", data="teacher", train=6000, optimizer="sgd", lr=0.02, width=64,
                      steps=1200)),
    Trial(setup=Setup(name="validation-of-16-slow", data="teacher", train=6000, val=16, optimizer="sgd", lr=0.05,
                      width=64, steps=900, per_example=True)),
    Trial(setup=Setup(name="noisy-and-falling", data="numbers", train=6000, noise=0.2, width=32, lr=1e-3,
                      batch_size=8, steps=1200)),
)  # fmt: skip
