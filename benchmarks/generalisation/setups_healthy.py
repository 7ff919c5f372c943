"""Twenty healthy trainings, most of which look as if they overfit to whoever looks at one thing alone.

And two that are not well, and do not overfit: grokking ended while the validation loss rises, which in forty times
the steps comes down far below its beginning, and a learning rate raised so far that both losses rise. Their test
losses rise as well; that they cannot be told is right, to name them is not.
"""

from __future__ import annotations

from .setups import Setup

HEALTHY = (
    Setup(name="double-descent", data="scales", train=400, noise=0.8, net="linear", optimizer="sgd", lr=0.15,
          batch_size=400, steps=3000, validations=150),
    Setup(name="double-descent-still-falling", data="scales", train=400, noise=0.8, net="linear", optimizer="sgd",
          lr=0.15, batch_size=400, steps=900, validations=50, per_example=True),
    Setup(name="grokking", data="modular", train=320, val=200, net="pairs", width=96, depth=1, lr=5e-3,
          weight_decay=1.0, batch_size=320, steps=2500),
    Setup(name="grokking-still-rising", data="modular", train=320, val=200, net="pairs", width=128, depth=1,
          weight_decay=1.0, batch_size=320, steps=150, validations=30),
    Setup(name="both-losses-rise", data="teacher", train=6000, val=1000, harder=0.5, noise=0.1, width=32, lr=3e-2,
          schedule="raise", per_example=True),
    Setup(name="validation-of-8", data="teacher", train=2000, val=8, width=32, steps=600, per_example=True),
    Setup(name="validation-of-12-noisy-labels", data="teacher", train=2000, val=12, noise=0.2, width=32, steps=600),
    Setup(name="validation-of-16-with-a-gap", data="teacher", train=500, val=16, noise=0.1, optimizer="sgd", lr=0.1,
          weight_decay=0.05, steps=1200, per_example=True),
    Setup(name="strong-dropout", data="digits", train=900, val=300, dropout=0.6, steps=1200),
    Setup(name="strong-augmentation", data="digits", train=900, val=300, augment=1.0, steps=1200, per_example=True),
    Setup(name="label-smoothing", data="teacher", train=3000, smoothing=0.2, width=64, steps=900),
    Setup(name="early-stop", data="teacher", train=300, noise=0.15, patience=3, steps=1200, lr=3e-4, val=800),
    Setup(name="noisy-plateau", data="teacher", train=3000, val=150, noise=0.1, optimizer="sgd", lr=0.05, width=32,
          batch_size=8, steps=2000, per_example=True),
    Setup(name="cosine", data="teacher", train=3000, noise=0.1, width=32, schedule="cosine", lr=3e-3),
    Setup(name="restarts", data="teacher", train=6000, noise=0.1, width=24, schedule="restarts", lr=3e-3),
    Setup(name="repetition-that-helps", data="images", train=600, net="cnn", width=4, steps=1500, weight_decay=0.1),
    Setup(name="underfit", data="teacher", train=800, net="linear", lr=3e-3, steps=1500, per_example=True),
    Setup(name="fresh-data", data="numbers", train=24_000, noise=0.3, width=64, steps=750),
    Setup(name="gap-without-a-rise", data="wide", train=300, net="linear", optimizer="sgd", lr=0.05,
          weight_decay=0.2, steps=1500),
    Setup(name="norm-and-late-drop", data="images", train=3000, net="norm-cnn", width=8, schedule="drop", steps=900),
    Setup(name="text-with-dropout", data="text", train=3000, val=300, net="transformer", width=32, depth=1,
          dropout=0.2, steps=1000, lr=2e-3, per_example=True),
    Setup(name="harder-validation", data="digits", train=900, val=300, harder=0.7, dropout=0.2, augment=0.5,
          steps=1000, lr=5e-4),
)  # fmt: skip
