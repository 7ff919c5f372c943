"""Faults that are mistakes in the training code or in single batches."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .data import Pair
from .injecting import at_injection, change_loss
from .plan import Plan


def non_finite(plan: Plan) -> None:
    """Put a NaN into one batch, a logarithm of zero into one loss, or a root at zero into one backward pass."""
    if plan.recipe.architecture == "transformer":
        change_loss(plan, lambda loss, _: loss - (loss * 0).log(), only_at_injection=True)
    elif plan.recipe.architecture == "autoencoder":  # the loss stays finite, its gradient does not
        change_loss(plan, lambda loss, _: loss + (loss - loss.detach()).sqrt(), only_at_injection=True)
    else:
        at_injection(plan, lambda batch: batch[0][0].fill_(torch.nan))


def stagnant_loss(plan: Plan) -> None:
    """Shuffle targets apart from their inputs, in every batch anew."""
    draw = plan.draw
    at_injection(plan, lambda batch: _shuffle(batch[1], draw), lasting=plan.recipe.steps)


def _shuffle(targets: Tensor, draw: torch.Generator) -> None:
    targets.copy_(targets[torch.randperm(len(targets), generator=draw)])


def loss_spike(plan: Plan) -> None:
    """Feed one batch in units a thousand times smaller."""
    at_injection(plan, lambda batch: batch[0].mul_(1000))


def parameter_never_updated(plan: Plan) -> None:
    """Keep a layer from the optimizer, or cut the graph behind it."""
    module = plan.module
    if plan.recipe.architecture == "autoencoder":
        module.encoder.register_forward_hook(lambda _, __, code: code.detach())
    elif plan.recipe.architecture == "lstm":
        module.net.register_forward_hook(lambda _, __, found: (found[0].detach(), found[1]))
    else:
        left_out = module.tokens if plan.recipe.architecture == "transformer" else module.net[0]
        forgotten = {id(parameter) for parameter in left_out.parameters()}
        module.trained = lambda: (p for p in module.parameters() if id(p) not in forgotten)


def missing_zero_grad(plan: Plan) -> None:
    """Never reset gradients."""
    plan.module.optimizer_zero_grad = lambda *_: None


def eval_mode(plan: Plan) -> None:
    """Validate in training mode, or drop out with a function that does not know the mode."""
    if plan.variant % 2 and plan.recipe.architecture == "mlp":
        plan.module.net[0].register_forward_hook(lambda _, __, found: F.dropout(found, 0.3))
    else:
        _validate_in_training_mode(plan.module)


def _validate_in_training_mode(module: Any) -> None:
    right = module.validation_step

    @functools.wraps(right)
    def validation_step(batch: Pair, index: int) -> Tensor:
        module.train()
        return right(batch, index)

    module.validation_step = validation_step
