"""Trains cases, each into a folder of its own; what is done is not trained again."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

import lightning as L
import torch
from groundwire.callbacks import AuditCallback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .cases import Case, plan_of
from .peers.observed import FILE as OBSERVED
from .peers.recording import PeerRecorder
from .plan import Plan, quiet

FOLDER = Path("runs/faults")
Item = TypeVar("Item")
Found = TypeVar("Found")
DONE = "done.json"  # written last: without it a case is trained again

log = logging.getLogger(__name__)


def is_done(case: Case, folder: Path) -> bool:
    """Return whether a case has been trained."""
    return (folder / case.id / DONE).exists()


def record_of(case: Case, folder: Path) -> Path | None:
    """Return the run folder of a trained case; None when its training broke before a record was opened."""
    return run_in(folder / case.id)


def run_in(place: Path) -> Path | None:
    """Return the run folder that lies in a folder; None without one."""
    return next((path.parent for path in place.glob("*/run.json")), None)


def train(case: Case, folder: Path) -> None:
    """Train a case and record it; an exception of the training is part of its result."""
    place = folder / case.id
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    began, recorder = time.monotonic(), PeerRecorder()
    crash = fit(lambda: plan_of(case), place, recorder)
    recorder.observed().save(place / OBSERVED)
    finish(place, {"crash": crash, "seconds": round(time.monotonic() - began, 2)})


def finish(place: Path, result: dict[str, Any]) -> None:
    """Write that a run is done, and how it went, at once or not at all."""
    unfinished = place / f"{DONE}.{os.getpid()}"
    unfinished.write_text(json.dumps(result) + "\n")
    unfinished.replace(place / DONE)


def fit(make: Callable[[], Plan], place: Path, *further: L.Callback) -> str | None:
    """Train a plan under an audit whose record comes to lie in a folder; return what broke it, if anything did."""
    # What is found must not depend on how fast the machine is: runs this short get all samples.
    audit = AuditCallback(carbon=None, generation=None, report=False, dirpath=place, overhead_budget=1.0)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            make().fit(audit, *further)
    except Exception as error:  # noqa: BLE001 - a fault may break the training: that is no error of ours
        return f"{type(error).__name__}: {error}"
    return None


def train_all(cases: Sequence[Case], folder: Path, jobs: int) -> list[Case]:
    """Train what is not done yet, in `jobs` processes, and return what was trained."""
    waiting = [case for case in cases if not is_done(case, folder)]
    for _ in each(train, waiting, folder, jobs, "training"):
        pass
    return waiting


def each(
    work: Callable[[Item, Path], Found], cases: Iterable[Item], folder: Path, jobs: int, title: str
) -> Iterator[tuple[Item, Found]]:
    """Yield each case with what `work` makes of it, in the order in which they are finished."""
    waiting = list(cases)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    processes = max(1, min(jobs, len(waiting)))
    context = multiprocessing.get_context("spawn")  # forked threads of torch may wait for ever
    with (
        ProcessPoolExecutor(processes, mp_context=context, initializer=_alone) as pool,
        Progress(*columns, transient=True) as progress,
    ):
        futures = {pool.submit(work, case, folder): case for case in waiting}
        for future in progress.track(as_completed(futures), total=len(futures), description=title):
            yield futures[future], future.result()


def _alone() -> None:
    """Let a process take one core, and keep quiet."""
    quiet()
    torch.set_num_threads(1)
