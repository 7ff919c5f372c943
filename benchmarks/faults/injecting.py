"""What several injections need: something that happens at a certain step, and changes of modules."""

from __future__ import annotations

from collections.abc import Callable, Container
from itertools import pairwise
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn

from .data import Pair
from .layers import NON_LINEAR
from .plan import Plan

Act = Callable[[list[Tensor]], None]


class At(L.Callback):
    """Does something before the batch of certain steps, counted from 0; a batch may be changed in place."""

    def __init__(self, steps: Container[int], act: Act) -> None:
        self.steps, self.act = steps, act

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: list[Tensor], *_: Any) -> None:
        if trainer.global_step in self.steps:
            self.act(batch)


def at_injection(plan: Plan, act: Act, lasting: int = 1) -> None:
    """Let `act` happen at the step of injection, and as often as it is `lasting`."""
    plan.callbacks.append(At(range(plan.injected_at, plan.injected_at + lasting), act))


def scale_rate(module: L.LightningModule, factor: float) -> None:
    """Multiply the learning rate of all optimizers."""
    for optimizer in module.trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] *= factor


def change_loss(plan: Plan, change: Callable[[Tensor, Pair], Tensor], *, only_at_injection: bool = False) -> None:
    """Let training differentiate a changed loss; validation keeps the right one."""
    module, right = plan.module, plan.module.loss

    def loss(batch: Pair) -> Tensor:
        now = not only_at_injection or module.trainer.global_step == plan.injected_at
        return change(right(batch), batch) if module.training and now else right(batch)

    module.loss = loss  # type: ignore[method-assign]


def matrices(module: nn.Module) -> list[nn.Parameter]:
    """Return trained parameters with two or more dimensions."""
    return [p for p in module.parameters() if p.ndim >= 2 and p.requires_grad]


def linear_layers(module: nn.Module) -> list[nn.Module]:
    """Return linear and convolutional layers in the order in which they are declared."""
    return [part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv2d)]


def hidden_biases(plan: Plan) -> list[nn.Parameter]:
    """Return the shift before each non-linearity: of a linear layer or of a batch norm."""
    pairs = pairwise(plan.module.modules())
    return [before.bias for before, after in pairs if isinstance(after, NON_LINEAR)]


def without_activations(module: nn.Module) -> None:
    """Delete all non-linearities."""
    for name, part in module.named_children():
        if isinstance(part, NON_LINEAR):
            setattr(module, name, nn.Identity())
        else:
            without_activations(part)


def half_precision(plan: Plan, **scaler: Any) -> None:
    """Compute in float16 with a gradient scaler, on the CPU."""
    plan.options["plugins"] = [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", **scaler))]
