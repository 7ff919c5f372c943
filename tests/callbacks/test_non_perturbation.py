"""Measuring changes nothing: weights, random numbers, metrics and choices are equal bit for bit."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
import torchmetrics
from groundwire.callbacks import AuditCallback, GenerationMonitor, OverfittingMonitor
from groundwire.callbacks.isolation import isolated
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from material import audit_of, data, fit, metrics_of, trainer
from torch import nn
from torch.utils.data import DataLoader


class Everything(L.LightningModule):
    """Dropout, batch normalisation, metric objects, collected outputs and logging in every step."""

    def __init__(self, *, returns: bool) -> None:
        super().__init__()
        self.returns = returns
        self.net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
        self.accuracy = torchmetrics.Accuracy(task="multiclass", num_classes=2)
        self.several = torchmetrics.MetricCollection(
            {"f1": torchmetrics.F1Score(task="multiclass", num_classes=2), "mean": torchmetrics.Accuracy("binary")}
        )
        self.loose = [torchmetrics.MeanMetric()]
        self.outs: dict[str, list[float]] = {"val": []}
        self.seen: list[list[float]] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        logits = self.net(batch[0] + 0.01 * torch.randn_like(batch[0]))
        loss = nn.functional.cross_entropy(logits, batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        logits = self.net(batch[0])
        loss = nn.functional.cross_entropy(logits, batch[1])
        self.accuracy(logits, batch[1])
        self.several["f1"](logits, batch[1])
        self.several["mean"](logits.argmax(-1), batch[1])
        self.loose[0].update(loss)
        self.outs["val"].append(float(loss))
        self.scratch = float(torch.rand(()))
        self.log("val_loss", loss)
        self.log("val_accuracy", self.accuracy, on_epoch=True)
        return loss if self.returns else None

    def on_validation_epoch_end(self) -> None:
        self.log("val_loose", self.loose[0].compute())
        self.log_dict({f"val_{name}": metric for name, metric in self.several.compute().items()})
        self.loose[0].reset()
        self.several.reset()
        self.seen.append(list(self.outs["val"]))
        self.outs["val"].clear()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.02)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    def generate(self, prompts: list[str]) -> list[str]:
        return [f"{float(torch.rand(())):.3f} {random.random():.3f} {np.random.rand():.3f}" for _ in prompts]


def _run(folder: Path, *, audited: bool, returns: bool, workers: int, accumulate: int) -> dict[str, Any]:
    L.seed_everything(11, verbose=False)
    module = Everything(returns=returns)
    checkpoint = ModelCheckpoint(folder / "checkpoints", monitor="val_loss", save_top_k=2)
    callbacks: list[L.Callback] = [checkpoint, EarlyStopping("val_loss", patience=2)]
    if audited:
        callbacks.insert(0, AuditCallback(generation=GenerationMonitor(scorer=lambda texts: [0.0] * len(texts))))
    runner = trainer(
        folder, *callbacks, enable_checkpointing=True, max_epochs=6, accumulate_grad_batches=accumulate,
        val_check_interval=0.5, num_sanity_val_steps=2, gradient_clip_val=0.5,
    )  # fmt: skip
    train = DataLoader(data(), batch_size=8, shuffle=True, num_workers=workers)
    fit(runner, module, train, DataLoader(data(40, seed=3), batch_size=8, num_workers=workers))
    return {
        "weights": {name: value.clone() for name, value in module.state_dict().items()},
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "metrics": {name: float(value) for name, value in runner.callback_metrics.items()},
        "seen": module.seen,
        "attributes": sorted(vars(module)),
        "best": Path(checkpoint.best_model_path).name,
        "kept": sorted(Path(path).name for path in checkpoint.best_k_models),
        "steps": runner.global_step,
        "modes": [child.training for child in module.modules()],
    }


@pytest.mark.slow
@pytest.mark.parametrize(("returns", "workers", "accumulate"), [(False, 0, 1), (True, 0, 2), (False, 1, 3)])
def test_a_run_is_the_same_with_and_without_the_audit(
    tmp_path: Path, returns: bool, workers: int, accumulate: int
) -> None:
    options: dict[str, Any] = {"returns": returns, "workers": workers, "accumulate": accumulate}
    plain = _run(tmp_path / "plain", audited=False, **options)
    audited = _run(tmp_path / "audited", audited=True, **options)
    for name, value in plain.pop("weights").items():
        assert torch.equal(value, audited["weights"][name]), name
    assert torch.equal(plain.pop("torch"), audited["torch"])
    for name, value in plain.items():
        assert value == audited[name], name
    (folder,) = (tmp_path / "audited" / "groundwire").iterdir()
    found = audit_of(str(folder))
    assert {monitor["status"] for monitor in found["monitors"]} == {"ran"}
    assert {"overfitting.gap", "gradient.norm_p95", "generation.sentiment", "logged.val_f1"} <= set(metrics_of(found))


class Failing(Everything):
    """Its losses cannot be told apart, or it raises, but only after it has drawn random numbers."""

    def __init__(self, *, raises: bool) -> None:
        super().__init__(returns=False)
        self.raises, self.calls = raises, 0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        self.log("aux_loss", random.random() + np.random.rand())
        self.calls += 1
        if self.raises and self.calls > 3:
            raise RuntimeError("one call too many")


class Stubborn(torchmetrics.MeanMetric):
    """Cannot be copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("no copies")


def _end(folder: Path, module: L.LightningModule, *callbacks: L.Callback) -> dict[str, Any]:
    runner = trainer(folder, *callbacks, max_epochs=2)
    train, val = DataLoader(data(), batch_size=8, shuffle=True), DataLoader(data(8, seed=3), batch_size=8)
    fit(runner, module, train, val)
    return {
        "weights": [value.tolist() for value in module.state_dict().values()],
        "random": [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()],
        "modes": [child.training for child in module.modules()],
        "attributes": sorted(vars(module)),
        "children": [(name, id(child)) for name, child in module.named_modules() if "accuracy" in name],
    }


@pytest.mark.slow
@pytest.mark.parametrize("raises", [False, True])
def test_a_step_that_fails_when_it_is_asked_again_leaves_no_trace(tmp_path: Path, raises: bool) -> None:
    ends = []
    for callbacks in ([], [OverfittingMonitor()]):
        L.seed_everything(11, verbose=False)
        module = Failing(raises=raises)
        before = id(module.accuracy)
        ends.append(_end(tmp_path, module, *callbacks))
        assert ends[-1].pop("children") == [("accuracy", before)]
    assert ends[0] == ends[1]
    (folder,) = (tmp_path / "groundwire").iterdir()
    (monitor,) = (one for one in audit_of(str(folder))["monitors"] if one["name"] == "overfitting")
    assert monitor["status"] == "error"
    assert ("one call too many" if raises else "name the logged loss") in monitor["reason"]


@pytest.mark.parametrize("known", [True, False])
def test_what_cannot_be_isolated_is_as_it_was(known: bool) -> None:
    module = Everything(returns=True)
    module.train()
    if known:
        module.last = Stubborn()
    else:
        module.loose.append(Stubborn())
    children, loose = dict(module.named_children()), list(module.loose)
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no copies"), isolated(module):
        pass
    assert all(child is children[name] for name, child in module.named_children())
    assert all(one is other for one, other in zip(module.loose, loose, strict=True))
    assert module.training
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("raises", [False, True])
def test_random_numbers_drawn_while_isolated_were_never_drawn(raises: bool) -> None:
    module = Everything(returns=True)
    before = torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(KeyError) if raises else contextlib.nullcontext(), isolated(module, evaluate=False):
        torch.rand(3), random.random(), np.random.rand()
        if raises:
            raise KeyError
    assert before == (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist())
