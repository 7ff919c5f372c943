"""Chooses the run folder: rank zero decides, every rank is told once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from os import getpid
from socket import gethostname
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from ..audit import runfile
from ..audit.errors import GroundwireError
from ..audit.model import RunStatus
from ..audit.runfile import Attempt, RunFile
from ..audit.storage import Folder, join, open_folder
from .environment import configuration, environment
from .monitor import Monitor

DERIVED = ("audit.json", "report.html", "report.md")


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """Where and as what this attempt is recorded.

    Attributes:
        folder: The run folder.
        run: Content of run.json.
        attempt: Number of this attempt, from 1.
        batches: Batches that the attempts before it had trained.
        resumed: Whether the same record goes on.
    """

    folder: Folder
    run: RunFile
    attempt: int
    batches: int
    resumed: bool


def open_run(trainer: Trainer, pl_module: LightningModule, lead: Monitor) -> Opened | str:
    """Return the opened run, or why it cannot be recorded; called on every rank.

    Whatever goes wrong on rank zero, the broadcast takes place: the other ranks wait for it.
    """
    log_dir = trainer.log_dir  # itself a broadcast: on every rank or none
    answer: tuple[str, bytes, int, bool] | str = "rank zero did not decide"
    if trainer.global_rank == 0:
        answer = _decide(trainer, pl_module, lead, log_dir)
    answer = trainer.strategy.broadcast(answer, src=0)
    if isinstance(answer, str):
        return answer
    url, content, batches, resumed = answer
    run, _ = runfile.parse(content, url)
    number = run.attempts[-1].number
    return Opened(folder=open_folder(url), run=run, attempt=number, batches=batches, resumed=resumed)


def _decide(
    trainer: Trainer, pl_module: LightningModule, lead: Monitor, log_dir: str | None
) -> tuple[str, bytes, int, bool] | str:
    callbacks = [lead, *(c for c in _callbacks(trainer) if isinstance(c, Monitor))]
    chosen = next((c.dirpath for c in callbacks if c.dirpath), None)
    dirpath = chosen or join(log_dir or trainer.default_root_dir, "groundwire")
    state: dict[str, Any] = next((c.resumed["run"] for c in callbacks if isinstance(c.resumed.get("run"), dict)), {})
    parent = state.get("id") or next((c.last_run for c in callbacks if c.last_run), None)
    try:
        if state:
            for callback in callbacks:
                callback.resumed = callback.resumed | {"run": None}  # a second fit does not resume again
            found = _go_on(trainer, state, dirpath)
            if found is not None:
                return found
        return _begin(trainer, pl_module, dirpath, parent)
    except (OSError, GroundwireError) as error:
        return f"cannot write to {dirpath} ({getattr(error, 'strerror', None) or error}); choose another dirpath="
    except Exception as error:  # noqa: BLE001 - the broadcast must take place, the training must go on
        return f"{type(error).__name__}: {error}"


def _callbacks(trainer: Trainer) -> list[Any]:
    return list(getattr(trainer, "callbacks", ()))


def _begin(
    trainer: Trainer, pl_module: LightningModule, dirpath: str, parent: str | None
) -> tuple[str, bytes, int, bool]:
    """Make the folder of a new run."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    folder = open_folder(join(dirpath, name))
    run = RunFile(
        id=name,
        parent=parent,
        model=type(pl_module).__name__,
        started=runfile.now(),
        world_size=trainer.world_size,
        attempts=[_attempt(1, trainer, None)],
        environment=environment(trainer),
        configuration=configuration(trainer, pl_module),
    )
    folder.write(runfile.NAME, run.text())
    return folder.url, run.text(), 0, False


def _go_on(trainer: Trainer, state: dict[str, Any], dirpath: str) -> tuple[str, bytes, int, bool] | None:
    """Begin the next attempt in the record that the checkpoint names; None when that cannot be."""
    found = _find(state, dirpath)
    if found is None:
        return None
    folder, run = found
    later = [a for a in run.attempts if a.number > int(state.get("attempt", 0))]
    if any(a.alive for a in run.attempts) or any(a.status is RunStatus.FINISHED for a in later):
        return None  # this checkpoint has been resumed before: that run keeps its record
    next_one = _attempt(run.attempts[-1].number + 1, trainer, int(state.get("attempt", 1)))
    attempts = [*map(_buried, run.attempts), next_one]
    run = run.model_copy(update={"attempts": attempts, "world_size": max(run.world_size, trainer.world_size)})
    folder.write(runfile.NAME, run.text())
    for name in DERIVED:
        folder.remove(name)
    return folder.url, run.text(), int(state.get("batches", 0)), True


def _find(state: dict[str, Any], dirpath: str) -> tuple[Folder, RunFile] | None:
    """Return the run of a checkpoint, where it was or, when the folder has been moved, below `dirpath`."""
    for url in (str(state.get("folder", "")), join(dirpath, str(state["id"]))):
        try:
            folder = open_folder(url)
            run, intact = runfile.parse(folder.read(runfile.NAME), url)
        except (OSError, GroundwireError):
            continue
        if intact and run.id == state["id"]:
            return folder, run
    return None


def _attempt(number: int, trainer: Trainer, resumes: int | None) -> Attempt:
    return Attempt(
        number=number,
        started=runfile.now(),
        host=gethostname(),
        pid=getpid(),
        world_size=trainer.world_size,
        resumes=resumes,
        first_step=trainer.global_step,
        first_epoch=trainer.fit_loop.epoch_progress.current.ready,  # one that was begun elsewhere is not whole here
    )


def _buried(attempt: Attempt) -> Attempt:
    """Say of an attempt that ended without a word that it was killed."""
    if attempt.status is not RunStatus.RUNNING:
        return attempt
    return attempt.model_copy(update={"status": RunStatus.CRASHED, "exception": "killed"})
