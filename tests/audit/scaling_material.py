"""Runs of several sizes whose losses follow a law."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from groundwire.audit.model import RunStatus
from groundwire.audit.recorder import Recorder
from groundwire.audit.runfile import NAME, now
from groundwire.audit.series import Rows
from groundwire.audit.storage import open_folder
from run_material import attempt, run_file

STEPS = 40


def planted_loss(parameters: float, tokens: float) -> float:
    return 1.8 + 480 / parameters**0.35 + 2100 / tokens**0.37


def sized_run(
    path: Path, *, parameters: float | None, tokens: float | None, loss: float, validated: bool = True,
    status: RunStatus = RunStatus.FINISHED,
) -> Path:  # fmt: skip
    """Write a run of 40 steps that ends with a loss, and logged its tokens unless they are None."""
    folder = open_folder(path)
    model = {} if parameters is None else {"parameters": parameters}
    options = {"configuration": {"trainer": {}, "optimizer": {}, "data": {}, "model": model}}
    folder.write(NAME, run_file(**options).text())
    recorder = Recorder(folder, attempt=1, rank=0)
    last = [(STEPS - 1, STEPS - 1, 0, 1.0), (STEPS, STEPS, 0, 2.0)]
    recorder.rows("steps", Rows.of(("train.loss",), last, [[loss + 0.2], [loss]]))
    early = [(step, step, 0, 0.5) for step in range(1, STEPS - 1)]
    recorder.rows("steps", Rows.of(("train.loss",), early, [[9.0]] * len(early)))
    if validated:
        recorder.rows("overfitting", Rows.of(("overfitting.val_loss",), last, [[loss + 0.2], [loss]]))
    if tokens is not None:
        recorder.rows("logged", Rows.of(("tokens",), last, [[tokens / 2], [tokens]]))
    recorder.flush_events()
    closed = attempt(status=status, ended=now(), steps=STEPS, epochs=1, events=recorder.events,
                     chunks=recorder.chunks)  # fmt: skip
    folder.write(NAME, run_file(closed, **options).text())
    return path


def ladder(folder: Path, amount: int = 12) -> list[Path]:
    """Write runs of different sizes whose losses follow the law."""
    rng = np.random.default_rng(0)
    runs = []
    for number in range(amount):
        parameters = float(round(np.exp(rng.uniform(17, 22))))
        tokens = float(np.float32(parameters * np.exp(rng.uniform(1, 5))))
        loss = planted_loss(parameters, tokens) * float(np.exp(rng.normal(0, 0.002)))
        runs.append(sized_run(folder / f"run-{number}", parameters=parameters, tokens=tokens, loss=loss))
    return runs
