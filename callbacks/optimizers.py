"""Facts about optimizers and their steps: what they hold, whether they move it, and what they leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from . import adaptive, movement
from .buffer import VectorBuffer
from .layers import clean, norms_of, sharded
from .monitor import Monitor, guarded
from .purse import SAMPLES
from .schedule import Thinning

MOST_ROWS = 64  # rows of a matrix that are compared with each other
NAMED = 20  # parameters that an event names


class OptimizerMonitor(Monitor):
    """Look at optimizers, schedules and weights before the first step, then at steps and leftover gradients.

    Records:
        optimizer.facts: Event with trainable parameters that no optimizer has, schedules, and layers whose rows
            are alike.
        optimizer.stale_norm: L2 norm of what is left in the gradients when a new backward pass begins, sampled.
        optimizer.moved_share: Share of the weights that a step should have changed and that have changed since the
            sample before.
        optimizer.unheld_share: Share of the trainable parameters that no optimizer holds at that time.
        optimizer.step_p99: Of Adam and its kin, 99th percentile of the step before the learning rate.
        optimizer.epsilon_ratio: Of the same, epsilon over the median of what it is added to.

    Leftover gradients are looked for where Lightning optimises by itself; by hand, anything may be meant.

    Args:
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "optimizer"

    def __init__(self, *, dirpath: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dirpath=dirpath)
        self.due = Thinning()

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the facts."""
        self._stale = VectorBuffer(("optimizer.stale_norm",))
        self._parameters: list[Any] = []
        self._seen = -1
        self._moves = VectorBuffer(movement.COLUMNS)
        self._moments: dict[int, VectorBuffer] = {}
        self._taken = trainer.global_step
        reason = sharded(trainer.strategy, pl_module)
        if reason:
            self.switch_off(reason)
            return
        self._parameters = [p for p in pl_module.parameters() if p.requires_grad]
        if self.session is not None:
            self.session.event("optimizer.facts", **_facts(trainer, pl_module))
        self._movement = movement.Movement()
        self._movement.look(pl_module, trainer.optimizers)

    @guarded
    def _look(self, trainer: Trainer) -> None:
        step = trainer.global_step + 1
        if self.session is None or self._seen == step:
            return
        self._seen = step  # later micro-batches find what the first one left, as they should
        if step > 1 and self.may_sample(step, self.due):
            left = [p.grad for p in self._parameters if p.grad is not None]
            norm = torch.linalg.vector_norm(norms_of(left)) if left else torch.zeros(())
            self._stale.add(self.session.key(step), norm.reshape(1))

    @guarded
    def _look_at_step(self, trainer: Trainer, pl_module: LightningModule) -> None:
        step = trainer.global_step
        if self.session is None or step == self._taken:
            return  # gradients are still being accumulated
        self._taken = step
        if not self.may_sample(step, self.due):
            return
        with self.session.purse.spending(SAMPLES):
            key = self.session.key(step)
            moved = self._movement.look(pl_module, trainer.optimizers)
            if moved is not None:
                self._moves.add(key, moved)
            self._look_at_moments(step, trainer.optimizers)

    def _look_at_moments(self, step: int, optimizers: list[Any]) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        for index, optimizer in enumerate(optimizers):
            found = adaptive.figures(optimizer)
            if found is not None:
                buffer = self._moments.setdefault(index, VectorBuffer(adaptive.COLUMNS))
                buffer.add(self.session.key(step, index), found)

    def flush(self) -> None:
        """Hand over the norms and the figures of steps."""
        assert self.session is not None  # noqa: S101 - only called during a run
        self.session.rows("optimizer", self._stale.take())
        self.session.rows("optimizer.movement", self._moves.take())
        for buffer in self._moments.values():
            self.session.rows("optimizer.moments", buffer.take())

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Look at the gradients before they are added to."""
        if pl_module.automatic_optimization:
            self._look(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at what the step has done."""
        self._look_at_step(trainer, pl_module)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def __getstate__(self) -> dict[str, Any]:
        transient = dict.fromkeys(("_stale", "_moves", "_movement"))
        return super().__getstate__() | {"_parameters": [], "_moments": {}} | transient


def _facts(trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    held = {id(p) for group in groups for p in group["params"]}
    missing = [clean(name) for name, p in pl_module.named_parameters() if p.requires_grad and id(p) not in held]
    return {
        "unoptimised": missing[:NAMED],
        "unoptimised_count": len(missing),
        "schedules": list(_schedules(trainer)),
        "alike": _alike(pl_module),
        "automatic": bool(pl_module.automatic_optimization),
    }


def _schedules(trainer: Trainer) -> Iterator[dict[str, Any]]:
    for config in trainer.lr_scheduler_configs:
        yield {
            "name": type(config.scheduler).__name__,
            "interval": str(config.interval),
            "frequency": int(config.frequency),
        }


def _alike(pl_module: LightningModule) -> list[dict[str, Any]]:
    """Return layers whose units all compute the same, which no gradient can tell apart."""
    found: dict[str, Tensor] = {}
    for name, parameter in pl_module.named_parameters():
        rows = parameter.detach().flatten(1)[:MOST_ROWS].float() if parameter.ndim >= 2 else None
        if rows is not None and parameter.requires_grad and min(rows.shape) >= 3:
            unit = torch.nn.functional.normalize(rows, dim=1)
            found[clean(name)] = (unit @ unit[0]).min()  # rows of zeros give 0: a zero-initialised branch
    values = torch.stack(list(found.values())).cpu().tolist() if found else []
    return [{"name": name, "cosine": value} for name, value in zip(found, values, strict=True) if value > 0.999][
        :NAMED
    ]
