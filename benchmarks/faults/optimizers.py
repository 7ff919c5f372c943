"""Optimizers and schedules by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adafactor, Adam, AdamW, Optimizer, lr_scheduler

WARM_UP = 40  # steps
HASTY = "hasty-"  # before the name of a schedule for epochs: step it at every batch
NAMES = ("sgd", "momentum", "adam", "adamw", "lion", "adafactor")


class Lion(Optimizer):
    """Steps of equal size for all weights, in the direction of the sign of an averaged gradient.

    Chen et al. 2023, Symbolic Discovery of Optimization Algorithms.

    Args:
        parameters: What to train.
        lr: Size of a step.
        betas: Averages for the step and for the memory.
        weight_decay: Decoupled decay.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, **{key: group[key] for key in ("lr", "betas", "weight_decay")})
        return loss

    def _move(self, parameter: Tensor, *, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        memory = self.state[parameter].setdefault("memory", torch.zeros_like(parameter))
        direction = torch.lerp(parameter.grad, memory, betas[0]).sign_()
        parameter.mul_(1 - lr * weight_decay).add_(direction, alpha=-lr)
        memory.lerp_(parameter.grad, 1 - betas[1])


def optimizer(
    name: str, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0, **options: float | None
) -> Optimizer:
    """Return an optimizer of `NAMES`, with its usual other options.

    Args:
        name: Its name.
        parameters: What to train.
        lr: Learning rate.
        weight_decay: Decay of the weights.
        options: `eps`, `beta1` and `beta2`, where they are not the usual ones.
    """
    kinds: dict[str, Callable[..., Optimizer]] = {
        "sgd": SGD,
        "momentum": lambda *args, **options: SGD(*args, momentum=0.9, **options),
        "adam": Adam,
        "adamw": AdamW,
        "lion": Lion,
        "adafactor": Adafactor,
    }
    return kinds[name](list(parameters), lr=lr, weight_decay=weight_decay, **_moments(**options))


def _moments(eps: float | None = None, beta1: float | None = None, beta2: float | None = None) -> dict[str, Any]:
    """Return what is not as usual, as optimizers take it."""
    found: dict[str, Any] = {} if eps is None else {"eps": eps}
    if beta1 is not None or beta2 is not None:
        found["betas"] = (0.9 if beta1 is None else beta1, 0.999 if beta2 is None else beta2)
    return found


def schedule(name: str, chosen: Optimizer, steps: int, epochs: int) -> dict[str, Any] | None:
    """Return Lightning's description of a schedule over so many steps or epochs; None for a constant rate."""
    if name.startswith(HASTY):
        return {"scheduler": BY_EPOCH[name.removeprefix(HASTY)](chosen, epochs), "interval": "step"}
    if name in BY_EPOCH:
        return {"scheduler": BY_EPOCH[name](chosen, epochs), "interval": "epoch"}
    return {"scheduler": BY_STEP[name](chosen, steps), "interval": "step"} if name in BY_STEP else None


def _warm_cosine(chosen: Optimizer, steps: int) -> lr_scheduler.LRScheduler:
    rise = lr_scheduler.LinearLR(chosen, 0.01, total_iters=WARM_UP)
    fall = lr_scheduler.CosineAnnealingLR(chosen, steps - WARM_UP)
    return lr_scheduler.SequentialLR(chosen, [rise, fall], [WARM_UP])


Scheduler = Callable[[Optimizer, int], lr_scheduler.LRScheduler]
BY_STEP: dict[str, Scheduler] = {
    "warm-up": lambda chosen, _: lr_scheduler.LinearLR(chosen, 0.01, total_iters=WARM_UP),
    "long-warm-up": lambda chosen, _: lr_scheduler.LinearLR(chosen, 1e-4, total_iters=3 * WARM_UP),
    "cosine": lambda chosen, steps: lr_scheduler.CosineAnnealingLR(chosen, steps),
    "warm-cosine": _warm_cosine,
    "one-cycle": lambda chosen, steps: lr_scheduler.OneCycleLR(
        chosen, max_lr=1.5 * chosen.param_groups[0]["lr"], total_steps=steps + 1, cycle_momentum=False
    ),
    "steps": lambda chosen, steps: lr_scheduler.MultiStepLR(chosen, [steps // 2, steps * 4 // 5], gamma=0.3),
    "restarts": lambda chosen, steps: lr_scheduler.CosineAnnealingWarmRestarts(chosen, steps // 4),
}
BY_EPOCH: dict[str, Scheduler] = {
    "epoch-exponential": lambda chosen, epochs: lr_scheduler.ExponentialLR(chosen, 0.1 ** (1 / epochs)),
    "epoch-halving": lambda chosen, epochs: lr_scheduler.StepLR(chosen, max(1, epochs // 4), 0.5),
    "epoch-linear": lambda chosen, epochs: lr_scheduler.LinearLR(chosen, 1.0, 0.0, total_iters=epochs),
}
