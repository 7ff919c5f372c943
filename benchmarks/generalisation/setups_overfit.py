"""Twenty trainings that overfit, each in its way."""

from __future__ import annotations

from .setups import Setup

OVERFIT = (
    Setup(name="many-epochs", data="digits", train=150, noise=0.02, batch_size=16),
    Setup(name="label-noise", data="teacher", train=400, noise=0.2, width=256, steps=320),
    Setup(name="too-large", data="teacher", train=500, noise=0.05, width=384, depth=3, steps=480, per_example=True),
    Setup(name="no-regularisation", data="wide", train=300, depth=1, lr=5e-4, steps=440),
    Setup(name="many-features", data="wide", train=150, net="linear", lr=3e-3, steps=1600, per_example=True),
    Setup(name="embedding-bag", data="documents", train=300, net="bag", width=32, depth=1, lr=3e-3),
    Setup(
        name="tiny-text-transformer",
        data="text",
        train=150,
        val=300,
        net="transformer",
        width=48,
        depth=1,
        lr=3e-3,
        steps=800,
    ),
    Setup(
        name="tiny-text-lstm",
        data="text",
        train=150,
        val=300,
        net="lstm",
        width=64,
        lr=4e-3,
        steps=800,
        per_example=True,
    ),
    Setup(name="duplicated-rows", data="teacher", train=80, copies=8, noise=0.05),
    Setup(name="few-points", data="numbers", train=50, noise=0.5, batch_size=8, steps=600),
    Setup(
        name="uncertain-regression", data="numbers", train=120, noise=0.5, uncertain=True, steps=320, per_example=True
    ),
    Setup(name="tiny-images", data="images", train=150, net="cnn", width=24, lr=2e-3, batch_size=16),
    Setup(name="noisy-images", data="images", train=300, noise=0.3, net="norm-cnn", width=24, per_example=True),
    Setup(name="high-rate-fine-tuning", data="teacher", train=80, noise=0.05, pretrained=400, lr=3e-3, batch_size=16),
    Setup(name="sequence-model", data="sequences", train=120, noise=0.5, net="gru", width=64, lr=4e-3),
    Setup(name="recommender", data="ratings", train=900, noise=0.7, net="factors", width=16, lr=5e-3, steps=1600),
    Setup(name="cosine-to-the-end", data="teacher", train=250, noise=0.15, lr=4e-4, schedule="cosine"),
    Setup(
        name="warm-restarts", data="teacher", train=250, noise=0.15, lr=4e-4, schedule="restarts", per_example=True
    ),
    Setup(name="weak-augmentation", data="teacher", train=200, noise=0.1, augment=0.4, dropout=0.2),
    Setup(name="small-validation", data="wide", train=200, val=64, depth=2, per_example=True, steps=900),
)
