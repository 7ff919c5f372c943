"""A run about to start: recipe, data, module and trainer, each open to change until it is used."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader

from .data import Data, Pair, load, loader
from .recipes import Recipe
from .zoo import MODELS, Model

VALIDATE = 100  # optimizer steps between two validations


@dataclass
class Plan:
    """What a fault or a hard negative may change.

    Attributes:
        recipe: What the module is made of; `change` it before the module is used.
        variant: Which of its forms a fault takes.
        injected_at: Steps that are taken before the fault.
        options: Further options of the trainer.
        callbacks: Callbacks that come before the audit.
        shuffle: Whether every epoch has an order of its own.
        data: What is trained on; may be replaced before the module is used.
    """

    recipe: Recipe
    variant: int = 0
    injected_at: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    callbacks: list[L.Callback] = field(default_factory=list)
    shuffle: bool = True

    def __post_init__(self) -> None:
        self.data: Data = load(self.recipe.data)

    def change(self, **changes: Any) -> None:
        """Change the recipe."""
        if "module" in vars(self):
            raise RuntimeError("the module is already built")
        self.recipe = replace(self.recipe, **changes)

    @cached_property
    def module(self) -> Model:
        """The module, with the weights that the recipe's seed draws."""
        L.seed_everything(self.recipe.seed, verbose=False)
        return MODELS[self.recipe.architecture](self.recipe, self.data)

    @property
    def draw(self) -> torch.Generator:
        """A source of random numbers that leaves the run's own alone."""
        return torch.Generator().manual_seed(self.recipe.seed)

    def fit(self, *callbacks: L.Callback) -> None:
        """Train; the order of batches depends on the recipe's seed only."""
        recipe, module = self.recipe, self.module
        L.seed_everything(recipe.seed, verbose=False)
        steps = recipe.steps * (1 if module.automatic_optimization else 2)  # each optimizer's steps count
        parts = self.options.get("accumulate_grad_batches", 1)
        usual: dict[str, Any] = {"gradient_clip_val": recipe.clip, "val_check_interval": VALIDATE * parts}
        trainer = L.Trainer(
            **usual | self.options, max_steps=steps, max_epochs=-1, callbacks=[*self.callbacks, *callbacks],
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
            enable_checkpointing=False, check_val_every_n_epoch=None, num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(module, self.train_loader(), loader(self.data.val, 256))

    def train_loader(self) -> DataLoader[Pair]:
        """Return batches of what is trained on; a fault may put another function in its place."""
        recipe = self.recipe
        return loader(self.data.train, recipe.batch_size, shuffle=self.shuffle, drop_last=recipe.drop_last)


def quiet() -> None:
    """Let this process say nothing of Lightning's and of ours: a progress bar does."""
    import logging

    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric", "groundwire"):
        logging.getLogger(name).setLevel(logging.ERROR)
