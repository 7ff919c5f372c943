"""Trains the trials of GEN003 to GEN007 and judges them, each by its own truth."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from groundwire.audit.judge import judge
from groundwire.audit.model import Outcome
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, OverfittingMonitor
from lightning.pytorch.callbacks import EarlyStopping

from ..faults.data import loader
from ..faults.running import each
from . import setups_leaking, setups_repeated, setups_returns, setups_underfit, setups_unstable
from .data import Data
from .models import Small
from .running import DONE, Truth, arranged, batch_of, pretrain
from .trials import Proof, Trial
from .truths import MEASURES, Told

FOLDER = Path("runs/generalisation-rules")
TRIALS = {
    "GEN003": setups_returns,
    "GEN004": setups_underfit,
    "GEN005": setups_leaking,
    "GEN006": setups_unstable,
    "GEN007": setups_repeated,
}


def proofs(seeds: Sequence[int]) -> list[Proof]:
    """Return all trials with each of the seeds."""
    return [
        Proof(rule=rule, faulty=faulty, trial=trial, seed=seed)
        for rule, module in TRIALS.items()
        for faulty, trials in ((True, module.FAULTY), (False, module.HEALTHY))
        for trial in trials
        for seed in seeds
    ]


def train(proof: Proof, folder: Path) -> None:
    """Train a trial and record it, and beside the record what the test set says."""
    place, trial = folder / proof.id, proof.trial
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    L.seed_everything(proof.seed, verbose=False)
    data = arranged(trial.setup, proof.seed)
    if trial.arrange is not None:
        data = trial.arrange(data, torch.Generator().manual_seed(proof.seed))
    truth = _fit(trial, data, proof.seed, [_audit(trial, data, place)])
    told: dict[str, Any] = {"steps": truth.steps, "losses": truth.losses, "examples": _different(data)}
    if trial.better is not None:
        told["reached"] = min(_fit(Trial(setup=trial.better), data, proof.seed, []).losses)
    (place / DONE).write_text(json.dumps(told) + "\n")


def _different(data: Data) -> int:
    return len(torch.unique(data.train[0].flatten(1), dim=0))


def _audit(trial: Trial, data: Data, place: Path) -> AuditCallback:
    """Return the callback; what is found must not depend on how fast the machine is: it gets all samples."""
    given = loader(data.train, trial.setup.batch_size, shuffle=True) if trial.reference else None
    overfitting = OverfittingMonitor(train_eval_dataloader=given)
    return AuditCallback(
        carbon=None, generation=None, report=False, dirpath=place, overhead_budget=1.0, overfitting=overfitting
    )


def _fit(trial: Trial, data: Data, seed: int, callbacks: list[L.Callback]) -> Truth:
    setup, truth = trial.setup, Truth(data.test)
    module = Small(setup, data)
    if setup.pretrained:
        pretrain(module, setup, seed)
    if trial.change is not None:
        trial.change(module, data)
    callbacks = [*callbacks, truth]
    if setup.patience:
        callbacks.append(EarlyStopping("val_loss", patience=setup.patience))
    every = setup.steps * trial.options.get("accumulate_grad_batches", 1) // setup.validations
    options: dict[str, Any] = {"max_steps": setup.steps, "max_epochs": -1} | dict(trial.options)
    trainer = L.Trainer(
        val_check_interval=every, check_val_every_n_epoch=None, callbacks=callbacks, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
        **options,
    )  # fmt: skip
    loaders = (
        loader(data.train, setup.batch_size, shuffle=True),
        loader(data.val, batch_of(setup), shuffle=trial.drawn_anew),
    )
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, *loaders)
    return truth


@dataclass(frozen=True, kw_only=True, slots=True)
class Proved:
    """A run, what the audit found, and the truth.

    Attributes:
        proof: The run.
        fired: Codes of the family's rules that fired.
        open: Why the rule could not tell; empty where it could.
        truth: Its rule's measure (%).
    """

    proof: Proof
    fired: tuple[str, ...]
    open: str
    truth: float

    @property
    def named(self) -> bool:
        """Whether the rule fired."""
        return self.proof.rule in self.fired

    @property
    def as_built(self) -> bool:
        """Whether the test set agrees with what the run is meant to be."""
        return MEASURES[self.proof.rule].faulty(self.truth) is self.proof.faulty


def prove(proof: Proof, folder: Path) -> Proved:
    """Judge the record of a trained trial."""
    place, trial = folder / proof.id, proof.trial
    truth = json.loads((place / DONE).read_text())
    record = Record.open(next(place.glob("*/run.json")).parent)
    audit = judge(record)
    step = np.array(truth["steps"])
    seen = step[-1] * trial.setup.batch_size * trial.options.get("accumulate_grad_batches", 1)
    told = Told(
        step=step, loss=np.array(truth["losses"]), val=float(record.series("overfitting.val_loss").value[-1]),
        reached=truth.get("reached", float("nan")), epochs=seen / truth["examples"],
    )  # fmt: skip
    unsure = (said for said in audit.rules if said.rule == proof.rule)
    return Proved(
        proof=proof, fired=tuple(sorted(f.rule for f in audit.findings if f.rule.startswith("GEN"))),
        open=next((said.reason or "" for said in unsure if said.outcome in (Outcome.UNKNOWN, Outcome.ERROR)), ""),
        truth=MEASURES[proof.rule].of(told),
    )  # fmt: skip


def train_all(chosen: Sequence[Proof], folder: Path, jobs: int) -> None:
    """Train what is not done yet, in `jobs` processes."""
    for _ in each(train, [one for one in chosen if not (folder / one.id / DONE).exists()], folder, jobs, "training"):
        pass


def prove_all(chosen: Sequence[Proof], folder: Path, jobs: int) -> list[Proved]:
    """Judge all, in the order given."""
    found = {one.id: proved for one, proved in each(prove, chosen, folder, jobs, "judging")}
    return [found[one.id] for one in chosen]
