"""What `groundwire generate` does: ask a model without a training, and leave a run folder like any other."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .console import say
from .environment import machine
from .errors import UsageError
from .evaluation import Evaluation, Told
from .given_model import load_language_model
from .judge import judge
from .model import Audit, Quality, RunKind, RunStatus, Scalar, dump, sealed
from .prompts.readers import read_labelled
from .questions import Questions
from .record import Record
from .recorder import Recorder
from .report import render_html
from .runfile import NAME, Attempt, RunFile, now
from .scoring import Scoring, Trial
from .storage import Folder, join, open_folder

STEP = 0
MOST_PASSAGES = 200_000
BATCH = 32  # nothing else needs the memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is wanted.

    Attributes:
        model: What `load_language_model` takes.
        questions: What it is asked.
        scorer: What `load_scorer` takes.
        trial: Labelled texts on which the scorer has to qualify, with their name.
        seconds: That answering may take; None for as long as it takes.
        output: Where run folders are made: a path or an fsspec URL.
        options: What the user said, for the record.
    """

    model: str
    questions: Questions
    scorer: str
    trial: Trial | None
    seconds: float | None
    output: str
    options: dict[str, Any]


def request_of(
    *, model: str, prompts: str, adversarial: bool, groups: bool, pairs: str, train_texts: Path | None,
    held_out_texts: Path | None, samples: int, scorer: str, validation: Path | None, seed: int,
    max_seconds: float | None, output: str,
) -> Request:  # fmt: skip
    """Return what the options of the command mean, all files read.

    Raises:
        UsageError: An option is not allowed, or a file cannot be read.
    """
    told = {name: value if isinstance(value, Scalar | None) else str(value) for name, value in locals().items()}
    if max_seconds is not None and not 0 < max_seconds < float("inf"):
        raise UsageError(f"--max-seconds must be positive, got {max_seconds}.")
    questions = Questions.of(
        prompts=prompts, k=samples, seed=seed, adversarial=adversarial, groups=groups,
        pairs=None if pairs == "none" else pairs, train_texts=train_texts, held_out_texts=held_out_texts,
    )  # fmt: skip
    trial = (validation.name, read_labelled(validation)) if validation else None
    return Request(
        model=model, questions=questions, scorer=scorer, trial=trial, seconds=max_seconds, output=output, options=told
    )


def generate(request: Request) -> tuple[str, Audit, list[str]]:
    """Ask, score, and write run folder, audit and report; return the folder, the audit and what broke.

    Raises:
        GroundwireError: The model cannot be loaded or asked, nothing can be scored, or nothing can be written.
    """
    model = load_language_model(request.model)
    noted: list[tuple[str, str]] = []
    scoring = Scoring(request.scorer, request.trial, lambda what, reason: noted.append((what, reason)))
    scoring.preflight()
    with _recorded(request) as (recorder, folder), _progress() as told:
        for path, digest in _weights(request.model):
            recorder.event("checkpoint", path=path, at_step=STEP, file_sha256=digest)
        evaluation = Evaluation(
            model, request.questions, scoring, isolated=_still, told=told, most_passages=MOST_PASSAGES, batch=BATCH
        )
        began = time.monotonic()
        try:
            found = evaluation.whole(seconds=request.seconds or float("inf"), step=STEP)
        finally:
            _note_monitor(recorder, time.monotonic() - began, noted)
        for kind, data in found.noted(scoring.cards, asked=request.questions.facts()):
            recorder.event(kind, **data)
    return folder.url, _concluded(folder), found.problems


def undecided(audit: Audit) -> list[str]:
    """Return what was asked and decides nothing, with its reason, each reason once."""
    found: dict[str, list[str]] = {}
    for metric in audit.metrics:
        if metric.quality is Quality.UNKNOWN and not metric.labels and metric.monitor == "generation":
            found.setdefault(metric.reason or "no value", []).append(metric.name)
    return [f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}" for why, names in found.items()]


def _still() -> Any:
    """Return a context without gradients, where torch is in use."""
    torch = sys.modules.get("torch")
    return torch.no_grad() if torch is not None else nullcontext()


@contextmanager
def _recorded(request: Request) -> Iterator[tuple[Recorder, Folder]]:
    """Open a run folder, and say in it how the asking ended."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    folder = open_folder(join(request.output, name))
    attempt = Attempt(number=1, started=now(), host=socket.gethostname(), pid=os.getpid(), first_step=STEP)
    run = RunFile(
        id=name, kind=RunKind.GENERATION, model=request.model, started=attempt.started, attempts=[attempt],
        environment=machine(), configuration={"generate": request.options},
    )  # fmt: skip
    try:
        folder.write(NAME, run.text())
        recorder = Recorder(folder, attempt=1, rank=0)
    except OSError as error:
        raise UsageError(f"Cannot write to {request.output}: {error.strerror or error}.") from error
    status, exception = RunStatus.CRASHED, None
    try:
        yield recorder, folder
        status = RunStatus.FINISHED
    except BaseException as error:
        status = RunStatus.INTERRUPTED if isinstance(error, KeyboardInterrupt) else status
        say(f"groundwire: how far it came is in {folder.url}")
        exception = type(error).__name__
        raise
    finally:
        recorder.event("cost", seconds=0.0, chunks=recorder.chunks)
        recorder.flush_events()
        ended = {"status": status, "ended": now(), "steps": STEP, "epochs": 0, "exception": exception}
        ended |= {"events": recorder.events, "chunks": recorder.chunks}
        run = run.model_copy(update={"attempts": [attempt.model_copy(update=ended)]})
        folder.write(NAME, run.text())


def _note_monitor(recorder: Recorder, seconds: float, noted: list[tuple[str, str]]) -> None:
    recorder.event("monitor", name="generation", status="ran", reason=None, seconds=seconds)
    for what, reason in noted:
        recorder.event("not_checked", what=what, reason=reason)


def _concluded(folder: Folder) -> Audit:
    record = Record.open(folder.url)
    audit = sealed(judge(record))
    folder.write("audit.json", dump(audit).encode())
    folder.write("report.html", render_html(audit, record).encode("utf-8", "replace"))
    return audit


def _weights(model: str) -> Iterator[tuple[str, str]]:
    """Yield the files of weights in a model's folder with their digests."""
    folder = Path(model)
    names = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]) if folder.is_dir() else []
    for path in names:
        with path.open("rb") as file:
            yield str(path), hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _progress() -> Iterator[Told]:
    """Show on a terminal what is asked and how far that is."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def told(what: str, done: int, of: int | None) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=1, total=1, visible=False)
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done)

        yield told
