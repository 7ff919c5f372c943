"""Faults that are wrong numbers: rates, schedules, scales, decay."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .data import load
from .injecting import at_injection, change_loss, half_precision, scale_rate
from .optimizers import HASTY
from .plan import Plan


def skipped_steps(plan: Plan) -> None:
    """Train in float16 with a loss that overflows, or with a scaler that grows far too often."""
    if plan.variant % 2:
        half_precision(plan, growth_interval=4)
    else:
        half_precision(plan)
        change_loss(plan, lambda loss, _: loss * 1e6)


def divergence(plan: Plan) -> None:
    """Multiply the learning rate by a hundred."""
    at_injection(plan, lambda _: scale_rate(plan.module, 100))


def oscillation(plan: Plan) -> None:
    """Feed two batches of each class in turn: what the first of them has learned, the next class unlearns."""
    inputs, targets = plan.data.train
    order = torch.cat(_runs(targets, 2 * plan.recipe.batch_size, plan.draw))
    plan.data, plan.shuffle = replace(plan.data, train=(inputs[order], targets[order])), False


def _runs(targets: Tensor, length: int, draw: torch.Generator) -> list[Tensor]:
    """Return places of examples in runs of one class, in a random order."""
    classes = [torch.where(targets == label)[0] for label in targets.unique()]
    runs = [run for places in classes for run in places.split(length) if len(run) == length]
    return [runs[index] for index in torch.randperm(len(runs), generator=draw)]


def updates_too_large(plan: Plan) -> None:
    """Train with a rate at which Adam's updates are largest: still higher ones blow weights up faster than steps."""
    plan.change(lr=0.05)


def updates_too_small(plan: Plan) -> None:
    """Train with a rate a hundred thousand times too low."""
    plan.change(lr=plan.recipe.lr * 1e-5)


def unscaled_input(plan: Plan) -> None:
    """Leave features in the units of their publication."""
    plan.data = load(plan.recipe.data, scaled=False)


def scheduler_mistake(plan: Plan) -> None:
    """Step a schedule that was meant for epochs at every batch."""
    plan.change(schedule=HASTY + plan.recipe.schedule)


def over_regularised(plan: Plan) -> None:
    """Decay weights by ten, or drop out nearly everything."""
    if plan.variant % 2:
        plan.change(dropout=0.95)
    else:
        plan.change(weight_decay=10.0)


def clip_saturation(plan: Plan) -> None:
    """Clip gradients to a thousandth."""
    plan.change(clip=1e-3)
