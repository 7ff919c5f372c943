"""Faults between the optimizer and the weights: steps that do nothing, of a wrong length, rounded away, or late."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

from torch import nn
from torch.utils.data import DataLoader

from .data import Pair
from .injecting import at_injection
from .plan import Plan

PAUSE_S = 0.6
PAUSED = range(40, 400, 36)  # batches before which a loader pauses


def no_op_step(plan: Plan) -> None:
    """Step the parameters of a copy, or those of before they were made anew; or leave the step itself out."""
    if plan.recipe.architecture == "autoencoder":
        at_injection(plan, lambda _: _make_anew(plan.module))
    elif plan.variant % 2:
        plan.module.optimizer_step = lambda *found: found[-1]()  # the closure alone
    else:
        plan.module.trained = copy.deepcopy(plan.module).parameters


def _make_anew(module: nn.Module) -> None:
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(parameter.detach().clone()))


def bad_optimizer_epsilon(plan: Plan) -> None:
    """Add one to the root of the second moment, or exchange the two moments' decays."""
    if plan.variant % 2:
        plan.change(beta1=0.999, beta2=0.9)
    else:
        plan.change(eps=1.0)


def lost_updates(plan: Plan) -> None:
    """Keep weights in bfloat16, whose steps are coarser than the updates."""
    plan.options["precision"] = "bf16-true"


def stall(plan: Plan) -> None:
    """Let the loader pause now and then, as on a disk that is slow at times."""
    usual = plan.train_loader
    plan.train_loader = lambda: _Pausing(usual())  # type: ignore[method-assign, return-value]


class _Pausing:
    """A loader that pauses before some of the run's batches."""

    def __init__(self, whole: DataLoader[Pair]) -> None:
        self.whole, self.passed = whole, 0

    def __len__(self) -> int:
        return len(self.whole)

    def __iter__(self) -> Iterator[Pair]:
        for place, batch in enumerate(self.whole):
            # The first batch of an epoch is slow by right: then the second is.
            if place and (self.passed in PAUSED or (place == 1 and self.passed - 1 in PAUSED)):
                time.sleep(PAUSE_S)
            self.passed += 1
            yield batch
