"""Norms and updates against references, and the place of what is not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import GradientMonitor
from groundwire.callbacks.layers import MOST_LAYERS, Layers
from groundwire.callbacks.schedule import Thinning
from material import Classifier, audit_of, fit, loader, metrics_of, monitors_of, trainer
from torch import nn


class Reference(L.Callback):
    """Computes norms and update ratios the slow way."""

    def __init__(self) -> None:
        self.norms: list[float] = []
        self.layers: list[float] = []
        self.ratios: list[float] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        grads = [p.grad.flatten() for p in pl_module.parameters()]
        self.norms.append(float(torch.cat(grads).norm()))
        first = pl_module.net[0]
        self.layers.append(float(torch.cat([first.weight.grad.flatten(), first.bias.grad]).norm()))
        self.before = first.weight.detach().clone()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        now = pl_module.net[0].weight.detach()
        self.ratios.append(float((now - self.before).norm() / self.before.norm()))


def test_norms_and_updates_are_those_of_the_definition(tmp_path: Path) -> None:
    monitor, reference = GradientMonitor(), Reference()
    fit(trainer(tmp_path, monitor, reference, gradient_clip_val=0.1), Classifier())
    record = Record.open(monitor.folder or "")
    assert record.series("gradient.norm").value == pytest.approx(reference.norms, rel=1e-5)
    layer = record.series("gradient.layer_norm", "net.0")
    assert layer.step.tolist() == [*range(1, 21), 30]
    assert layer.value == pytest.approx([reference.layers[step - 1] for step in layer.step], rel=1e-5)
    ratio = record.series("gradient.update_ratio", "net.0")
    assert ratio.value == pytest.approx([reference.ratios[step - 1] for step in ratio.step], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("nonfinite", ["batch", "locate"])
def test_a_nan_is_named_with_step_and_layer(tmp_path: Path, nonfinite: Any) -> None:
    class Broken(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            loss = self.loss(batch)
            if self.global_step == 22:
                # The root's slope is infinite at zero: only this layer's gradient breaks.
                loss = loss + torch.sqrt((self.net[3].weight * 0).sum())
            return loss

    monitor = GradientMonitor(nonfinite=nonfinite)
    fit(trainer(tmp_path, monitor), Broken())
    audit = audit_of(monitor.folder)
    finding = audit["findings"][0]
    assert (finding["name"], finding["step"], finding["severity"]) == ("non-finite", 23, "critical")
    event = Record.open(monitor.folder or "").events("nonfinite")[0]
    assert (event["step"], event["layers"]) == (23, ["net.3"])
    assert metrics_of(audit)["gradient.nonfinite_steps"]["value"] >= 1


def test_a_step_without_gradients_is_survived(tmp_path: Path) -> None:
    class Skipping(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return None if batch_idx % 3 == 0 else self.loss(batch)

    monitor = GradientMonitor()
    fit(trainer(tmp_path, monitor), Skipping())
    assert monitors_of(audit_of(monitor.folder))["gradient"]["status"] == "ran"


def test_sparse_gradients_and_odd_dtypes_are_measured(tmp_path: Path) -> None:
    class Odd(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 4, sparse=True)
            self.head = nn.Linear(4, 1, dtype=torch.float64)

        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            return self.head(self.table(batch[1]).double()).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    monitor = GradientMonitor()
    fit(trainer(tmp_path, monitor), Odd(), loader())
    assert monitors_of(audit_of(monitor.folder))["gradient"]["status"] == "ran"
    assert Record.open(monitor.folder or "").columns("gradient.layer_norm") == ("table", "head")


def test_lbfgs_calls_its_closure_as_often_as_it_likes(tmp_path: Path) -> None:
    class Quasi(Classifier):
        def configure_optimizers(self) -> Any:
            return torch.optim.LBFGS(self.parameters(), max_iter=4)

    monitor = GradientMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=2), Quasi())
    record = Record.open(monitor.folder or "")
    assert record.series("gradient.norm").step.tolist() == list(range(1, 25))
    for layer in record.columns("gradient.update_ratio"):  # of the whole step, not from its last try on
        ratio = record.series("gradient.update_ratio", layer)
        assert len(ratio.step) == len(set(ratio.step.tolist()))
        assert ratio.value[0] > 0


def test_sharded_strategies_are_refused_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.callbacks import gradients

    monkeypatch.setattr(gradients, "sharded", lambda *_: "FSDPStrategy shards the parameters")
    monitor = GradientMonitor()
    fit(trainer(tmp_path, monitor), Classifier())
    assert monitors_of(audit_of(monitor.folder))["gradient"] | {"seconds": 0, "share": 0} == {
        "name": "gradient", "status": "off", "reason": "FSDPStrategy shards the parameters", "seconds": 0, "share": 0,
    }  # fmt: skip


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match="nonfinite must be one of batch, locate, got 'now'"):
        GradientMonitor(nonfinite="now")  # type: ignore[arg-type]


def test_many_layers_are_grouped_by_shorter_paths() -> None:
    names = [f"blocks.{block}.part.{part}.weight" for block in range(100) for part in range(10)]
    layers = Layers.around(names)
    assert len(layers.names) <= MOST_LAYERS
    assert len(layers.of) == 1000


def test_samples_get_rarer_and_never_stop() -> None:
    due = Thinning()
    chosen = [step for step in range(1, 200_001) if due(step)]
    assert chosen[:22] == [*range(1, 21), 30, 40]
    assert chosen[-1] == 200_000
    assert len(chosen) < 2200
