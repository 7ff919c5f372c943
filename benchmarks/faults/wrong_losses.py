"""Faults of the loss, and of the classes that it counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .data import Pair
from .injecting import change_loss
from .plan import Plan

KEPT = 3  # examples of a rare class
RARE = 2  # classes
PENALTY = 0.05  # times the squared logsumexp; 1e-4 is usual


def double_softmax(plan: Plan) -> None:
    """End the model in a softmax, or give its probabilities to a loss that takes their logarithms."""
    module: Any = plan.module
    if plan.recipe.architecture == "mlp" and plan.variant % 2:
        change_criterion(plan, lambda outputs, targets: F.nll_loss(outputs.softmax(dim=1), targets))
    else:
        module.register_forward_hook(lambda _, __, outputs: outputs.softmax(dim=-1))


def sign_flip(plan: Plan) -> None:
    """Return minus the loss, or let the optimizer maximise it."""
    if plan.variant % 2:
        _maximise(plan.module)
    else:
        change_loss(plan, lambda loss, _: -loss)


def _maximise(module: Any) -> None:
    right = module.configure_optimizers

    def configure_optimizers() -> Any:
        found = right()
        for group in found["optimizer"].param_groups:
            group["maximize"] = True
        return found

    module.configure_optimizers = configure_optimizers


def wrong_loss(plan: Plan) -> None:
    """Take classes for numbers, numbers for classes, or compare all outputs with all targets."""
    module: Any = plan.module
    if module.classes > 1:
        change_criterion(
            plan, lambda outputs, targets: F.mse_loss(outputs, F.one_hot(targets, module.classes).float())
        )
    elif plan.variant % 2:
        change_criterion(plan, F.cross_entropy)
    else:
        change_criterion(plan, lambda outputs, targets: F.mse_loss(outputs, targets.squeeze(1)))


def change_criterion(plan: Plan, criterion: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Take another loss of outputs and targets, in training and in validation."""
    module: Any = plan.module

    def loss(batch: Pair) -> Tensor:
        return criterion(module(batch[0]), batch[1])

    module.loss = loss


def class_imbalance(plan: Plan) -> None:
    """Leave three training examples of each of two classes."""
    plan.data = replace(plan.data, train=without(plan.data.train, KEPT, plan.draw))


def without(pair: Pair, kept: int, draw: torch.Generator) -> Pair:
    """Return examples without most of those of two classes."""
    inputs, targets = pair
    order = torch.randperm(len(targets), generator=draw)
    rare = torch.randperm(int(targets.max()) + 1, generator=draw)[:RARE].tolist()
    left = [order[targets[order] == label][: kept if label in rare else None] for label in targets.unique().tolist()]
    chosen = torch.cat(left).sort().values
    return inputs[chosen], targets[chosen]


def logit_growth(plan: Plan) -> None:
    """Subtract the penalty on large logits (z-loss) that is to be added."""
    given: list[Tensor] = []
    plan.module.register_forward_hook(lambda _, __, outputs: given.__setitem__(slice(None), [outputs]))
    change_loss(plan, lambda loss, _: loss - PENALTY * given[0].logsumexp(dim=-1).square().mean())
