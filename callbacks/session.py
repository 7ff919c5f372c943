"""One run being recorded: shared by all monitors of a trainer, kept by the first of them."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any
from weakref import WeakKeyDictionary

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from ..audit.model import RunStatus
from ..audit.recorder import Recorder
from ..audit.runfile import NAME, RunFile, now
from ..audit.series import NO_STEP, Rows
from ..audit.storage import Folder
from . import ending
from .buffer import Key, ScalarBuffer
from .checkpoints import Checkpoints
from .monitor import Monitor, loss_in
from .opening import Opened, open_run
from .phases import CHECKPOINT, TRAINING, Phases
from .purse import BUDGET, Purse
from .warning import Watch

log = logging.getLogger(__name__)

URGENT = ("nonfinite",)  # events after which rules are asked at once
FLUSH_ROWS = 1000
FLUSH_S = 10.0
FLUSH_REMOTE_S = 60.0  # an object store gets a new object at each flush

_sessions: WeakKeyDictionary[Trainer, Session] = WeakKeyDictionary()


class Session:
    """The record of one attempt on one rank, while it is written."""

    def __init__(self, trainer: Trainer, opened: Opened, lead: Monitor) -> None:
        self.lead = lead
        self.run: RunFile = opened.run
        self.folder: Folder = opened.folder
        self.rank = trainer.global_rank
        self.local_rank = trainer.local_rank
        self.resumed = opened.resumed
        self.recorder: Recorder | None = Recorder(self.folder, attempt=opened.attempt, rank=self.rank)
        self.callbacks: list[Monitor] = []
        self.batch = opened.batches
        self.seconds = 0.0  # what keeping the record has cost, monitors apart
        self.purse = Purse(float(getattr(lead, "overhead_budget", BUDGET)), self._cost)
        self.phases = Phases()
        self.first_step = trainer.global_step
        self._steps = ScalarBuffer()
        self._announced = False
        self.hurried = False  # the process is being interrupted: nothing may take long
        self._checkpoints = Checkpoints()
        quiet = not getattr(lead, "report", True)
        self.watch: Watch | None = Watch(self.run, quiet=quiet) if self.rank == 0 else None
        self._urgent = False
        self._pending: dict[tuple[int, int], dict[str, float | Tensor]] = {}
        self._seen: dict[str, Any] = {}
        self._size = 1
        self._flushed = 0.0

    # Joining

    @classmethod
    def join(cls, trainer: Trainer, pl_module: LightningModule, callback: Monitor) -> None:
        """Give `callback` the trainer's session; the first to ask opens it, on every rank."""
        session = _sessions.get(trainer)
        if session is None:
            if getattr(trainer, "fast_dev_run", False) or trainer.barebones:
                return
            session = cls._open(trainer, pl_module, callback)
            if session is None:
                return
            _sessions[trainer] = session
        session.callbacks.append(callback)
        callback.enter(session)
        for member in callback.members():
            session.admit(member, trainer, pl_module)

    @classmethod
    def _open(cls, trainer: Trainer, pl_module: LightningModule, lead: Monitor) -> Session | None:
        opened = open_run(trainer, pl_module, lead)
        if isinstance(opened, str):
            if trainer.global_rank == 0:
                log.warning("groundwire: nothing is recorded, training goes on: %s", opened)
            return None
        try:
            import pyarrow.ipc  # noqa: F401 - it takes a moment, which else the first step would wait

            return cls(trainer, opened, lead)
        except OSError as error:
            log.warning("groundwire: nothing is recorded, training goes on: %s", error)
            return None

    def admit(self, monitor: Monitor, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with one monitor."""
        monitor.enter(self)
        started = time.perf_counter()
        try:
            monitor.begin(trainer, pl_module)
        except Exception as error:  # noqa: BLE001 - a monitor must never stop the user's training
            monitor.fail(error)
        monitor.seconds += time.perf_counter() - started
        self.monitor_event(monitor)

    @property
    def monitors(self) -> list[Monitor]:
        """All monitors that take part."""
        return [member for callback in self.callbacks for member in callback.members()]

    # While training

    def _cost(self) -> float:
        return self.seconds + sum(monitor.seconds for monitor in self.monitors)

    def key(self, step: int, optimizer: int = 0) -> Key:
        """Return the key of a row written now."""
        return self.batch, step, optimizer, time.monotonic() - self.purse.started

    def batch_start(self, trainer: Trainer, size: int) -> None:
        """Count a batch of `size` examples."""
        self.batch += 1
        self._size = size
        self.phases.switch(TRAINING)
        self._note_checkpoints(trainer)
        if not self._announced:
            self._announced = True
            if self.rank == 0 and getattr(self.lead, "report", True):
                sys.stderr.write(f"{ending.opening_line(self.monitors, self.folder.url)}\n")

    def saving(self, step: int) -> None:
        """Remember at which step a checkpoint is about to be written."""
        self._checkpoints.saving(step)
        self.phases.switch(CHECKPOINT)
        self.flush()  # a resumed run trains no step before its checkpoint again

    def _note_checkpoints(self, trainer: Trainer) -> None:
        for path, step in self._checkpoints.fresh(trainer):
            self.event("checkpoint", path=path, at_step=step)
        for hashed in self._checkpoints.hashed():
            self.event("checkpoint", **hashed)

    def optimizer_step(self, trainer: Trainer, optimizer: Any) -> None:
        """Begin the row of the step that `optimizer` is about to take."""
        index = next((i for i, known in enumerate(trainer.optimizers) if _same(known, optimizer)), 0)
        row: dict[str, float | Tensor] = {"optimizer.lr": _number(optimizer.param_groups[0]["lr"])}
        self._pending[trainer.global_step + 1, index] = row

    def put(self, name: str, value: float | Tensor) -> None:
        """Add a value to the row of the step that is about to be taken."""
        if self._pending:
            next(reversed(self._pending.values()))[name] = value

    def batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any) -> None:
        """Complete the rows of this batch with its loss and flush when it is time."""
        started = time.perf_counter()
        loss = loss_in(outputs)
        if not self._pending and loss is not None:
            self._pending[trainer.global_step + 1, NO_STEP] = {}
        if loss is not None:
            # Lightning has divided the loss by the number of accumulated batches.
            parts = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            next(reversed(self._pending.values()))["train.loss"] = loss * parts if parts > 1 else loss
        for (step, optimizer), values in self._pending.items():
            values["data.batch_size"] = float(self._size)
            self._steps.add(self.key(step, optimizer), values)
        self._pending.clear()
        self.seconds += time.perf_counter() - started
        if self._flush_due():
            self.flush()
            self._look(trainer.global_step)

    def _look(self, step: int) -> None:
        """Judge what was written lately, on rank zero."""
        urgent, self._urgent = self._urgent, False
        if self.watch is None:
            return
        started = time.perf_counter()
        try:
            for finding in self.watch.look(at_once=urgent):
                self.event("warning", rule=finding.rule, name=finding.name, summary=finding.summary, at_step=step)
        except Exception as error:
            self.watch = None
            log.debug("groundwire: no warnings any more", exc_info=error)
        self.seconds += time.perf_counter() - started

    def logged(self, trainer: Trainer) -> None:
        """Keep what the module has logged since the last time."""
        fresh: dict[str, float | Tensor] = {}
        for name, value in trainer.callback_metrics.items():
            # Lightning makes a new tensor each time that something is logged.
            if self._seen.get(name) is not value and isinstance(value, Tensor) and value.numel() == 1:
                self._seen[name] = value
                fresh[name] = value
        if fresh:
            buffer = ScalarBuffer()
            buffer.add(self.key(trainer.global_step), fresh)
            for rows in buffer.take():
                self.rows("logged", rows)

    def _flush_due(self) -> bool:
        if len(self._steps) >= FLUSH_ROWS or not self._flushed or self._urgent:
            return True
        patience = FLUSH_S if self.folder.local else FLUSH_REMOTE_S
        return time.monotonic() - self._flushed > patience

    def flush(self) -> None:
        """Write all that waits."""
        started = time.perf_counter()
        for monitor in self.monitors:
            if not monitor.off:
                try:
                    monitor.flush()
                except Exception as error:  # noqa: BLE001 - a monitor must never stop the user's training
                    monitor.fail(error)
        for rows in self._steps.take():
            self.rows("steps", rows)
        self._write(lambda recorder: recorder.flush_events())
        self._flushed = time.monotonic()
        self.seconds += time.perf_counter() - started

    def rows(self, table: str, rows: Rows) -> None:
        """Write rows of a table."""
        if self.watch is not None:
            self.watch.rows(table, rows)
        self._write(lambda recorder: recorder.rows(table, rows))

    def event(self, kind: str, *, step: int | None = None, **data: Any) -> None:
        """Note something discrete."""
        # Only the first time: a model that has become NaN stays so at every step.
        self._urgent |= kind in URGENT and self.watch is not None and not self.watch.told(kind)
        if self.watch is not None:
            self.watch.event(kind, step, data)
        self._write(lambda recorder: recorder.event(kind, step=step, **data))

    def warn(self, name: str, summary: str, step: int) -> None:
        """Note something that a monitor has seen itself, and say it."""
        self.event("warning", name=name, summary=summary, at_step=step)
        if self.watch is not None:
            self.watch.say(f"  ! {name}  {summary}")

    def monitor_event(self, monitor: Monitor) -> None:
        """Note how a monitor is."""
        status = "error" if monitor.failed else "off" if monitor.off else "ran"
        self.event("monitor", name=monitor.name, status=status, reason=monitor.off or None, seconds=monitor.seconds)

    def not_checked(self, what: str, reason: str) -> None:
        """Note what a reader might take for granted and what was not measured."""
        self.event("not_checked", what=what, reason=reason)

    def _write(self, action: Any) -> None:
        """Write, or give up on the record for good: half a record that goes on would mislead."""
        if self.recorder is None:
            return
        try:
            action(self.recorder)
        except Exception as error:  # noqa: BLE001 - a full disk must not stop the user's training
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """Record no more; what was written stays, and the audit says that it is not all."""
        if self.recorder is not None:
            self.recorder = None
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            message = "groundwire: cannot record to %s (%s): recording stops here, training goes on"
            log.warning(message, self.folder.url, reason)
            log.debug("groundwire: recording", exc_info=error)

    # Ends

    def state(self) -> dict[str, Any]:
        """Return what finds this run again after a resume."""
        number = self.run.attempts[-1].number
        return {"id": self.run.id, "folder": self.folder.url, "attempt": number, "batches": self.batch}

    def end(self, trainer: Trainer) -> None:
        """Close the record of a run that came to its end."""
        try:
            self._note_checkpoints(trainer)
            for hashed in self._checkpoints.finish():
                self.event("checkpoint", **hashed)
        except Exception as error:  # noqa: BLE001 - the other ranks wait at the barrier
            self.give_up(error)
        self._close(trainer)
        trainer.strategy.barrier("groundwire: every rank has written its part")
        self._conclude(trainer, RunStatus.FINISHED, None)

    def abort(self, trainer: Trainer, exception: BaseException) -> None:
        """Close the record of a run that broke; no rank can be waited for."""
        names = {kind.__name__ for kind in type(exception).__mro__}
        interrupted = bool(names & {"KeyboardInterrupt", "SIGTERMException", "SystemExit"})
        self.hurried = interrupted
        status = RunStatus.INTERRUPTED if interrupted else RunStatus.CRASHED
        try:
            self._close(trainer)
            self._checkpoints.stop()
            self._conclude(trainer, status, type(exception).__name__)
        except Exception as error:  # noqa: BLE001 - it would replace the user's own exception
            log.warning("groundwire: the audit could not be written: %s", error)

    def _close(self, trainer: Trainer) -> None:
        _sessions.pop(trainer, None)
        self.flush()
        self._note_checkpoints(trainer)
        for monitor in self.monitors:
            try:
                monitor.close()
            except Exception as error:  # noqa: BLE001 - a monitor must never stop the user's training
                monitor.fail(error)
            self.monitor_event(monitor)
        # The last word of a rank: without it, or with fewer chunks than it tells, something is missing.
        self.event("cost", seconds=self.seconds, chunks=self.recorder.chunks if self.recorder else None)
        self._write(lambda recorder: recorder.flush_events())

    def _conclude(self, trainer: Trainer, status: RunStatus, exception: str | None) -> None:
        """Write status, audit and page on rank zero, and let go of the callbacks."""
        try:
            if self.rank == 0:
                self._write_run(trainer, status, exception)
                ending.conclude(self.folder, self.lead, status, out=sys.stderr)
        except Exception as error:  # noqa: BLE001 - the training has ended well, the audit must not spoil it
            log.warning("groundwire: the audit could not be written: %s", error)
        for callback in (*self.callbacks, *self.monitors):
            callback.leave()

    def _write_run(self, trainer: Trainer, status: RunStatus, exception: str | None) -> None:
        attempt = self.run.attempts[-1].model_copy(
            update={
                "status": status,
                "ended": now(),
                "steps": trainer.global_step,
                "epochs": trainer.current_epoch,
                "exception": exception,
                "events": self.recorder.events if self.recorder else None,
                "chunks": self.recorder.chunks if self.recorder else None,
            }
        )
        self.run = self.run.model_copy(update={"attempts": [*self.run.attempts[:-1], attempt]})
        self.folder.write(NAME, self.run.text())


def _same(known: Any, optimizer: Any) -> bool:
    """Return whether two optimizers are one: Lightning hands out wrappers of them in manual optimisation."""
    return known is optimizer or getattr(optimizer, "optimizer", None) is known


def _number(value: Any) -> float | Tensor:
    return value if isinstance(value, Tensor) else float(value)
