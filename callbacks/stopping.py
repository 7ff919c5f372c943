"""Stops a training when one of Prechelt's criteria says that it overfits, and says which one and why."""

from __future__ import annotations

import logging
import math
import sys
from typing import TYPE_CHECKING, Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ..audit.errors import UsageError
from ..audit.prechelt import CRITERIA, STRIP, Course
from .monitor import Monitor, loss_in

if TYPE_CHECKING:
    from .session import Session

log = logging.getLogger(__name__)

THRESHOLDS = {"gl": 5.0, "pq": 1.0, "up": 3.0}
TOLD = {
    "gl": "the validation loss stands {value:.3g} % above its lowest",
    "pq": "what validation loses is {value:.3g} times what training still gains",
    "up": "the validation loss rose over {value:.0f} successive strips",
}


class EarlyStoppingByGap(Callback):
    """Stop the training at the first validation at which one of Prechelt's criteria passes its limit.

    `gl`: the validation loss stands more than `threshold` per cent above its lowest. `pq`: that, divided by the
    training progress of the last `strip` validations in per mille, is more than `threshold`: it is patient while the
    training loss still falls. `up`: the validation loss rose over `threshold` successive strips of `strip`
    validations. `pq` and `up` are looked at after each whole strip.

    All ranks see the mean of their losses, and stop together. Rank zero says which criterion stopped the training,
    its value and its limit, and so does the record of an `AuditCallback` on the same Trainer. The losses are kept in
    checkpoints, and a resumed run goes on from them. `min_epochs` and `min_steps` of the Trainer are kept.

    Where a loss is not positive, `gl` and `pq` mean nothing: the callback says so once and stops nothing any more.
    A validation whose loss is not finite is left out.

    Source: Prechelt 1998, Early Stopping: But When? There k = 5, GL is 1 to 5, PQ 0.5 to 3, and UP 2 to 8.

    Args:
        criterion: Which one.
        threshold: Its limit: 5 (%) for `gl`, 1 for `pq`, 3 (strips, a whole number) for `up`, unless told.
        monitor: Key of the logged validation loss.
        train_monitor: Key of a logged training loss, for `pq`. By default the mean of what `training_step` returned
            since the validation before.
        strip: Validations in a strip, for `pq` (at least 2) and `up`.

    Attributes:
        reason: Why the training was stopped; empty while it was not.

    Raises:
        ValueError: An option is not allowed.
        UsageError: The module does not log what the callback reads, at the first validation.
    """

    def __init__(
        self,
        *,
        criterion: Literal["gl", "pq", "up"] = "gl",
        threshold: float | None = None,
        monitor: str = "val_loss",
        train_monitor: str | None = None,
        strip: int = STRIP,
    ) -> None:
        super().__init__()
        if criterion not in CRITERIA:
            raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
        if not isinstance(monitor, str) or not monitor:
            raise ValueError(f"monitor must be the name of a logged validation loss, got {monitor!r}")
        if train_monitor is not None and not isinstance(train_monitor, str):
            raise ValueError(
                f"train_monitor must be the name of a logged training loss or None, got {train_monitor!r}"
            )
        self.criterion, self.monitor, self.train_monitor = criterion, monitor, train_monitor
        self.threshold, self.strip = _threshold(criterion, threshold), _strip(criterion, strip)
        self._begin()

    @property
    def state_key(self) -> str:
        """Name in a checkpoint: several of these on one Trainer keep their states apart."""
        return f"{type(self).__qualname__}({self.criterion}, {self.monitor})"

    def _begin(self) -> None:
        self.reason = ""
        self._course = Course(strip=self.strip)
        self._sum: Tensor | float = 0.0
        self._count = 0
        self._refused = False
        self._stop: dict[str, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin anew; what a checkpoint holds is loaded after this."""
        if stage == TrainerFn.FITTING:
            self._begin()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add up the training loss, on its device."""
        loss = loss_in(outputs) if self.criterion == "pq" and self.train_monitor is None else None
        if loss is not None:
            # Under accumulation Lightning has divided it: the criterion takes ratios only.
            self._sum = self._sum + loss.float().reshape(())
            self._count += 1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether to stop; every rank sees the same losses and comes to the same end."""
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if not fitting or getattr(trainer, "fast_dev_run", False) or self._refused:
            return
        self._course.add(trainer.global_step, *self._losses(trainer))
        value = self._value(trainer)
        if trainer.strategy.reduce_boolean_decision(self._passes(value), all=False):
            trainer.should_stop = True
            self._stop = {"at_step": trainer.global_step, "value": value, "limit": self.threshold}

    def _losses(self, trainer: Trainer) -> tuple[float, float]:
        """Return validation and training loss, each the mean over ranks; NaN for one that is not known."""
        losses = [_logged(trainer, "monitor", self.monitor), self._training(trainer)]
        self._sum, self._count = 0.0, 0
        device = trainer.strategy.root_device
        both = torch.stack([torch.as_tensor(loss, device=device).float().reshape(()) for loss in losses])
        validation, training = trainer.strategy.reduce(both, reduce_op="mean").tolist()
        return validation, training

    def _training(self, trainer: Trainer) -> Tensor | float:
        if self.criterion != "pq":
            return math.nan
        if self.train_monitor is not None:
            return _logged(trainer, "train_monitor", self.train_monitor)
        if not self._count and not self._course.steps:
            raise UsageError(
                "EarlyStoppingByGap: training_step returns no loss; name a logged one with train_monitor="
            )
        return self._sum / self._count if self._count else math.nan

    def _value(self, trainer: Trainer) -> float:
        try:
            return self._course.value(self.criterion)
        except ValueError as error:
            self._refused = True
            if trainer.global_rank == 0:
                problem = f"stops nothing any more: {error}, take criterion='up'"
                log.warning("groundwire: EarlyStoppingByGap %s", problem)
                for session in _sessions(trainer):
                    session.not_checked("EarlyStoppingByGap", problem)
            return math.nan

    def _passes(self, value: float) -> bool:
        if self.criterion == "gl":
            return value > self.threshold
        if not self._course.ends_strip:
            return False
        return value >= self.threshold if self.criterion == "up" else value > self.threshold

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say why the training ended here, unless `min_epochs` or `min_steps` led it on."""
        if self._stop.get("at_step") != trainer.global_step:
            return
        self.reason = self._told(self._stop["value"])
        if trainer.global_rank == 0:
            step = f"{trainer.global_step:,}"
            sys.stderr.write(f"groundwire  EarlyStoppingByGap stopped the training at step {step}: {self.reason}\n")
            for session in _sessions(trainer):
                told: dict[str, Any] = {"criterion": self.criterion, "reason": self.reason, **self._stop}
                session.event("stopped", name="EarlyStoppingByGap", **told)

    def _told(self, value: float) -> str:
        unit = " %" if self.criterion == "gl" else ""
        seen = TOLD[self.criterion].format(value=value)
        return f"{self.criterion.upper()} {value:.3g}{unit}, limit {self.threshold:g}{unit}: {seen}"

    def state_dict(self) -> dict[str, Any]:
        """Return the losses so far."""
        return {"course": self._course.state(), "sum": float(self._sum), "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the losses that a checkpoint holds."""
        self._course.restore(state_dict["course"])
        self._sum, self._count = float(state_dict["sum"]), int(state_dict["count"])


def _threshold(criterion: str, given: Any) -> float:
    if given is None:
        return THRESHOLDS[criterion]
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < math.inf:
        raise ValueError(f"threshold must be a positive number or None, got {given!r}")
    if criterion == "up" and given != int(given):
        raise ValueError(f"threshold must be a whole number of strips for criterion 'up', got {given!r}")
    return float(given)


def _strip(criterion: str, given: Any) -> int:
    least = 2 if criterion == "pq" else 1
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise ValueError(f"strip must be a whole number of at least {least} validations, got {given!r}")
    return given


def _logged(trainer: Trainer, option: str, name: str) -> Tensor:
    """Return a logged value.

    Raises:
        UsageError: There is none of that name.
    """
    logged = trainer.callback_metrics
    if name not in logged:
        known = ", ".join(logged) or "nothing"
        raise UsageError(
            f"EarlyStoppingByGap: no {name!r} is logged when a validation ends, but {known}: set {option}="
        )
    return logged[name]


def _sessions(trainer: Trainer) -> list[Session]:
    """Return the record of the monitors on the same Trainer, if there are any."""
    callbacks: list[Any] = list(getattr(trainer, "callbacks", ()))
    found = [c.session for c in callbacks if isinstance(c, Monitor) and c.session is not None]
    return found[:1]
