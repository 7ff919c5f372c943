"""The one callback that most users need."""

from __future__ import annotations

import os
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer

from .activations import ActivationMonitor
from .carbon import CarbonMonitor
from .generation import GenerationMonitor
from .gradients import GradientMonitor
from .monitor import Monitor
from .optimizers import OptimizerMonitor
from .overfitting import OverfittingMonitor

AUTO: Literal["auto"] = "auto"


class AuditCallback(Monitor):
    """Measure all that a run allows, and write its audit and its report when it ends.

    What the run does not support (no validation loop, nothing that generates text) is left out, and the audit
    says why. `audit.json` is written however the run ends, `report.html` unless it was interrupted.

    Args:
        carbon: Energy and emissions; None leaves them out.
        overfitting: The generalisation gap; None leaves it out.
        gradient: Gradient health; None leaves it out.
        activation: What goes into layers and what activations let through; None leaves it out.
        optimizer: Facts about optimizers and schedules, leftover gradients; None leaves them out.
        generation: Toxicity of generated text; None leaves it out.
        dirpath: Where run folders are made: a path or any fsspec URL. By default `groundwire` in the
            logger's folder, or in `default_root_dir`.
        report: Whether a page is rendered at the end; without it, the end is one line.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "audit"

    def __init__(
        self,
        *,
        carbon: CarbonMonitor | Literal["auto"] | None = AUTO,
        overfitting: OverfittingMonitor | Literal["auto"] | None = AUTO,
        gradient: GradientMonitor | Literal["auto"] | None = AUTO,
        activation: ActivationMonitor | Literal["auto"] | None = AUTO,
        optimizer: OptimizerMonitor | Literal["auto"] | None = AUTO,
        generation: GenerationMonitor | Literal["auto"] | None = AUTO,
        dirpath: str | os.PathLike[str] | None = None,
        report: bool = True,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if not isinstance(report, bool):
            raise ValueError(f"report must be True or False, got {report!r}")
        self.report = report
        chosen = (
            _part("carbon", carbon, CarbonMonitor),
            _part("overfitting", overfitting, OverfittingMonitor),
            _part("gradient", gradient, GradientMonitor),
            _part("activation", activation, ActivationMonitor),
            _part("optimizer", optimizer, OptimizerMonitor),
            _part("generation", generation, GenerationMonitor),
        )
        self.parts: tuple[Monitor, ...] = tuple(part for part in chosen if part is not None)

    def members(self) -> tuple[Monitor, ...]:
        """Return the monitors."""
        return self.parts

    def _tell(self, hook: str, *arguments: Any) -> None:
        for part in self.parts:
            getattr(part, hook)(*arguments)

    def on_train_batch_start(self, *arguments: Any) -> None:
        """Delegate to the monitors."""
        super().on_train_batch_start(*arguments)
        self._tell("on_train_batch_start", *arguments)

    def on_before_backward(self, *arguments: Any) -> None:
        """Delegate to the monitors."""
        self._tell("on_before_backward", *arguments)

    def on_before_optimizer_step(self, *arguments: Any) -> None:
        """Delegate to the monitors."""
        super().on_before_optimizer_step(*arguments)
        self._tell("on_before_optimizer_step", *arguments)

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Delegate to the monitors."""
        self._tell("on_train_batch_end", *arguments)
        super().on_train_batch_end(*arguments)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delegate to the monitors."""
        self._tell("on_validation_start", trainer, pl_module)

    def on_validation_batch_start(self, *arguments: Any) -> None:
        """Delegate to the monitors."""
        self._tell("on_validation_batch_start", *arguments)

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Delegate to the monitors."""
        self._tell("on_validation_batch_end", *arguments)

    def on_validation_end(self, *arguments: Any) -> None:
        """Delegate to the monitors."""
        super().on_validation_end(*arguments)
        self._tell("on_validation_end", *arguments)


def _part(name: str, given: Any, kind: type[Monitor]) -> Monitor | None:
    if given == AUTO:
        return kind()
    if given is not None and not isinstance(given, kind):
        raise ValueError(f"{name} must be a {kind.__name__} or None, got {given!r}")
    return given
