"""One training, described: data, model, regularisation, optimizer and length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Net = Literal["linear", "mlp", "cnn", "norm-cnn", "gru", "lstm", "transformer", "bag", "factors", "pairs"]
Schedule = Literal["constant", "cosine", "restarts", "drop", "raise"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """A training of some seconds.

    Attributes:
        name: What is special about it.
        data: Name of its data.
        train: Examples to train on.
        val: Examples to validate on.
        noise: Share of labels drawn anew, or standard deviation added to numbers.
        copies: How often each training example is in the training data.
        harder: Standard deviation of noise on the inputs of validation and test alone.
        net: Kind of model.
        width: Units, channels or dimensions of a layer.
        depth: Hidden layers.
        dropout: Share of units left out in training.
        smoothing: Label smoothing in training.
        augment: Standard deviation of noise on training inputs.
        pretrained: Steps on another task before the run.
        uncertain: Whether a variance is predicted as well, and the loss is a Gaussian likelihood.
        optimizer: "adamw" or "sgd".
        lr: Highest learning rate.
        weight_decay: That of the optimizer.
        schedule: Course of the learning rate.
        batch_size: Of training.
        steps: Optimizer steps.
        validations: How many, evenly.
        patience: Validations without a new lowest loss after which it stops; 0 never.
        per_example: Whether `validation_step` returns the loss of each example.
    """

    name: str
    data: str
    train: int
    val: int = 400
    noise: float = 0.0
    copies: int = 1
    harder: float = 0.0
    net: Net = "mlp"
    width: int = 128
    depth: int = 2
    dropout: float = 0.0
    smoothing: float = 0.0
    augment: float = 0.0
    pretrained: int = 0
    uncertain: bool = False
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    batch_size: int = 32
    steps: int = 1200
    validations: int = 40
    patience: int = 0
    per_example: bool = False
