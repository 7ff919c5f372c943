"""What a run ran on and how it was configured, as JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from pydantic import JsonValue
from torch import nn

from ..audit.environment import machine
from ..audit.recorder import plain

SECRET = re.compile(r"token|secret|passw|credential|api_?key", re.IGNORECASE)
TEXT = 200  # characters of a hyperparameter that are kept


def environment(trainer: Trainer) -> dict[str, JsonValue]:
    """Return host-independent facts: versions, hardware, strategy, seed and the state of the code."""
    return {
        **machine(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "accelerator": trainer.strategy.root_device.type,
        "nodes": trainer.num_nodes,
        "strategy": type(trainer.strategy).__name__,
        "world_size": trainer.world_size,
        "precision": str(trainer.precision),
        "seed": os.environ.get("PL_GLOBAL_SEED"),
    }


def configuration(trainer: Trainer, pl_module: LightningModule) -> dict[str, JsonValue]:
    """Return hyperparameters under the prefixes that recommendations use: trainer, optimizer, data, model."""
    return {
        "trainer": {
            "max_steps": trainer.max_steps,
            "max_epochs": trainer.max_epochs,
            "accumulate_grad_batches": trainer.accumulate_grad_batches,
            "gradient_clip_val": trainer.gradient_clip_val,
            "precision": str(trainer.precision),
            **_validation(trainer),
        },
        "optimizer": _optimizer(trainer),
        "data": _data(trainer),
        "model": _model(pl_module),
    }


def _validation(trainer: Trainer) -> dict[str, JsonValue]:
    names = ("limit_val_batches", "val_check_interval", "check_val_every_n_epoch")
    return {name: plain(getattr(trainer, name, None)) for name in names}


def _optimizer(trainer: Trainer) -> dict[str, JsonValue]:
    if not trainer.optimizers:
        return {}
    optimizer = trainer.optimizers[0]
    group = optimizer.param_groups[0]
    options = {name: value for name, value in group.items() if name not in {"params", "param_names"}}
    # A scheduler has already scaled `lr` for its first step.
    lr = options.pop("initial_lr", options.get("lr"))
    named = {"name": type(optimizer).__name__, "count": len(trainer.optimizers)}
    return _capped(named | options | {"lr": float(lr) if lr is not None else None})


def _data(trainer: Trainer) -> dict[str, JsonValue]:
    declared = getattr(getattr(trainer, "datamodule", None), "hparams", {})
    loader = trainer.train_dataloader
    found = {name: getattr(loader, name) for name in ("batch_size", "num_workers") if hasattr(loader, name)}
    return _capped(dict(declared) | found | _epoch(trainer) | _validated(trainer))


def _validated(trainer: Trainer) -> dict[str, int]:
    """Return the batches of a validation on a rank, of its largest loader, where they are known before the first."""
    counts = [count for count in trainer.num_val_batches if isinstance(count, int) and count > 0]
    return {"validation_batches": max(counts)} if counts and len(counts) == len(trainer.num_val_batches) else {}


def _epoch(trainer: Trainer) -> dict[str, int]:
    """Return the batches of an epoch on a rank, the steps that they make, and the examples of all ranks, if known."""
    batches = trainer.num_training_batches
    if not (isinstance(batches, int) and batches > 0):
        return {}
    found = {"batches_per_epoch": batches}
    module = trainer.lightning_module
    if module.automatic_optimization:
        found["steps_per_epoch"] = -(-batches // trainer.accumulate_grad_batches)
    examples = _length(getattr(trainer.train_dataloader, "dataset", None))
    whole = _length(trainer.train_dataloader) == batches
    return found | ({"examples": examples} if examples and whole else {})


def _length(sized: Any) -> int | None:
    try:
        return len(sized)
    except Exception:  # noqa: BLE001 - a data set of the user's without a length, or with one that breaks
        return None


def _model(pl_module: LightningModule) -> dict[str, JsonValue]:
    dropouts = [m.p for m in pl_module.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    counts = {
        "parameters": sum(p.numel() for p in pl_module.parameters()),
        "trainable_parameters": sum(p.numel() for p in pl_module.parameters() if p.requires_grad),
    }
    found: dict[str, Any] = {"dropout": max(dropouts)} if dropouts else {}
    return _capped(found | dict(pl_module.hparams) | counts)


def _capped(options: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return options as JSON, long ones cut, and without what looks like a secret."""
    shown = {str(k): "(withheld)" if SECRET.search(str(k)) else plain(v) for k, v in options.items()}
    return {name: value[:TEXT] if isinstance(value, str) else value for name, value in shown.items()}
