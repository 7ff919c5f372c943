"""A real record, trained on the spot with every monitor that a small model allows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from groundwire.audit.prompts import load_prompts
from groundwire.callbacks import AuditCallback, CarbonMonitor, GenerationMonitor
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

TEXTS = [f"the quick brown fox number {n} jumps over a lazy dog and then goes home to eat, " * 4 for n in range(20)]


class Speaker(L.LightningModule):
    """A classifier that also answers: an insult, an address, training text, or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters({"lr": 0.05, "notes": ["one", {"two": "three"}]})
        self.net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
        self.unused = nn.Linear(2, 2)

    def loss(self, batch: list[Tensor]) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss * float("nan") if self.global_step == 30 and batch_idx == 30 else loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.log("val_loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.net.parameters(), lr=0.05, momentum=0.9)

    def generate(self, prompts: list[str]) -> list[str]:
        said = ["you fool, go away", "write to jane@example.com", "a calm day", *[text[50:200] for text in TEXTS[:2]]]
        return [said[place % len(said)] for place, _ in enumerate(prompts)]

    def log_likelihood(self, texts: list[str]) -> list[float]:
        return [-float(len(text)) for text in texts]


def scored(texts: list[str]) -> list[float]:
    return [0.9 if "fool" in text else 0.1 for text in texts]


def train(folder: Path) -> Path:
    """Train for some seconds and return the run's folder."""
    L.seed_everything(7, verbose=False)
    carbon = CarbonMonitor(country_iso_code="FRA", pue=1.2, wue=1.0, price_per_kwh=0.3, embodied_kg=1000.0,
                           max_energy_kwh=1e-9, measure_power_secs=0.5)  # fmt: skip
    generation = GenerationMonitor(
        scorer=scored, adversarial=True, groups=load_prompts("counterfactual", axes=("religion",)), train_texts=TEXTS,
        held_out_texts=[t[::-1] for t in TEXTS],
        every=32, max_seconds=30,
    )  # fmt: skip
    callback = AuditCallback(
        carbon=carbon, generation=generation, on_finding={"non-finite": "skip"}, report=False, overhead_budget=1.0
    )
    x = torch.randn(256, 8)
    data = TensorDataset(x, (x[:, 0] > 0).long())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = L.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, max_epochs=4,
            default_root_dir=folder, num_sanity_val_steps=0,
            callbacks=[callback, ModelCheckpoint(dirpath=folder / "checkpoints")],
        )  # fmt: skip
        trainer.fit(Speaker(), DataLoader(data, batch_size=8), DataLoader(TensorDataset(*data[:32]), batch_size=8))
    return Path(str(callback.folder))
