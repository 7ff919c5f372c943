"""One attempt of a training of ten phases, in a process of its own: `python -m benchmarks.energy.course --help`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from groundwire.callbacks import CarbonMonitor
from groundwire.callbacks.phases import GENERATION
from lightning.pytorch.callbacks import ModelCheckpoint

from ..efficiency.running import silence
from .power import JOULES, WAVES, Truth, plug

SPANS = 5  # of training, each followed by a validation or by answers to prompts, in turns
PERIOD_S = 10.0


class Sleeper(L.LightningModule):
    """Takes as long as it is told, and nothing of the processor."""

    def __init__(self, truth: Truth, step_s: float) -> None:
        super().__init__()
        self.truth, self.step_s = truth, step_s
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Train."""
        self.truth.switch("training")
        time.sleep(self.step_s)
        return (self.weight - 1).square().sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Validate."""
        self.truth.switch("validation")
        time.sleep(self.step_s)

    def configure_optimizers(self) -> Any:
        """Descend."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Course(L.Callback):
    """Answers prompts where it is their turn, breaks where it is told to, and writes down the truth at the end."""

    def __init__(self, truth: Truth, monitor: CarbonMonitor, options: argparse.Namespace) -> None:
        self.truth, self.monitor, self.options = truth, monitor, options

    def on_train_start(self, *_: Any) -> None:
        """Begin."""
        self.truth.switches[:] = [(time.monotonic(), "training")]

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Answer and break."""
        span, step = self.options.span, trainer.global_step
        if step % (2 * span) == span and self.monitor.session is not None:
            with self.monitor.session.phases.during(GENERATION):
                self.truth.switch("generation")
                time.sleep(span * self.options.step_s)
            self.truth.switch("training")
        if step == self.options.stop_at:
            self._write()
            _stop(self.options.how)

    def on_train_end(self, *_: Any) -> None:
        """Write down the truth."""
        self._write()

    def _write(self) -> None:
        found = {kind: {p: j / JOULES for p, j in self.truth.joules(kind).items()} for kind in WAVES}
        seconds = time.monotonic() - self.truth.switches[0][0]
        self.options.truth.write_text(json.dumps({"kwh": found, "seconds": seconds}))


def _stop(how: str) -> None:
    if how == "exception":
        raise RuntimeError("the machine is gone")
    os.kill(os.getpid(), signal.Signals[how])


def options(given: list[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.energy.course", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the run is recorded")
    parser.add_argument("truth", type=Path, help="file for what was really spent")
    parser.add_argument("--resume", type=Path, help="checkpoint")
    parser.add_argument("--span", type=int, default=60, help="steps of a phase (default 60)")
    parser.add_argument("--step-s", type=float, default=0.1, help="seconds of a step (default 0.1)")
    parser.add_argument("--stop-at", type=int, default=0, help="step at which it breaks")
    parser.add_argument("--how", default="exception", help="exception, SIGTERM or SIGKILL")
    return parser.parse_args(given)


def run(given: list[str] | None = None) -> str | None:
    """Train one attempt; return its run folder."""
    told, truth = options(given), Truth()
    plug(truth)
    monitor = CarbonMonitor(dirpath=told.folder, country_iso_code="FRA", measure_power_secs=PERIOD_S)
    saving = ModelCheckpoint(dirpath=told.folder / "saved", every_n_train_steps=2 * told.span, save_top_k=-1)
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    with silence():
        trainer = L.Trainer(
            accelerator="cpu", max_steps=SPANS * told.span, val_check_interval=2 * told.span,
            num_sanity_val_steps=0, default_root_dir=told.folder,
            callbacks=[Course(truth, monitor, told), monitor, saving], **quiet,
        )  # fmt: skip
        training = torch.utils.data.DataLoader([torch.zeros(1)] * (SPANS * told.span + 1))
        validation = torch.utils.data.DataLoader([torch.zeros(1)] * told.span)
        trainer.fit(Sleeper(truth, told.step_s), training, validation, ckpt_path=told.resume)
    return monitor.folder


if __name__ == "__main__":
    torch.set_num_threads(1)
    run()
