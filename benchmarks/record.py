"""How long a report takes, and how large a record is."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from groundwire.audit.judge import judge
from groundwire.audit.model import RunStatus, dump
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.report import render_html
from groundwire.audit.runfile import NAME, Attempt, RunFile, now
from groundwire.audit.series import Rows
from groundwire.audit.storage import Folder, open_folder

STEPS = 100_000
COLUMNS = ("train.loss", "optimizer.lr", "gradient.norm")
LAYERS = tuple(f"blocks.{block}.{part}" for block in range(12) for part in ("attention.qkv", "perceptron.0"))


def write(url: str, steps: int = STEPS) -> Folder:
    """Write a finished record of so many steps, flushed as a training does."""
    rng, folder = np.random.default_rng(0), open_folder(url)
    attempt = Attempt(number=1, started=now(), host="h", pid=1, first_step=0)
    run = RunFile(id="benchmark", model="GPT", started=now(), attempts=[attempt])
    recorder = Recorder(folder, attempt=1, rank=0)
    for monitor in ("gradient", "overfitting"):
        recorder.event("monitor", name=monitor, status="ran", reason=None, seconds=1.0)
    for start in range(1, steps, 1000):
        step = np.arange(start, start + 1000)
        loss = 1 + 2 * np.exp(-step / 2e4) + rng.normal(0, 0.05, 1000)
        values = np.stack([loss, 1e-3 * np.cos(step / 1e5), rng.lognormal(0, 0.3, 1000)], axis=1)
        recorder.rows("steps", Rows.of(COLUMNS, [(int(s), int(s), 0, s * 0.02) for s in step], values))
        sampled = [(int(s), int(s), 0, s * 0.02) for s in step[99::100]]
        for table in ("gradient.layer_norm", "gradient.update_ratio"):
            recorder.rows(table, Rows.of(LAYERS, sampled, rng.lognormal(-6, 0.5, (len(sampled), len(LAYERS)))))
        gap = ("overfitting.train_loss", "overfitting.val_loss", "overfitting.gap")
        recorder.rows("overfitting", Rows.of(gap, [(start, start, 0, 0.0)], [[loss[0], loss[0] + 0.1, 0.1]]))
    recorder.flush_events()
    closed = {"status": RunStatus.FINISHED, "ended": now(), "steps": steps, "epochs": 1}
    counts = {"events": recorder.events, "chunks": recorder.chunks}
    folder.write(NAME, run.model_copy(update={"attempts": [attempt.model_copy(update=closed | counts)]}).text())
    return folder


def measure(repeats: int) -> list[str]:
    """Return the table's rows."""
    with tempfile.TemporaryDirectory() as path:
        folder = write(f"{path}/run")
        seconds, page = _report(folder, repeats)
        size = sum(file.stat().st_size for file in Path(path, "run", "series").glob("steps-*"))
    return [
        f"| report of {STEPS:,} steps: read, judge, render | {seconds:.2f} s | ≤ 2 s |",
        f"| its size | {page / 1000:.0f} KB | ≤ 600 KB |",
        f"| per-step series of a million steps | {size * 1e6 / STEPS / 1e6:.1f} MB | ≤ 20 MB |",
    ]


def _report(folder: Folder, repeats: int) -> tuple[float, int]:
    times, page = [], ""
    for _ in range(repeats):
        began = time.perf_counter()
        record = Record.open(folder.url)
        audit = judge(record)
        page = render_html(audit, record)
        times.append(time.perf_counter() - began)
    folder.write("audit.json", dump(audit).encode())
    return statistics.median(times), len(page.encode())
