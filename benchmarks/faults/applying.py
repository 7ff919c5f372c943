"""Applies the settings of a recommendation to a faulty run, whose faulty code stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import lightning as L

from .plan import Plan
from .recipes import Recipe

Settings = Mapping[str, Any]
# Keys that name a field of the recipe; what a fault would put there gives way.
RECIPE = {f"model.{part.name}": part.name for part in fields(Recipe)} | {
    "optimizer.lr": "lr",
    "optimizer.weight_decay": "weight_decay",
    "data.batch_size": "batch_size",
    "data.drop_last": "drop_last",
    "trainer.max_steps": "steps",
}
TRAINER = ("gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches", "precision",
           "val_check_interval", "limit_val_batches", "overfit_batches")  # fmt: skip
BETAS = {"beta1": 0, "beta2": 1}  # which of the pair that optimizers have


class UnknownSettingError(Exception):
    """A setting that nothing in this benchmark stands for, or that the run does not have; the message names it."""


@dataclass
class MendedPlan(Plan):
    """A plan that a fault may change in everything but what is set.

    Attributes:
        fixed: Fields of the recipe that keep their values.
    """

    fixed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recipe = replace(self.recipe, **self.fixed)
        super().__post_init__()

    def change(self, **changes: Any) -> None:
        """Change the recipe where it is not fixed."""
        super().change(**{key: value for key, value in changes.items() if key not in self.fixed})


def fields_of(settings: Settings, plan: Plan, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what settings mean for the recipe of a faulty run.

    A schedule may begin at a part of the recipe's learning rate: then what the report says is the rate that the
    optimizer began with, and the recipe's is changed by the same factor.

    Args:
        settings: Dotted keys and values.
        plan: The faulty run.
        told: The optimizer's options as recorded.
    """
    found = {RECIPE[key]: value for key, value in settings.items() if key in RECIPE}
    if "lr" in found and told.get("lr"):
        found["lr"] = found["lr"] * plan.recipe.lr / told["lr"]
    return found


def apply(settings: Settings, plan: Plan) -> None:
    """Change a faulty plan in everything that its recipe does not hold.

    Raises:
        UnknownSettingError: A key means nothing here.
    """
    group: dict[str, Any] = {}
    for key, value in settings.items():
        prefix, _, name = key.partition(".")
        if prefix == "trainer" and name in TRAINER:
            _set_trainer(plan, name, value)
        elif key == "data.shuffle":
            plan.shuffle = bool(value)
        elif prefix == "optimizer" and key not in RECIPE:
            group[name] = value
        elif key not in RECIPE:
            raise UnknownSettingError(key)
    if group:
        plan.callbacks.append(SetOptimizer(group))


def _set_trainer(plan: Plan, name: str, value: Any) -> None:
    plan.options[name] = value
    if name == "precision":  # a plugin of the fault's would decide instead
        plan.options.pop("plugins", None)


class SetOptimizer(L.Callback):
    """Sets options of the optimizers before the first step, after whatever the fault did to them there."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = dict(options)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Set them where the record of the run is about to be opened."""
        self._set(trainer)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Set them again where a fault that is injected at the first step may have changed them."""
        if trainer.global_step == 0:
            self._set(trainer)

    def _set(self, trainer: L.Trainer) -> None:
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                for name, value in self.options.items():
                    _set_option(group, name, value)


def _set_option(group: dict[str, Any], name: str, value: Any) -> None:
    place = BETAS.get(name)
    if (name if place is None else "betas") not in group:
        raise UnknownSettingError(f"optimizer.{name}")
    if place is None:
        group[name] = value
    else:
        group["betas"] = tuple(value if index == place else beta for index, beta in enumerate(group["betas"]))
