"""Faults of what a model learns: collapse, batch norm that disagrees with itself, wrong labels, too small a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .data import Pair
from .injecting import change_loss
from .plan import Plan

WRONG = 0.3  # of the labels


def batch_norm_mismatch(plan: Plan) -> None:
    """Let running statistics lag a thousand steps or more behind, or never move."""
    plan.change(norm_momentum=(1e-4, 0.0, 1e-3)[plan.variant % 3])


def representation_collapse(plan: Plan) -> None:
    """Pull views together with nothing that keeps examples apart, or weigh a narrow code's size too much."""
    if plan.recipe.architecture == "contrastive":
        plan.module.loss = _alike(plan)  # type: ignore[method-assign, assignment]
    else:
        weight = 100.0 if plan.variant % 2 else 30.0
        change_loss(plan, lambda loss, batch: loss + weight * plan.module.encoder(batch[0]).square().mean())


def _alike(plan: Plan) -> Callable[[Pair], Tensor]:
    """Return a loss that two views of all images alike would bring to zero."""
    module = plan.module

    def cosine(batch: Pair) -> Tensor:
        first, second = (module(module.view(batch[0])) for _ in range(2))
        return 1 - F.cosine_similarity(first, second).mean()

    def distance(batch: Pair) -> Tensor:
        first, second = (module(module.view(batch[0])) for _ in range(2))
        return F.mse_loss(first, second)

    return distance if plan.variant % 2 else cosine


def label_noise(plan: Plan) -> None:
    """Draw another class for three of ten training labels."""
    inputs, targets = plan.data.train
    draw = plan.draw
    shift = torch.randint(1, plan.data.classes, targets.shape, generator=draw)
    wrong = torch.rand(targets.shape, generator=draw) < WRONG
    labels = torch.where(wrong, (targets + shift) % plan.data.classes, targets)
    plan.data = replace(plan.data, train=(inputs, labels))


def underfitting(plan: Plan) -> None:
    """Give every hidden layer two units, or every convolution one channel."""
    plan.change(width=4 if plan.recipe.architecture == "cnn" else 2)
