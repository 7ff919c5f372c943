"""What the audit adds to a training step, to the start and to the end, beside what else a user would reach for."""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import lightning as L
import torch
from groundwire.callbacks import AuditCallback
from lightning.pytorch.callbacks import DeviceStatsMonitor, ThroughputMonitor
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import grad_norm

from examples.digits import Classifier, loaders
from examples.language_model.data import Reference
from examples.language_model.gpt import GPT

HEAD = (
    "| callback | ms a step | median step | mean step | CPU of the fit (range) | whole fit | start, s | end, s |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Seconds of one fit.

    Attributes:
        steps: Each step, from the start of its batch to the start of the next, with the validation between them.
        cpu: Processor time of all threads, which other work on the machine hardly changes.
        whole: The fit as the clock on the wall has it.
        start: Until the first batch.
        end: After the last batch.
    """

    steps: list[float]
    cpu: float
    whole: float
    start: float
    end: float


class Clock(L.Callback):
    """Times each step, from the start of its batch to the start of the next."""

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


class Watch(L.Callback):
    """Weights & Biases watching gradients as its documentation shows, offline."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        import wandb

        wandb.init(mode="offline", dir=trainer.default_root_dir, settings=wandb.Settings(silent=True))
        wandb.watch(pl_module, log="gradients", log_freq=100)

    def on_train_batch_end(self, *_: Any) -> None:
        import wandb

        wandb.log({})

    def on_fit_end(self, *_: Any) -> None:
        import wandb

        wandb.unwatch()
        wandb.finish()


def throughput() -> L.Callback:
    """Return Lightning's `ThroughputMonitor`, which wants to be told how large a batch is."""
    return ThroughputMonitor(batch_size_fn=lambda batch: len(batch[0]))


NOTHING = "nothing"
VARIANTS: dict[str, Callable[[], list[L.Callback]]] = {
    NOTHING: list,
    "`AuditCallback(generation=None)`": lambda: [AuditCallback(generation=None)],
    "`grad_norm` logged each step": lambda: [GradNorm()],
    "codecarbon alone": lambda: [CodeCarbon()],
    "`detect_anomaly=True`": list,
    "`ThroughputMonitor`": lambda: [throughput()],
    "`DeviceStatsMonitor`": lambda: [DeviceStatsMonitor()],
} | ({"`wandb.watch`, offline": lambda: [Watch()]} if find_spec("wandb") else {})
OPTIONS: dict[str, dict[str, Any]] = {"`detect_anomaly=True`": {"detect_anomaly": True}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """A training to measure on.

    Attributes:
        title: Heading of its table.
        make: Returns a fresh module and what else `Trainer.fit` takes.
        steps: Optimizer steps of a fit.
        validate: Steps between two validations.
        variants: How many of `VARIANTS` are compared, from the first.
    """

    title: str
    make: Callable[[], tuple[Any, ...]]
    steps: int
    validate: int
    variants: int = len(VARIANTS)


WORKLOADS = (
    Workload(title="A GPT of 1 M parameters, batches of 8 × 64 tokens", steps=1500, validate=300,
             make=lambda: (GPT(), Reference(batch_size=8))),
    Workload(title="A GPT of 10 M parameters, batches of 8 × 64 tokens", steps=240, validate=60,
             make=lambda: (GPT(width=512, depth=3, heads=8), Reference(batch_size=8)), variants=3),
    Workload(title="A convolutional network of 10 k parameters, batches of 32 digits", steps=4000, validate=400,
             make=lambda: (Classifier(), *loaders()), variants=3),
)  # fmt: skip


def fit(workload: Workload, callbacks: list[L.Callback], steps: int, **options: Any) -> Timing:
    """Train once and say how long it took."""
    L.seed_everything(0, verbose=False)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_steps=steps, val_check_interval=workload.validate, check_val_every_n_epoch=None,
            callbacks=[*callbacks, clock], logger=CSVLogger(folder), default_root_dir=folder, accelerator="cpu",
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, **options,
        )  # fmt: skip
        arguments = workload.make()
        began, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stderr(io.StringIO()):
            trainer.fit(*arguments)
        ended, cpu = time.perf_counter(), time.process_time() - cpu
    start, end = clock.first - began, ended - clock.last
    return Timing(steps=clock.steps, cpu=cpu, whole=ended - began, start=start, end=end)


def measure(repeats: int) -> Iterator[str]:
    """Yield the tables: ratios to a run with nothing."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # the second core is left to the threads that some variants start
    for workload in WORKLOADS:
        runs = _interleaved(workload, repeats)
        rows = (_row(name, found, runs[NOTHING]) for name, found in runs.items())
        yield "\n".join([f"{workload.title}, {workload.steps} steps:\n", HEAD, *rows, ""])


def _interleaved(workload: Workload, repeats: int) -> dict[str, list[Timing]]:
    names = list(VARIANTS)[: workload.variants]
    runs: dict[str, list[Timing]] = {name: [] for name in names}
    for name in names:
        fit(workload, VARIANTS[name](), 20, **OPTIONS.get(name, {}))  # the first of each loads packages
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            runs[name].append(fit(workload, VARIANTS[name](), workload.steps, **OPTIONS.get(name, {})))
    return runs


def _row(name: str, found: list[Timing], plain: list[Timing]) -> str:
    pairs = list(zip(found, plain, strict=True))
    own, base = _typical_steps(found), _typical_steps(plain)
    median = statistics.median(own) / statistics.median(base)
    mean = statistics.fmean(own) / statistics.fmean(base)
    cpu = sorted(run.cpu / other.cpu for run, other in pairs)
    whole = statistics.median(run.whole / other.whole for run, other in pairs)
    start = statistics.median(run.start - other.start for run, other in pairs)
    end = statistics.median(run.end - other.end for run, other in pairs)
    processor = f"{statistics.median(cpu):.3f} ({cpu[0]:.3f}–{cpu[-1]:.3f})"
    steps = f"{1e3 * statistics.median(own):.2f} | {median:.3f} | {mean:.3f}"
    return f"| {name} | {steps} | {processor} | {whole:.3f} | {start:+.2f} | {end:+.2f} |"


def _typical_steps(found: list[Timing]) -> list[float]:
    """Return for each step of the fit its median over the repeats: a burst of other work hits it in one of them."""
    return [statistics.median(same) for same in zip(*(run.steps for run in found), strict=True)]
