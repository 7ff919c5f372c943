"""Small modules and trainers for the tests of callbacks."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def data(size: int = 96, *, seed: int = 0) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 8, generator=generator)
    return TensorDataset(x, (x[:, 0] > 0).long())


def loader(size: int = 96, *, seed: int = 0, shuffle: bool = False, batch_size: int = 8) -> DataLoader[Any]:
    return DataLoader(data(size, seed=seed), batch_size=batch_size, shuffle=shuffle)


class Classifier(L.LightningModule):
    """A classifier that logs as most people do: `validation_step` returns nothing."""

    def __init__(self, *, lr: float = 0.05, dropout: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))

    def loss(self, batch: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.9)


class Returning(Classifier):
    """The same, but `validation_step` returns its loss."""

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return self.loss(batch)


class Adversarial(L.LightningModule):
    """Two optimizers that play against each other, stepped by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = nn.Linear(4, 8), nn.Linear(8, 1)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        first, second = self.optimizers()
        real = batch[0]
        fake = self.generator(torch.randn(len(real), 4))
        loss = self.critic(fake.detach()).mean() - self.critic(real).mean()
        second.zero_grad()
        self.manual_backward(loss)
        second.step()
        first.zero_grad()
        self.manual_backward(-self.critic(self.generator(torch.randn(len(real), 4))).mean())
        first.step()

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD(self.generator.parameters(), lr=0.01),
            torch.optim.SGD(self.critic.parameters(), lr=0.02),
        ]


def trainer(folder: Path, *callbacks: L.Callback, **options: Any) -> L.Trainer:
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
        "max_epochs": 3,
        "num_sanity_val_steps": 0,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return L.Trainer(**quiet | options, callbacks=list(callbacks))


def fit(trainer: L.Trainer, module: L.LightningModule, *loaders: Any, **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, *(loaders or (loader(shuffle=True), loader(24, seed=1))), **options)


def audit_of(folder: str | None) -> dict[str, Any]:
    assert folder is not None
    found: dict[str, Any] = json.loads((Path(folder) / "audit.json").read_text())
    return found


def metrics_of(audit: dict[str, Any]) -> dict[str, Any]:
    return {metric["name"]: metric for metric in audit["metrics"] if not metric["labels"]}


def monitors_of(audit: dict[str, Any]) -> dict[str, Any]:
    return {monitor["name"]: monitor for monitor in audit["monitors"]}
