"""Trains the setups, each into a folder of its own; what is done is not trained again."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from groundwire.callbacks import AuditCallback
from lightning.pytorch.callbacks import EarlyStopping

from ..faults.data import Pair, loader
from ..faults.running import each
from .data import Data, load
from .models import Small
from .setups import Setup
from .setups_healthy import HEALTHY
from .setups_overfit import OVERFIT

FOLDER = Path("runs/generalisation")
DONE = "truth.json"  # written last: without it a case is trained again
Kind = Literal["overfit", "healthy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One run.

    Attributes:
        kind: What it is.
        setup: How it is trained.
        seed: Of data, weights and batches.
    """

    kind: Kind
    setup: Setup
    seed: int

    @property
    def id(self) -> str:
        """Its name and that of its folder."""
        return f"{self.kind}-{self.setup.name}-{self.seed}"


def cases(seeds: Sequence[int]) -> list[Case]:
    """Return all setups with each of the seeds."""
    both: tuple[tuple[Kind, tuple[Setup, ...]], ...] = (("overfit", OVERFIT), ("healthy", HEALTHY))
    return [Case(kind=kind, setup=setup, seed=seed) for seed in seeds for kind, setups in both for setup in setups]


class Truth(L.Callback):
    """Measures the loss on the test set at each validation, which nothing else sees.

    Attributes:
        steps: Optimizer steps.
        losses: Mean loss at each of them.
    """

    def __init__(self, test: Pair) -> None:
        self.test = test
        self.steps: list[int] = []
        self.losses: list[float] = []

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Measure: the module is in eval mode."""
        with torch.no_grad():
            self.losses.append(float(pl_module.losses(self.test).mean()))
        self.steps.append(trainer.global_step)


def train(case: Case, folder: Path) -> None:
    """Train a case and record it, and beside the record what the test set says."""
    place = folder / case.id
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    began = time.monotonic()
    truth = fit(case, place)
    told = {"steps": truth.steps, "losses": truth.losses, "seconds": round(time.monotonic() - began, 1)}
    (place / DONE).write_text(json.dumps(told) + "\n")


def fit(case: Case, place: Path) -> Truth:
    """Train."""
    setup = case.setup
    L.seed_everything(case.seed, verbose=False)
    data = arranged(setup, case.seed)
    module = Small(setup, data)
    if setup.pretrained:
        pretrain(module, setup, case.seed)
    truth = Truth(data.test)
    # What is found must not depend on how fast the machine is: runs this short get all samples.
    audit = AuditCallback(carbon=None, generation=None, report=False, dirpath=place, overhead_budget=1.0)
    stop = [EarlyStopping("val_loss", patience=setup.patience)] if setup.patience else []
    trainer = L.Trainer(
        max_steps=setup.steps, max_epochs=-1, val_check_interval=setup.steps // setup.validations,
        check_val_every_n_epoch=None, callbacks=[audit, truth, *stop], accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
    )  # fmt: skip
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, loader(data.train, setup.batch_size, shuffle=True), loader(data.val, batch_of(setup)))
    return truth


def batch_of(setup: Setup) -> int:
    """Return the size of validation batches: at least four of them, without which an interval means little."""
    return max(2, min(64, setup.val // 4))


def arranged(setup: Setup, seed: int) -> Data:
    data = load(setup.data, seed, train=setup.train, val=setup.val, noise=setup.noise)
    draw = torch.Generator().manual_seed(seed)
    if setup.harder:
        val, test = (
            (inputs + setup.harder * torch.randn(inputs.shape, generator=draw), targets)
            for inputs, targets in (data.val, data.test)
        )
        data = replace(data, val=val, test=test)
    if setup.copies > 1:
        inputs, targets = data.train
        data = replace(data, train=(inputs.repeat(setup.copies, 1), targets.repeat(setup.copies)))
    return data


def pretrain(module: Small, setup: Setup, seed: int) -> None:
    """Teach the module another task of the same kind."""
    inputs, targets = load(setup.data, seed + 1000, train=2000, val=1, noise=0.0).train
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(setup.pretrained):
        chosen = torch.randint(len(inputs), (64,))
        optimizer.zero_grad()
        module.losses((inputs[chosen], targets[chosen])).mean().backward()
        optimizer.step()


def train_all(chosen: Sequence[Case], folder: Path, jobs: int) -> None:
    """Train what is not done yet, in `jobs` processes."""
    waiting = [case for case in chosen if not (folder / case.id / DONE).exists()]
    for _ in each(train, waiting, folder, jobs, "training"):
        pass
