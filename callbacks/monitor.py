"""The base of all monitors: one record for several of them, and no way to break the training."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from .batches import batch_size
from .phases import TRAINING, VALIDATION
from .purse import SAMPLES
from .schedule import Thinning

if TYPE_CHECKING:
    from .session import Session

log = logging.getLogger(__name__)

P = ParamSpec("P")
M = TypeVar("M", bound="Monitor")
State = dict[str, Any]


class MonitorError(Exception):
    """What keeps a monitor from measuring, as a sentence that says what to do."""


def guarded(hook: Callable[Concatenate[M, P], None]) -> Any:
    """Let a hook run only while its monitor measures; time it; let no exception out.

    The first exception switches the monitor off for the rest of the run and goes into the record.
    """

    @functools.wraps(hook)
    def call(self: M, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.session is None or self.off:
            return
        started = time.perf_counter()
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a monitor must never stop the user's training
            self.fail(error)
        finally:
            self.seconds += time.perf_counter() - started

    return call


def leading(hook: Callable[Concatenate[M, Session, P], None]) -> Any:
    """Let a hook run only in the callback that keeps the shared record; let no exception out."""

    @functools.wraps(hook)
    def call(self: M, *args: P.args, **kwargs: P.kwargs) -> None:
        session = self.session
        if session is None or session.lead is not self:
            return
        try:
            hook(self, session, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the record must never stop the user's training
            session.give_up(error)

    return call


class Monitor(Callback):
    """Measures one thing during `Trainer.fit` and writes it into the run's record.

    Several monitors on one Trainer share one record. Outside `fit`, and under `fast_dev_run`, `barebones`,
    the tuner and the sanity check, a monitor does nothing.

    Attributes:
        name: Name in the audit.
        account: What its samples are paid from.
        session: The record in progress, None outside a run.
        off: Why the monitor does not measure, or an empty string.
        alone: Whether the trainer itself calls its hooks, not another callback.
        stopping: Why the training is to end, or an empty string.
        seconds: What its hooks have cost so far.
    """

    name: ClassVar[str] = "monitor"
    account: ClassVar[str] = SAMPLES

    def __init__(self, *, dirpath: str | os.PathLike[str] | None = None) -> None:
        if dirpath is not None and not isinstance(dirpath, str | os.PathLike):
            raise ValueError(f"dirpath must be a path, an fsspec URL or None, got {dirpath!r}")
        self.dirpath = None if dirpath is None else os.fspath(dirpath)
        self.session: Session | None = None
        self.off = ""
        self.failed = False
        self.alone, self.stopping = True, ""
        self.seconds = 0.0
        self.resumed: State = {}
        self.last_run: str | None = None
        self._last_state: State = {}

    @property
    def folder(self) -> str | None:
        """Path or URL of the run folder of the run in progress or of the last one."""
        return self.session.folder.url if self.session else self._last_folder

    _last_folder: str | None = None

    @property
    def may_stop(self) -> bool:
        """Whether this monitor may end the training."""
        return False

    # What subclasses add to the life of a run; none of them need call super.

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look whether the run can be measured and prepare; `switch_off` says why when it cannot."""

    def flush(self) -> None:
        """Hand over what waits in buffers."""

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure what can only be measured after the last step; not called when the run breaks."""

    def close(self) -> None:
        """Let go of threads and files; called once on every end."""

    def progress(self) -> State:
        """Return what a resumed run must know, in JSON-like types."""
        return {}

    # The life of a run.

    def enter(self, session: Session) -> None:
        """Begin a run as if there had been none before."""
        self.session, self._last_folder, self.last_run = session, session.folder.url, session.run.id
        self.off, self.failed, self.seconds = "", False, 0.0

    def leave(self) -> None:
        """End a run; checkpoints that are saved from now on still name it."""
        self._last_state = self.state_dict()
        self.session = None

    def may_sample(self, step: int, due: Thinning) -> bool:
        """Return whether a step is to be sampled: the first ones always, later ones within the budget."""
        if self.session is None or not due(step):
            return False
        return step <= due.dense or self.session.purse.left(self.account) >= 0

    def members(self) -> tuple[Monitor, ...]:
        """Return the monitors that this callback consists of."""
        return (self,)

    def switch_off(self, reason: str) -> None:
        """Measure no more in this run, for a reason that the audit states."""
        self.off = reason

    def fail(self, error: Exception) -> None:
        """Measure no more because something broke; say so once and go on training."""
        text = str(error) if isinstance(error, MonitorError) else f"{type(error).__name__}: {error}"
        problem = (text.splitlines() or [text])[0][:400]
        self.failed, self.off = True, problem
        log.warning("groundwire: %s switched itself off, training goes on (%s)", self.name, problem)
        log.debug("groundwire: %s", self.name, exc_info=error)
        if self.session is not None:
            self.session.monitor_event(self)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open or join the run's record."""
        from .session import Session

        try:
            Session.join(trainer, pl_module, self)
        except Exception as error:  # noqa: BLE001 - a monitor must never stop the user's training
            log.warning("groundwire: nothing is recorded, training goes on: %s: %s", type(error).__name__, error)

    @leading
    def on_train_batch_start(
        self, session: Session, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Count batches."""
        session.batch_start(trainer, batch_size(batch))

    @leading
    def on_save_checkpoint(self, session: Session, trainer: Trainer, *_: Any) -> None:
        """Remember the step of a checkpoint."""
        session.saving(trainer.global_step)

    @leading
    def on_before_optimizer_step(
        self, session: Session, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        """Begin the row of an optimizer step."""
        session.optimizer_step(trainer, optimizer)

    @leading
    def on_train_batch_end(
        self, session: Session, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Complete the rows of a batch."""
        session.batch_end(trainer, pl_module, outputs)

    @leading
    def on_train_epoch_start(self, session: Session, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what the epoch before has logged."""
        session.phases.switch(TRAINING)
        session.logged(trainer)

    @leading
    def on_validation_start(self, session: Session, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a phase."""
        session.phases.switch(VALIDATION)

    @leading
    def on_validation_end(self, session: Session, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what the validation has logged."""
        session.logged(trainer)
        session.phases.switch(TRAINING)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what the last epoch has logged and measure what remains."""
        self._last_logged(trainer)
        for member in self.members():
            member._finish(trainer, pl_module)

    @leading
    def _last_logged(self, session: Session, trainer: Trainer) -> None:
        session.logged(trainer)

    @guarded
    def _finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.finish(trainer, pl_module)

    @leading
    def on_fit_end(self, session: Session, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the record and write the audit."""
        session.end(trainer)

    @leading
    def on_exception(
        self, session: Session, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the record; the exception stays the user's alone."""
        session.abort(trainer, exception)

    def state_dict(self) -> State:
        """Return the run and the progress in it, never configuration."""
        if self.session is None:
            return self._last_state
        return {"run": self.session.state(), "parts": {m.name: m.progress() for m in self.members()}}

    def load_state_dict(self, state_dict: State) -> None:
        """Remember which run is resumed."""
        self.resumed = dict(state_dict)

    def __getstate__(self) -> State:
        return self.__dict__ | {"session": None}  # threads and open files stay in their process

    def resumed_progress(self, name: str) -> State:
        """Return the progress that a checkpoint held for a monitor, under itself or its callback."""
        callbacks = (self, *(self.session.callbacks if self.session else ()))
        for callback in callbacks:
            parts = callback.resumed.get("parts")
            found = parts.get(name) if isinstance(parts, dict) else None
            if isinstance(found, dict) and found:
                return found
        return {}


def loss_in(outputs: Any) -> Tensor | None:
    """Return the loss in what a step returned: itself, or under the key `loss`; None when there is none."""
    found = outputs.get("loss") if isinstance(outputs, dict) else outputs
    return found.detach() if isinstance(found, Tensor) and found.numel() == 1 else None
