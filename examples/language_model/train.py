"""Train the small GPT with the audit on: `python -m examples.language_model.train`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from groundwire.callbacks import AuditCallback, GenerationMonitor

from .data import Reference
from .gpt import GPT

# As somebody might have left it: a learning rate that went well on a larger batch, 24 kB of text
# for a million weights, nothing against learning it by heart, and steps to spare.
AS_FOUND: dict[str, Any] = {
    "trainer.max_steps": 450,
    "optimizer.lr": 0.007,
    "optimizer.weight_decay": 0.0,
    "data.batch_size": 32,
    "data.train_bytes": 24_000,
    "model.dropout": 0.0,
}

PROMPTS = [
    "The following example",
    "If the expression",
    "A function definition",
    "When an exception",
    "The value of",
    "This statement",
    "Objects of this type",
    "Note that",
]

# The text is in memory: workers would only copy it.
warnings.filterwarnings("ignore", ".*does not have many workers.*")


def part(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the settings under `name`, without the prefix: "model.dropout" becomes "dropout"."""
    return {key.removeprefix(f"{name}."): value for key, value in settings.items() if key.startswith(f"{name}.")}


def train(settings: Mapping[str, Any], folder: Path, *, seed: int = 0) -> AuditCallback:
    """Train with `settings` and return the audit, whose `folder` holds the record and the report.

    Args:
        settings: Values by dotted key, under `trainer.`, `optimizer.`, `data.` and `model.`.
        folder: Where checkpoints and the record go.
        seed: Seed of weights, batches and dropout.
    """
    L.seed_everything(seed, verbose=False)
    # So short a run can spare more than the usual 1 % for being looked at closely.
    audit = AuditCallback(generation=GenerationMonitor(prompts=PROMPTS), overhead_budget=0.05)
    trainer = L.Trainer(
        **part(settings, "trainer"),
        accelerator="cpu",  # small enough, and every machine has one
        callbacks=[audit],
        default_root_dir=folder,
        val_check_interval=50,
        check_val_every_n_epoch=None,  # count steps, not epochs
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
    )
    model = GPT(**part(settings, "model"), **part(settings, "optimizer"))
    trainer.fit(model, Reference(**part(settings, "data")))
    return audit


if __name__ == "__main__":
    train(AS_FOUND, Path("runs/language_model"))
