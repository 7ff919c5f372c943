"""Recipes of small runs: architecture, data, optimizer, and everything that a seed chooses."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, replace
from typing import Any

from .optimizers import NAMES

STEPS = 400
ARCHITECTURES = (
    "mlp", "regression", "cnn", "lstm", "transformer", "gan", "autoencoder", "contrastive", "lora",
)  # fmt: skip
SCHEDULES = ("constant", "constant", "warm-up", "cosine", "warm-cosine", "one-cycle", "steps", "epoch-exponential")
DATA = {
    "mlp": ("digits", "cancer"), "regression": ("diabetes",), "cnn": ("digits",), "lstm": ("adding", "digits"),
    "transformer": ("text",), "gan": ("digits",), "autoencoder": ("digits",), "contrastive": ("digits",),
    "lora": ("digits",),
}  # fmt: skip
RATES = {"sgd": 0.06, "momentum": 0.02, "adam": 2e-3, "adamw": 2e-3, "lion": 3e-4, "adafactor": 1e-2}
FACTORS = {  # where a rate of `RATES` is too low or too high for an architecture
    ("cnn", "lion"): 2.5, ("cnn", "adam"): 2.0, ("cnn", "adamw"): 2.0,
    ("lstm", "sgd"): 4.0, ("lstm", "momentum"): 4.0, ("lstm", "lion"): 3.0, ("lstm", "adam"): 2.0,
    ("lstm", "adamw"): 2.0,
    ("transformer", "sgd"): 3.0, ("transformer", "lion"): 3.0,
    ("gan", "sgd"): 1.5, ("gan", "momentum"): 0.3, ("gan", "adam"): 0.5, ("gan", "adamw"): 0.5,
    ("autoencoder", "sgd"): 8.0, ("autoencoder", "momentum"): 8.0, ("autoencoder", "lion"): 2.0,
    ("lora", "sgd"): 0.8, ("lora", "momentum"): 0.3, ("lora", "adam"): 2.0, ("lora", "adamw"): 2.0,
    ("lora", "lion"): 2.0, ("lora", "adafactor"): 6.0,
}  # fmt: skip
BATCHES = (16, 24, 32, 48, 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What one run is made of.

    Attributes:
        architecture: One of `ARCHITECTURES`.
        data: Name of the data set.
        optimizer: Name of the optimizer.
        seed: Of torch: weights and the order of batches.
        lr: Learning rate.
        weight_decay: Of the optimizer.
        schedule: Name of the schedule.
        width: Size of hidden layers.
        depth: How many.
        activation: Name of the non-linearity.
        dropout: Share of units zeroed in training.
        cell: Kind of recurrent cell.
        batch_size: Examples in a batch.
        drop_last: Whether an epoch's last batch is left out when it is not full.
        clip: Norm to which gradients are clipped; None for no clipping.
        steps: Optimizer steps.
        eps: Added to the root of the second moment, of an optimizer that has one; None for its usual one.
        beta1: Decay of its first moment, likewise.
        beta2: Decay of its second moment.
        norm: Whether a perceptron's hidden layers have batch norm.
        norm_momentum: Of all batch norms.
    """

    architecture: str
    data: str
    optimizer: str
    seed: int
    lr: float
    weight_decay: float
    schedule: str
    width: int
    depth: int
    activation: str
    dropout: float
    cell: str
    batch_size: int
    drop_last: bool
    clip: float | None
    steps: int = STEPS
    eps: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    norm: bool = False
    norm_momentum: float = 0.1


def draw(architecture: str, optimizer: str, topic: str, seed: int, **chosen: Any) -> Recipe:
    """Return the recipe that a seed chooses for a topic; what is `chosen` does not change the rest."""
    if architecture not in ARCHITECTURES or optimizer not in NAMES:
        raise ValueError(f"no architecture {architecture!r} or no optimizer {optimizer!r}")
    key = f"{topic}/{architecture}/{optimizer}/{seed}"
    dice = random.Random(key)
    rate = RATES[optimizer] * FACTORS.get((architecture, optimizer), 1.0)
    recipe = Recipe(
        architecture=architecture,
        data=_data(dice.choice(DATA[architecture]), architecture, chosen),
        optimizer=optimizer,
        seed=zlib.crc32(key.encode()) % 2**31,
        lr=float(f"{rate * 2 ** dice.uniform(-0.7, 0.5):.2g}"),
        weight_decay=dice.choice((0.0, 0.0, 1e-4, 1e-3)),
        schedule=dice.choice(SCHEDULES),
        width=dice.choice((32, 48, 64, 96)),
        depth=dice.choice((1, 2, 2, 3)),
        activation=dice.choice(("relu", "relu", "gelu", "silu", "tanh", "leaky-relu")),
        dropout=dice.choice((0.0, 0.0, 0.1, 0.3)),
        cell=dice.choice(("lstm", "lstm", "gru")),
        batch_size=dice.choice(BATCHES),
        drop_last=dice.random() < 0.5,
        clip=dice.choice((None, None, 1.0, 5.0)),
    )
    return replace(_fitting(recipe), **chosen)


def _data(drawn: str, architecture: str, chosen: dict[str, Any]) -> str:
    """Return the data set that was chosen, where it fits the architecture."""
    wanted = chosen.pop("data", drawn)
    return wanted if wanted in DATA[architecture] else drawn


def _fitting(recipe: Recipe) -> Recipe:
    """Return the recipe with what its architecture cannot do without."""
    if recipe.architecture == "transformer":
        small = {"width": 32, "depth": min(2, recipe.depth), "batch_size": recipe.batch_size // 2}
        return replace(recipe, dropout=min(0.1, recipe.dropout), **small)
    if recipe.architecture == "gan":
        return replace(recipe, clip=None, schedule="constant", weight_decay=0.0, batch_size=64, drop_last=True)
    if recipe.architecture == "contrastive":
        return replace(recipe, drop_last=True, batch_size=max(32, recipe.batch_size))
    if recipe.data in {"cancer", "diabetes"}:  # 400 examples are learned by heart in no time
        share = 0.6 if recipe.optimizer == "lion" else 0.33
        return replace(recipe, depth=min(2, recipe.depth), width=32, lr=float(f"{share * recipe.lr:.2g}"))
    if recipe.architecture == "lstm":
        return replace(recipe, clip=recipe.clip or 1.0)
    if recipe.architecture == "autoencoder":
        return replace(recipe, dropout=0.0, depth=min(2, recipe.depth))
    return recipe
