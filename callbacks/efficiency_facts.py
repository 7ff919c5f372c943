"""What a training runs with and what its speed depends on: precision, loader, optimizers, device."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn

from .flop_tally import compiled
from .flops import tf32

LOADER = ("batch_size", "num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "drop_last")


def facts(trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
    """Return the facts as JSON."""
    device = trainer.strategy.root_device
    matrices, convolutions = tf32(device)
    return {
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else "",
        "devices": int(trainer.world_size),
        "nodes": int(trainer.num_nodes),
        "cpus": cpus(),
        "precision": str(trainer.precision),
        "tf32": matrices,
        "tf32_convolutions": convolutions,
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        "compiled": compiled(pl_module),
        "accumulate_grad_batches": int(trainer.accumulate_grad_batches),
        "optimizers": [_optimizer(optimizer) for optimizer in trainer.optimizers],
        "dataloader": _loader(trainer.train_dataloader),
        **_parameters(pl_module),
    }


def cpus() -> int | None:
    """Return how many processors the process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS or Windows
    return len(allowed(0)) if allowed else os.cpu_count()


def _optimizer(optimizer: Any) -> dict[str, Any]:
    group = optimizer.param_groups[0]
    return {"name": type(optimizer).__name__, "fused": group.get("fused"), "foreach": group.get("foreach")}


def _loader(loader: Any) -> dict[str, Any]:
    """Return a loader's settings where it has them; of several, those of each."""
    if isinstance(loader, dict | list | tuple):
        several = loader.values() if isinstance(loader, dict) else loader
        return {"loaders": [_loader(one) for one in several]}
    found = {name: getattr(loader, name) for name in LOADER if hasattr(loader, name)}
    plain = {name: value for name, value in found.items() if value is None or isinstance(value, bool | int)}
    return {"kind": type(loader).__name__} | plain


def _parameters(module: nn.Module) -> dict[str, int]:
    """Return how many parameters there are, and how many are multiplied with, not looked up."""
    users = [child for child in module.modules() if not isinstance(child, nn.Embedding | nn.EmbeddingBag)]
    used = {id(parameter) for child in users for parameter in child.parameters(recurse=False)}
    every = list(module.parameters())
    products = [p for p in every if p.ndim >= 2 and id(p) in used]  # an embedding that is tied to a head is one
    return {
        "parameters": sum(p.numel() for p in every),
        "trainable_parameters": sum(p.numel() for p in every if p.requires_grad),
        "product_parameters": sum(p.numel() for p in products),
        "trainable_product_parameters": sum(p.numel() for p in products if p.requires_grad),
    }
