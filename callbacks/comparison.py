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
from .step_loss import Loss, loss_of
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
        quantity: What these losses are.
        gaps: Those of further loaders and of metrics.
    """

    train: Sample
    val: Sample
    val_loss: float
    quantity: str
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
        self._losses: dict[int, Loss] = {}  # of each loader, as its first answers show
        self._looked = False
        self._left_out: set[str] = set()

    @property
    def sides(self) -> int:
        """How many sets of batches the step is asked about."""
        return 1 + sum(self._val.asks(loader) for loader in self._val.loaders or [0])

    def run(self, trainer: Trainer, pl_module: LightningModule, amount: int) -> Compared:
        """Ask the step about `amount` batches of each side.

        Raises:
            MonitorError: The step cannot take a training batch, or gives no loss.
        """
        with isolated(pl_module) as logged:
            step = ValidationStep(trainer, pl_module, logged, metrics=self._metrics)
            if not self._looked:
                self._look_for_training(step)
            asked = step.over(self._train.batches[:amount])
            loss = self._loss(asked)
            if loss.returned:
                self._val.believe()
            first, train = self._asked(step, 0, amount), loss.sample(asked.said)
            val = self._sample(first, 0)
            gaps = [*self._of_metrics(trainer, asked, first), *self._of_loaders(trainer, step, train, amount)]
        whole = self.val_loss(trainer)
        return Compared(
            train=train, val=val, val_loss=val.mean if whole is None else whole,
            quantity=loss.told(trainer.world_size), gaps=tuple(gaps),
        )  # fmt: skip

    def val_loss(self, trainer: Trainer, loader: int = 0) -> float | None:
        """Return a loader's loss on the whole set, at no cost; None where it is not known."""
        loss = self._losses.get(loader, self._losses.get(0))
        shared = trainer.world_size > 1 and loss is not None and loss.whole and loss.reduction.over_ranks
        if self._val.returns(loader) and not shared:
            return self._val.sample(loader).mean
        return self._logged(trainer, loss.key, loader) if loss is not None and loss.whole else None

    def _loss(self, asked: Answers, loader: int = 0) -> Loss:
        if loader not in self._losses:
            self._losses[loader] = loss_of(asked.said, self._monitor)
        return self._losses[loader]

    def _asked(self, step: ValidationStep, loader: int, amount: int) -> Answers:
        return step.over(self._val.batches(loader)[:amount] if self._val.asks(loader) else (), loader)

    def _sample(self, asked: Answers, loader: int) -> Sample:
        returned = self._val.returns(loader)
        return self._val.sample(loader) if returned else self._loss(asked, loader).sample(asked.said)

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

    def _of_metrics(self, trainer: Trainer, train: Answers, val: Answers) -> Iterator[Gap]:
        for name, direction in self._metrics.items():
            try:
                yield metric_gap(name, direction, train, val, self._logged(trainer, name, 0), trainer.world_size)
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
        val = self._sample(self._asked(step, loader, amount), loader)
        whole, found = self.val_loss(trainer, loader), spread(train, val)
        share = self._losses.get(loader, self._losses[0]).share(trainer.world_size)
        method = f"eval mode, same weights, validation loader {loader} against the same training loss{share}"
        return Gap(
            labels={"dataloader": str(loader)}, value=(val.mean if whole is None else whole) - train.mean,
            spread=found, unit="loss", method=f"{method}; {METHODS[found.over]}",
        )  # fmt: skip

    def _leave_out(self, what: str, error: MonitorError) -> None:
        if what not in self._left_out:
            self._session.not_checked(what, str(error))
        self._left_out.add(what)
