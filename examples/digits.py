"""An image classifier on scikit-learn's handwritten digits: `python -m examples.digits`.

The audit needs one line: `callbacks=[AuditCallback()]`.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import lightning as L
import torch
from groundwire.callbacks import AuditCallback
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

# 1,797 images of 8 × 8 pixels are in memory: workers would only copy them.
warnings.filterwarnings("ignore", ".*does not have many workers.*")


class Classifier(L.LightningModule):
    """Two convolutions and a linear layer.

    Args:
        lr: Learning rate of AdamW.
        dropout: Share of features zeroed in training.
    """

    def __init__(self, *, lr: float = 1e-3, dropout: float = 0.2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32 * 4 * 4, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, 10) of `images` (batch, 1, 8, 8)."""
        return self.layers(images)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss to differentiate."""
        images, digits = batch
        return F.cross_entropy(self(images), digits)

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Log loss and accuracy on held-out images."""
        images, digits = batch
        logits = self(images)
        loss = F.cross_entropy(logits, digits)
        self.log_dict({"val_loss": loss, "val_acc": (logits.argmax(dim=1) == digits).float().mean()})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)


def loaders() -> tuple[DataLoader[tuple[Tensor, ...]], DataLoader[tuple[Tensor, ...]]]:
    """Return loaders of three quarters of the digits to train on and one quarter to validate on."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    data = TensorDataset(images, torch.tensor(digits.target))
    seen, held_out = random_split(data, [0.75, 0.25], torch.Generator().manual_seed(0))
    return DataLoader(seen, batch_size=32, shuffle=True), DataLoader(held_out, batch_size=128)


def train(folder: Path) -> AuditCallback:
    """Train for 25 epochs and return the audit, whose `folder` holds the record and the report."""
    L.seed_everything(0, verbose=False)
    audit = AuditCallback()
    trainer = L.Trainer(
        max_epochs=25,
        accelerator="cpu",
        callbacks=[audit],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Classifier(), *loaders())
    return audit


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/digits"), help="where to write")
    train(parser.parse_args().folder)
