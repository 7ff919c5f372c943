"""What the audit adds to a training step, to the start and to the end, beside what else a user would reach for."""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from groundwire.callbacks import AuditCallback
from lightning.pytorch.callbacks import DeviceStatsMonitor
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import grad_norm

from examples.language_model.data import Reference
from examples.language_model.gpt import GPT

STEPS, VALIDATE = 400, 100


class Clock(L.Callback):
    """Times each step, from the start of its batch to the start of the next, validation apart."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.first = self.last = 0.0
        self._began: float | None = None

    def on_train_batch_start(self, *_: Any) -> None:
        now = time.perf_counter()
        self.first = self.first or now
        if self._began is not None:
            self.steps.append(now - self._began)
        self._began = now

    def on_train_batch_end(self, *_: Any) -> None:
        self.last = time.perf_counter()


class GradNorm(L.Callback):
    """Lightning's own `grad_norm`, logged at every step as its documentation shows."""

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        pl_module.log_dict(grad_norm(pl_module, norm_type=2))


class CodeCarbon(L.Callback):
    """codecarbon alone, started and stopped as its documentation shows."""

    def on_train_start(self, *_: Any) -> None:
        from codecarbon import OfflineEmissionsTracker

        self.tracker = OfflineEmissionsTracker(save_to_file=False, log_level="critical", country_iso_code="FRA")
        self.tracker.start()

    def on_train_end(self, *_: Any) -> None:
        self.tracker.stop()


VARIANTS: dict[str, Callable[[], list[L.Callback]]] = {
    "nothing": list,
    "`AuditCallback(generation=None)`": lambda: [AuditCallback(generation=None)],
    "`grad_norm` logged each step": lambda: [GradNorm()],
    "codecarbon alone": lambda: [CodeCarbon()],
    "`DeviceStatsMonitor`": lambda: [DeviceStatsMonitor()],
}


def fit(callbacks: list[L.Callback]) -> dict[str, float]:
    """Train a GPT of a million parameters and return milliseconds a step and seconds around them."""
    L.seed_everything(0, verbose=False)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_steps=STEPS, val_check_interval=VALIDATE, check_val_every_n_epoch=None, accelerator="cpu",
            callbacks=[*callbacks, clock], logger=CSVLogger(folder), default_root_dir=folder,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip
        module, data = GPT(), Reference(batch_size=8)
        began = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):
            trainer.fit(module, data)
        ended = time.perf_counter()
    return {
        "step_ms": 1e3 * statistics.median(clock.steps),
        "mean_ms": 1e3 * statistics.fmean(clock.steps),
        "start_s": clock.first - began,
        "end_s": ended - clock.last,
    }


def measure(repeats: int) -> list[str]:
    """Return the table's rows: medians over interleaved repeats, as ratios to a run with nothing."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # the second core is left to the threads that some variants start
    for callbacks in VARIANTS.values():
        fit(callbacks())  # the first of each loads packages
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(repeats):
        for name, callbacks in VARIANTS.items():
            runs[name].append(fit(callbacks()))
    return [_row(name, found, runs["nothing"]) for name, found in runs.items()]


def _row(name: str, found: list[dict[str, float]], plain: list[dict[str, float]]) -> str:
    pairs = list(zip(found, plain, strict=True))
    median = {key: sorted(run[key] / base[key] for run, base in pairs) for key in ("step_ms", "mean_ms")}
    added = {key: statistics.median(run[key] - base[key] for run, base in pairs) for key in ("start_s", "end_s")}
    step, mean = (statistics.median(median[key]) for key in ("step_ms", "mean_ms"))
    spread = f"{median['mean_ms'][0]:.3f}–{median['mean_ms'][-1]:.3f}"
    own = statistics.median(run["step_ms"] for run in found)
    around = f"{added['start_s']:+.2f} | {added['end_s']:+.2f}"
    return f"| {name} | {own:.1f} | {step:.3f} | {mean:.3f} ({spread}) | {around} |"
