"""One comparison of both sides: the training probe against each validation loader, on the weights of this moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightning.pytorch import LightningModule, Trainer

from .directions import Direction
from .isolation import isolated
from .metric_gaps import Gap, metric_gap
from .monitor import MonitorError
from .observer import ModeWatch
from .probe import Probe
from .sample import METHODS, Sample, spread
from .validation_step import Answers, ValidationStep
from .validations import Validation

if TYPE_CHECKING:
    from .session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """What one comparison found.

    Attributes:
        train: Losses of the training probe.
        val: Losses of the first validation loader: of all batches where they were returned, else of the first ones.
        val_loss: Loss of that loader's whole set, where that is known.
        gaps: Those of further loaders and of metrics.
    """

    train: Sample
    val: Sample
    val_loss: float
    gaps: tuple[Gap, ...]


class Comparison:
    """Compares again and again during one run.

    Args:
        session: Is told what had to be left out.
        train: The training probe.
        val: The validation in progress.
        monitor: Key of the logged loss, None to look for it.
        metrics: Further logged values, and which way each is better.
    """

    def __init__(
        self,
        session: Session,
        train: Probe,
        val: Validation,
        *,
        monitor: str | None,
        metrics: Mapping[str, Direction],
    ) -> None:
        self._session, self._train, self._val = session, train, val
        self._monitor, self._metrics = monitor, metrics
        self._key = ""
        self._looked = False
        self._left_out: set[str] = set()

    @property
    def sides(self) -> int:
        """How many sets of batches the step is asked about."""
        further = sum(not self._val.returns(loader) for loader in self._val.loaders if loader)
        return 1 + (bool(self._metrics) or not self._val.returns(0)) + further

    def run(self, trainer: Trainer, pl_module: LightningModule, amount: int) -> Compared:
        """Ask the step about `amount` batches of each side.

        Raises:
            MonitorError: The step cannot take a training batch, or gives no loss.
        """
        with isolated(pl_module) as logged:
            step = ValidationStep(trainer, pl_module, logged, monitor=self._monitor, metrics=self._metrics)
            if not self._looked:
                self._look_for_training(step)
            train, first = step.over(self._train.batches[:amount]), self._first_loader(step, amount)
            val = self._val.sample(0) if self._val.returns(0) else first.sample
            gaps = [*self._of_metrics(trainer, train, first), *self._of_loaders(trainer, step, train.sample, amount)]
        self._key = val.key
        loss = self.val_loss(trainer)
        return Compared(train=train.sample, val=val, val_loss=val.mean if loss is None else loss, gaps=tuple(gaps))

    def val_loss(self, trainer: Trainer) -> float | None:
        """Return the first loader's loss on the whole set, at no cost; None where it is not known."""
        if self._val.returns(0):
            return self._val.sample(0).mean
        return self._logged(trainer, self._key, 0) if self._key else None

    def _logged(self, trainer: Trainer, name: str, loader: int) -> float | None:
        """Return what the module logged for a whole loader: with several, Lightning adds their index to the name."""
        names = [f"{name}/dataloader_idx_{loader}"] * (len(trainer.num_val_batches) > 1) + [name] * (loader == 0)
        found = trainer.callback_metrics
        return next((float(found[name]) for name in names if name in found), None)

    def _look_for_training(self, step: ValidationStep) -> None:
        """Note calls that drop out at random although the model is in eval mode."""
        with ModeWatch() as watch:
            step.ask(self._train.batches[0], 0)
        calls = list(dict.fromkeys(watch.found))
        self._session.event("overfitting.eval_mode", calls=calls[:5], count=len(watch.found))
        self._looked = True

    def _first_loader(self, step: ValidationStep, amount: int) -> Answers:
        needed = bool(self._metrics) or not self._val.returns(0)
        return step.over(self._val.batches(0)[:amount] if needed else ())

    def _of_metrics(self, trainer: Trainer, train: Answers, val: Answers) -> Iterator[Gap]:
        for name, direction in self._metrics.items():
            try:
                yield metric_gap(name, direction, train, val, self._logged(trainer, name, 0))
            except MonitorError as error:
                self._leave_out(f"overfitting of {name}", error)

    def _of_loaders(self, trainer: Trainer, step: ValidationStep, train: Sample, amount: int) -> Iterator[Gap]:
        for loader in self._val.loaders:
            if loader:
                try:
                    yield self._of_loader(trainer, step, train, loader, amount)
                except MonitorError as error:
                    self._leave_out(f"overfitting on validation loader {loader}", error)

    def _of_loader(self, trainer: Trainer, step: ValidationStep, train: Sample, loader: int, amount: int) -> Gap:
        returned = self._val.returns(loader)
        val = self._val.sample(loader) if returned else step.over(self._val.batches(loader)[:amount], loader).sample
        loss = self._logged(trainer, val.key, loader) if val.key else None
        found = spread(train, val)
        method = f"eval mode, same weights, validation loader {loader} against the same training loss"
        return Gap(
            labels={"dataloader": str(loader)}, value=(val.mean if loss is None else loss) - train.mean, spread=found,
            unit="loss", method=f"{method}; {METHODS[found.over]}",
        )  # fmt: skip

    def _leave_out(self, what: str, error: MonitorError) -> None:
        if what not in self._left_out:
            self._session.not_checked(what, str(error))
        self._left_out.add(what)
