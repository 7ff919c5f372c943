"""Run folders made on the spot, as a training would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from groundwire.audit.judge import judge
from groundwire.audit.model import RunStatus, dump
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.runfile import NAME, Attempt, RunFile, now
from groundwire.audit.series import Rows
from groundwire.audit.storage import Folder, open_folder

STEPS = ("train.loss", "optimizer.lr", "gradient.norm")
CONFIGURATION: dict[str, Any] = {
    "trainer": {"max_steps": -1},
    "optimizer": {"lr": 0.01, "weight_decay": 0.0, "count": 1},
    "model": {"dropout": 0.0},
    "data": {},
}


def attempt(number: int = 1, *, first_step: int = 0, status: RunStatus = RunStatus.RUNNING, **more: Any) -> Attempt:
    return Attempt(
        number=number, started=now(), host="elsewhere", pid=1, first_step=first_step, status=status, **more
    )


def run_file(*attempts: Attempt, world_size: int = 1, **more: Any) -> RunFile:
    found = list(attempts) or [attempt()]
    options: dict[str, Any] = {"configuration": CONFIGURATION} | more
    return RunFile(id="20261121T0059-7f3a", model="TinyGPT", started=now(), attempts=found, world_size=world_size,
                   **options)  # fmt: skip


def write_steps(recorder: Recorder, steps: range, *, flush: int = 10, loss: float | None = None) -> None:
    """Write per-step rows as a training does: one chunk each `flush` steps, and an event with each."""
    for start in range(steps.start, steps.stop, flush):
        part = range(start, min(start + flush, steps.stop))
        values = [[loss if loss is not None else 1 / step, 0.01, 1.0 + step % 3] for step in part]
        recorder.rows("steps", Rows.of(STEPS, [(step, step, 0, 0.1 * step) for step in part], values))
        recorder.event("tick", step=part[-1], chunk=start)
        recorder.flush_events()


def make_run(url: str | Path, *, steps: int = 50, finished: bool = True, monitors: bool = True) -> Folder:
    """Write a whole run and return its folder."""
    folder = open_folder(url)
    folder.write(NAME, run_file().text())
    recorder = Recorder(folder, attempt=1, rank=0)
    if monitors:
        for name in ("gradient", "overfitting"):
            recorder.event("monitor", name=name, status="ran", reason=None, seconds=0.1)
    write_steps(recorder, range(1, steps + 1))
    gap = ("overfitting.train_loss", "overfitting.val_loss", "overfitting.gap", "overfitting.gap_low",
           "overfitting.gap_high")  # fmt: skip
    recorder.rows("overfitting", Rows.of(gap, [(steps, steps, 0, 1.0)], [[1.0, 1.2, 0.2, 0.1, 0.3]]))
    recorder.rows("logged", Rows.of(("val_loss",), [(steps, steps, 0, 1.0)], [[1.2]]))
    recorder.flush_events()
    if finished:
        close_run(folder, recorder, steps)
    return folder


def close_run(folder: Folder, recorder: Recorder, steps: int) -> None:
    closed = attempt(status=RunStatus.FINISHED, ended=now(), steps=steps, epochs=1, events=recorder.events,
                     chunks=recorder.chunks)  # fmt: skip
    folder.write(NAME, run_file(closed).text())


def judged_run(path: Path, **options: Any) -> Path:
    """Write a run with its audit.json."""
    folder = make_run(path, **options)
    folder.write("audit.json", dump(judge(Record.open(folder.url))).encode())
    return path


def finite(values: Any) -> bool:
    return bool(np.isfinite(np.asarray(values)).all())
