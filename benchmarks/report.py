"""How long a report takes and how large it is: long runs, many samples, many layers, and none of anything."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
from groundwire.audit.judge import judge
from groundwire.audit.model import RunStatus
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.report import render_html
from groundwire.audit.runfile import NAME, Attempt, RunFile, now, parse
from groundwire.audit.series import Rows
from groundwire.audit.storage import Folder, open_folder

from . import record

SAMPLES, CONTINUATIONS, LENGTH = 200, 5, 40
WORDS = ["the", "of", "a", "model", "people", "said", "that", "work", "was", "never", "quite", "good", "home"]
LAYERS = 500
STEPS = 100_000
GOALS = {
    f"{STEPS:,} steps, {SAMPLES} samples": (1.0, 400),
    "1,000,000 steps": (5.0, 400),
    f"{LAYERS} layers, {STEPS:,} steps": (1.0, 400),
    "no step": (1.0, 400),
}  # seconds, KB


def measure(repeats: int) -> list[str]:
    """Return the table's rows: reading, judging and rendering, after import."""
    makers: tuple[Callable[[str], Folder], ...] = (_sampled, _long, _deep, _nothing)
    rows = []
    for (what, (seconds, kilobytes)), make in zip(GOALS.items(), makers, strict=True):
        with tempfile.TemporaryDirectory() as path:
            took, size = _timed(make(f"{path}/run").url, repeats)
        rows += [
            f"| report of {what}: read, judge, render | {took:.2f} s | ≤ {seconds:g} s |",
            f"| its size | {size / 1000:.0f} KB | ≤ {kilobytes} KB |",
        ]
    return rows


def _timed(url: str, repeats: int) -> tuple[float, int]:
    """Return the median of seconds and the bytes of the page, with its samples in full."""
    page, times = _page(url), []  # the first compiles the templates
    for _ in range(repeats):
        began = time.perf_counter()
        page = _page(url)
        times.append(time.perf_counter() - began)
    return statistics.median(times), len(page.encode())


def _page(url: str) -> str:
    found = Record.open(url)
    audit = judge(found)
    return render_html(audit, found, samples="full")


def _sampled(url: str) -> Folder:
    """Write a long run that was asked and answered."""
    return _more(record.write(url, STEPS), _samples)


def _long(url: str) -> Folder:
    return record.write(url, 1_000_000)


def _deep(url: str) -> Folder:
    """Write a long run of many layers."""
    return _more(record.write(url, STEPS), _layers)


def _nothing(url: str) -> Folder:
    folder = open_folder(url)
    run = RunFile(id="benchmark", model="GPT", started=now(), attempts=[_attempt()])
    folder.write(NAME, run.text())
    return folder


def _attempt(number: int = 1, **more: object) -> Attempt:
    return Attempt.model_validate(
        {"number": number, "started": now(), "host": "h", "pid": 1, "first_step": 0} | more, strict=False
    )


def _more(folder: Folder, write: Callable[[Recorder], None]) -> Folder:
    """Write more into a finished run, as a second attempt that took no step of its own."""
    run, _ = parse(folder.read(NAME), NAME)
    recorder = Recorder(folder, attempt=2, rank=0)
    write(recorder)
    recorder.flush_events()
    ended = {"ended": now(), "steps": STEPS, "epochs": 1, "first_step": STEPS}
    counts = {"events": recorder.events, "chunks": recorder.chunks}
    second = _attempt(2, status=RunStatus.FINISHED, **ended, **counts)
    folder.write(NAME, run.model_copy(update={"attempts": [*run.attempts, second]}).text())
    return folder


def _samples(recorder: Recorder) -> None:
    rng = np.random.default_rng(1)
    words = np.array(WORDS)
    for number in range(SAMPLES):
        texts = [" ".join(rng.choice(words, LENGTH)) for _ in range(CONTINUATIONS)]
        recorder.event("sample", step=STEPS, prompt=f"{number}: the people said that", continuations=texts,
                       toxicity=list(rng.beta(0.3, 3, CONTINUATIONS)), set="neutral")  # fmt: skip


def _layers(recorder: Recorder) -> None:
    rng = np.random.default_rng(2)
    names = tuple(f"transformer.blocks.{number}.attention.output.weight" for number in range(LAYERS))
    steps = np.arange(1, 201) * (STEPS // 200)
    keys = [(int(step), int(step), 0, step * 0.02) for step in steps]
    for table in ("gradient.layer_norm", "gradient.update_ratio"):
        recorder.rows(table, Rows.of(names, keys, rng.lognormal(-6, 0.5, (len(keys), LAYERS))))


if __name__ == "__main__":
    print("| what | measured | goal |\n|---|---|---|", *measure(5), sep="\n")
