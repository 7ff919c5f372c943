"""The one callback that most users need."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer

from .activations import ActivationMonitor
from .agreement import Agreement
from .carbon import CarbonMonitor
from .efficiency import EfficiencyMonitor
from .enforcing import Enforcement
from .example_losses import LabelMonitor
from .forecasting import ForecastMonitor
from .generation import GenerationMonitor
from .gradients import GradientMonitor
from .inputs import InputMonitor
from .monitor import Monitor
from .optimizers import OptimizerMonitor
from .overfitting import OverfittingMonitor
from .purse import BUDGET
from .representation import RepresentationMonitor

AUTO: Literal["auto"] = "auto"


class AuditCallback(Monitor):
    """Measure all that a run allows, and write its audit and its report when it ends.

    What the run does not support (no validation loop, nothing that generates text) is left out, and the audit
    says why. `audit.json` is written however the run ends, `report.html` unless it was interrupted.

    Args:
        carbon: Energy and emissions; None leaves them out.
        efficiency: Throughput, model FLOPs utilisation, waiting for data; None leaves them out.
        overfitting: The generalisation gap; None leaves it out.
        forecast: What more steps would give, and forecasts to be scored by what happens; None leaves them out.
        gradient: Gradient health; None leaves it out.
        activation: What goes into layers and what activations let through; None leaves it out.
        optimizer: Facts about optimizers and schedules, leftover gradients; None leaves them out.
        representation: What the model makes of training examples, batch norm in both modes, and a simple reference
            method; None leaves it out.
        labels: Examples whose labels the model contradicts; None leaves it out.
        inputs: Constant features, examples that come twice or on both sides, whether the model uses its inputs; None
            leaves it out.
        generation: Toxicity of generated text; None leaves it out.
        overhead_budget: Share of the training's time that measuring may take. What every step costs comes first;
            samples of layers, activations and updates get 0.4 of the rest and probes of the gap 0.6, and are
            spaced out when that is spent. Where a step is so short that nothing is left, they share a quarter of
            the budget. The first twenty steps are always sampled; the look for what is not finite never stops.
        on_finding: What to do when a rule fires while the run goes, by the rule's name: `stop` ends the training
            after the batch, on all ranks; `skip`, for `non-finite` only, leaves out the optimizer's step. With
            several ranks, stopping is agreed every 50 batches. `groundwire rules` names the rules.
        policy: File of a policy by which the run is judged when it ends; its verdict stands in the report. Waivers
            beside it count, [tool.groundwire] in pyproject.toml names the rest.
        enforce: Whether a policy that is not met, or that nobody can tell, raises `PolicyNotMetError` on all ranks,
            after the report is written.
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
        efficiency: EfficiencyMonitor | Literal["auto"] | None = AUTO,
        overfitting: OverfittingMonitor | Literal["auto"] | None = AUTO,
        forecast: ForecastMonitor | Literal["auto"] | None = AUTO,
        gradient: GradientMonitor | Literal["auto"] | None = AUTO,
        activation: ActivationMonitor | Literal["auto"] | None = AUTO,
        optimizer: OptimizerMonitor | Literal["auto"] | None = AUTO,
        representation: RepresentationMonitor | Literal["auto"] | None = AUTO,
        labels: LabelMonitor | Literal["auto"] | None = AUTO,
        inputs: InputMonitor | Literal["auto"] | None = AUTO,
        generation: GenerationMonitor | Literal["auto"] | None = AUTO,
        overhead_budget: float = BUDGET,
        on_finding: Mapping[str, Literal["stop", "skip"]] | None = None,
        policy: str | os.PathLike[str] | None = None,
        enforce: bool = False,
        dirpath: str | os.PathLike[str] | None = None,
        report: bool = True,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if not isinstance(overhead_budget, int | float) or not 0 < overhead_budget <= 1:
            raise ValueError(f"overhead_budget must be a share above 0 and up to 1, got {overhead_budget!r}")
        self.overhead_budget = overhead_budget
        self.on_finding = _actions(on_finding)
        self._agreement = Agreement()
        self._listeners: dict[str, list[Monitor]] = {}
        if not isinstance(report, bool):
            raise ValueError(f"report must be True or False, got {report!r}")
        self.report = report
        self.enforcement = Enforcement(policy, enforce=enforce)
        chosen = (
            _part("efficiency", efficiency, EfficiencyMonitor),  # first: its count ends before others look
            _part("carbon", carbon, CarbonMonitor),
            _part("overfitting", overfitting, OverfittingMonitor),
            _part("forecast", forecast, ForecastMonitor),
            _part("gradient", gradient, GradientMonitor),
            _part("activation", activation, ActivationMonitor),
            _part("optimizer", optimizer, OptimizerMonitor),
            _part("representation", representation, RepresentationMonitor),
            _part("labels", labels, LabelMonitor),
            _part("inputs", inputs, InputMonitor),
            _part("generation", generation, GenerationMonitor),
        )
        self.parts: tuple[Monitor, ...] = tuple(part for part in chosen if part is not None)
        for part in self.parts:
            part.alone = False
            if isinstance(part, GradientMonitor) and self.on_finding.get("non-finite") == "skip":
                part.skips, part.nonfinite = True, "locate"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the record of a run that has no verdict yet."""
        self.enforcement.forget()
        super().on_train_start(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the record and write the audit; then raise if a policy is enforced and not met."""
        super().on_fit_end(trainer, pl_module)
        self.enforcement.require(trainer)

    def members(self) -> tuple[Monitor, ...]:
        """Return the monitors."""
        return self.parts

    def _repr_html_(self) -> str:
        """Return what a notebook shows of the run: before, while and after it goes."""
        from .notebook import summary

        return summary(self.parts, self.session, self.folder, self.enforcement.verdict)._repr_html_()

    def _tell(self, hook: str, *arguments: Any) -> None:
        if hook not in self._listeners:  # those that do not leave the hook to their base, which here has no part
            parts = [part for part in self.parts if getattr(type(part), hook) is not getattr(Monitor, hook)]
            self._listeners[hook] = parts
        for part in self._listeners[hook]:
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
        if self.may_stop:
            self._stop_if_wanted(arguments[0])

    @property
    def may_stop(self) -> bool:
        """Whether a rule or a monitor may end the training."""
        return "stop" in self.on_finding.values() or any(part.may_stop for part in self.parts)

    def _stop_if_wanted(self, trainer: Trainer) -> None:
        """End the training when a rule or a monitor says so; every rank has to ask, whether it records or not."""
        wanted = self._wanted()
        if self._agreement.reached(trainer, wanted) and not trainer.should_stop:
            trainer.should_stop = True
            if self.session is not None and wanted:
                self.session.event("stopped", name=wanted, at_step=trainer.global_step)

    def _wanted(self) -> str:
        """Return the first rule that fired, or monitor, that the training should stop at."""
        watch = None if self.session is None else self.session.watch
        fired = () if watch is None else watch.fired
        rules = [name for name in fired if self.on_finding.get(name) == "stop"]
        return next(filter(None, (*rules, *(part.stopping for part in self.parts))), "")

    def on_save_checkpoint(self, *arguments: Any) -> None:
        """Delegate to the monitors, before the record is flushed."""
        self._tell("on_save_checkpoint", *arguments)
        super().on_save_checkpoint(*arguments)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delegate to the monitors."""
        super().on_validation_start(trainer, pl_module)
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


def _actions(given: Any) -> dict[str, str]:
    from .warning import NAMES

    if not isinstance(given, Mapping | None):
        raise ValueError(f"on_finding must map names of rules to 'stop' or 'skip', got {given!r}")
    actions = dict(given or {})
    for name, action in actions.items():
        if name not in NAMES:
            raise ValueError(f"on_finding: no rule {name!r} judges a running training; {', '.join(NAMES)} do")
        if action not in ("stop", "skip") or (action == "skip" and name != "non-finite"):
            raise ValueError(f"on_finding[{name!r}] must be 'stop', or 'skip' for non-finite only, got {action!r}")
    return actions


def _part(name: str, given: Any, kind: type[Monitor]) -> Monitor | None:
    if given == AUTO:
        return kind()
    if given is not None and not isinstance(given, kind):
        raise ValueError(f"{name} must be a {kind.__name__} or None, got {given!r}")
    return given
