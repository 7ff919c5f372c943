"""What stands beside the gap's total: metrics, further loaders, examples, Prechelt's series; no run is perturbed."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
import torchmetrics
from groundwire.audit.prechelt import generalisation_loss
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, OverfittingMonitor
from groundwire.callbacks.directions import directions, inferred
from groundwire.callbacks.sample import Sample, bootstrap_half_width, spread
from lightning.pytorch.callbacks import ModelCheckpoint
from material import Classifier, audit_of, data, fit, loader, metrics_of, trainer
from torch import nn
from torch.utils.data import DataLoader


def gap_of(folder: str | None, **labels: str) -> dict[str, Any]:
    found = [m for m in audit_of(folder)["metrics"] if m["name"] == "overfitting.gap" and m["labels"] == labels]
    assert len(found) == 1
    return dict(found[0])


def told_of(folder: str | None) -> dict[str, str]:
    return {item["what"]: item["reason"] for item in audit_of(folder)["not_checked"]}


class Measuring(Classifier):
    """Logs an accuracy as a metric object, an AUC, and an error as a number; returns its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.accuracy = torchmetrics.Accuracy(task="binary")
        self.auc = torchmetrics.AUROC(task="binary")

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        shown = self.net(batch[0]).softmax(-1)[:, 1]
        self.accuracy(shown, batch[1])
        self.auc.update(shown, batch[1])
        self.log("val_acc", self.accuracy)
        self.log_dict({"val_auc": self.auc, "val_mae": (shown - batch[1]).abs().mean()})
        return self.loss(batch)


@torch.no_grad()
def shown(module: Classifier, batches: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    module.eval()
    return module.net(torch.cat([x for x, _ in batches])).softmax(-1)[:, 1], torch.cat([y for _, y in batches])


def test_any_logged_metric_has_a_gap_that_is_positive_where_validation_is_worse(tmp_path: Path) -> None:
    monitor, module = OverfittingMonitor(metrics=["val_acc", "val_auc", "val_mae"]), Measuring()
    train, val = loader(100), loader(60, seed=5)
    fit(trainer(tmp_path, monitor), module, train, val)
    (p, y), (q, z) = shown(module, list(train)[:8]), shown(module, list(val))
    expected = {
        "val_acc": float(((p > 0.5) == y).float().mean() - ((q > 0.5) == z).float().mean()),
        "val_auc": float(
            torchmetrics.functional.auroc(p, y, "binary") - torchmetrics.functional.auroc(q, z, "binary")
        ),
        "val_mae": float((q - z).abs().mean() - (p - y).abs().mean()),
    }
    found = {name: gap_of(monitor.folder, metric=name) for name in expected}
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-5), name
        assert found[name]["unit"] == ""
        assert ("more" if name != "val_mae" else "less") + " is better" in found[name]["method"]
        series = Record.open(monitor.folder or "").series("overfitting.metric_gap", name)
        assert series.step.tolist() == [13, 26, 39]
        assert series.value[-1] == pytest.approx(value, abs=1e-5)
    for name in ("val_acc", "val_mae"):
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
    assert found["val_auc"]["low"] is None
    assert "no mean over examples" in found["val_auc"]["method"]
    assert metrics_of(audit_of(monitor.folder))["overfitting.gap"]["unit"] == "loss"


@pytest.mark.slow
def test_the_direction_that_is_declared_counts(tmp_path: Path) -> None:
    monitor = OverfittingMonitor(metrics={"val_mae": "max"})
    fit(trainer(tmp_path, monitor), Measuring())
    series = Record.open(monitor.folder or "").series("overfitting.metric_gap", "val_mae")
    other = OverfittingMonitor(metrics={"val_mae": "min"})
    L.seed_everything(7, verbose=False)
    fit(trainer(tmp_path, other), Measuring())
    assert gap_of(monitor.folder, metric="val_mae")["value"] == pytest.approx(series.value[-1], abs=1e-6)
    assert "more is better" in gap_of(monitor.folder, metric="val_mae")["method"]
    assert "less is better" in gap_of(other.folder, metric="val_mae")["method"]


def test_a_metric_that_cannot_join_two_states_is_a_mean_of_batches(tmp_path: Path) -> None:
    class Odd(torchmetrics.MeanMetric):
        full_state_update = True

    class Module(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.odd = Odd()

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.odd.update(batch[0].abs().mean())
            self.log("val_err", self.odd)
            return self.loss(batch)

    monitor, train, val = OverfittingMonitor(metrics=["val_err"]), loader(64), loader(64, seed=5)
    fit(trainer(tmp_path, monitor), Module(), train, val)
    sides = [float(torch.stack([x.abs().mean() for x, _ in side]).mean()) for side in (train, val)]
    found = gap_of(monitor.folder, metric="val_err")
    assert found["value"] == pytest.approx(sides[1] - sides[0], abs=1e-6)
    assert "mean of the values of batches" in found["method"]
    assert found["low"] is not None


def test_a_metric_that_is_not_logged_costs_itself_only(tmp_path: Path) -> None:
    monitor = OverfittingMonitor(metrics=["val_acc", "val_f1"])
    fit(trainer(tmp_path, monitor), Measuring())
    assert "validation_step logs no 'val_f1'" in told_of(monitor.folder)["overfitting of val_f1"]
    assert gap_of(monitor.folder, metric="val_acc")["value"] is not None
    assert gap_of(monitor.folder)["value"] is not None


@pytest.mark.parametrize(
    ("name", "direction"),
    [("val_acc", "max"), ("valid/AUROC", "max"), ("val_F1Score", "max"), ("mIoU", "max"), ("BLEU", "max"),
     ("val_loss", "min"), ("wordPerplexity", "min"), ("RMSE", "min"), ("top5_error", "min"), ("val_MAE_epoch", "min"),
     ("bits_per_byte", "min"), ("val_top5", "max"), ("top-1", "max"), ("val_hits@10", "max"), ("laptop", None),
     ("val_score", None), ("loss_accuracy", None), ("", None)],
)  # fmt: skip
def test_names_tell_a_direction_or_none(name: str, direction: str | None) -> None:
    assert inferred(name) == direction


@pytest.mark.parametrize(
    ("metrics", "told"),
    [(["val_score"], r"'val_score' does not tell .* metrics=\{'val_score': \"max\"\}"),
     ({"val_acc": "up"}, r"metrics\['val_acc'\] must be \"max\" or \"min\", got 'up'"),
     ("val_acc", "metrics must be names"), (3, "metrics must be names"), ([3], "metrics must be names")],
)  # fmt: skip
def test_a_metric_whose_direction_nobody_knows_is_refused(metrics: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OverfittingMonitor(metrics=metrics)


def test_declared_directions_need_no_telling_name() -> None:
    assert directions({"val_score": "min"}) == {"val_score": "min"}
    assert directions(None) == {}


class Many(Classifier):
    """Several loaders; the loss of each is returned or logged, that of the last never."""

    def __init__(self, *, returns: bool, silent: int = 9) -> None:
        super().__init__()
        self.returns, self.silent = returns, silent

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        loss = self.loss(batch) + 100 * dataloader_idx
        if dataloader_idx == self.silent:
            return None
        if not self.returns:
            self.log("val_loss", loss)
        return loss if self.returns else None


@pytest.mark.slow
@pytest.mark.parametrize(("returns", "every"), [(True, 1), (False, 1), (False, 3)])
def test_each_further_loader_has_a_row_of_its_own(tmp_path: Path, returns: bool, every: int) -> None:
    monitor, module = OverfittingMonitor(), Many(returns=returns, silent=3)
    train, further = loader(64), [loader(24 + 8 * seed, seed=seed) for seed in (1, 2, 3, 4)]
    fit(trainer(tmp_path, monitor, check_val_every_n_epoch=every), module, train, further)
    module.eval()
    with torch.no_grad():
        train_loss, *losses = (float(module.loss(one.dataset.tensors)) for one in (train, *further))
    assert gap_of(monitor.folder)["value"] == pytest.approx(losses[0] - train_loss, abs=1e-4)
    assert "first of 4 validation loaders" in gap_of(monitor.folder)["method"]
    for index in (1, 2):
        found = gap_of(monitor.folder, dataloader=str(index))
        assert found["value"] == pytest.approx(100 * index + losses[index] - train_loss, abs=1e-4)
        assert found["low"] < found["value"] < found["high"]
        assert found["unit"] == "loss"
    record = Record.open(monitor.folder or "")
    assert record.columns("overfitting.dataloader_gap") == ("1", "2")
    assert len(record.series("overfitting.dataloader_gap", "1")) == 3 // every
    assert "logs none" in told_of(monitor.folder)["overfitting on validation loader 3"]


class Each(Classifier):
    """Returns the loss of each example."""

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        losses = nn.functional.cross_entropy(self.net(batch[0]), batch[1], reduction="none")
        return {"losses": losses}


class Both(Each):
    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return {"loss": self.loss(batch), **super().validation_step(batch, batch_idx)}


class Weighted(Each):
    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return {"loss": 2 * self.loss(batch), **super().validation_step(batch, batch_idx)}


class Parts(Each):
    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return {"loss": self.loss(batch), "losses": torch.ones(3)}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "over", "factor"), [(Each, "examples", 1), (Both, "examples", 1),
                                                      (Weighted, "batches", 2), (Parts, "batches", 1)])  # fmt: skip
def test_the_interval_is_over_examples_where_they_make_up_the_loss(
    tmp_path: Path, kind: type[Classifier], over: str, factor: int
) -> None:
    monitor, module = OverfittingMonitor(), kind()
    train, val = loader(64), loader(60, seed=5)
    fit(trainer(tmp_path, monitor), module, train, val)
    module.eval()
    with torch.no_grad():
        sides = [
            factor * nn.functional.cross_entropy(module.net(x), y, reduction="none")
            for x, y in (one.dataset.tensors for one in (train, val))
        ]
    gap = gap_of(monitor.folder)
    assert gap["value"] == pytest.approx(float(sides[1].mean() - sides[0].mean()), abs=1e-5)
    assert f"interval over {over}" in gap["method"]
    assert gap["n"] == (124 if over == "examples" else 16)
    if over == "examples":
        half = bootstrap_half_width(sides[0].tolist(), sides[1].tolist())
        assert gap["high"] - gap["value"] == pytest.approx(half, rel=1e-3)


def test_the_interval_over_examples_covers_the_truth() -> None:
    rng, hits = np.random.default_rng(2), 0
    for _ in range(200):
        train, val = rng.gamma(0.5, 0.4, size=64), rng.gamma(0.5, 2.0, size=120)
        half = bootstrap_half_width(train.tolist(), val.tolist())
        assert half is not None
        hits += abs(val.mean() - train.mean() - 0.8) <= half
    assert 0.93 <= hits / 200 <= 0.97


def test_many_examples_are_drawn_in_groups_and_few_not_at_all() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 5_000), rng.normal(0, 1, 20_001)
    expected = 1.96 * np.sqrt(1 / 5_000 + 1 / 20_001)
    assert bootstrap_half_width(first.tolist(), second.tolist()) == pytest.approx(expected, rel=0.15)
    assert bootstrap_half_width([1.0], [1.0, 2.0]) is None
    assert bootstrap_half_width([1.0, float("nan")], [1.0, 2.0]) is None
    assert bootstrap_half_width([1.0, 1.0], [2.0, 2.0]) == 0.0


@pytest.mark.parametrize(("examples", "over"), [(0, "batches"), (29, "batches"), (30, "examples")])
def test_few_examples_are_left_to_their_batches(examples: int, over: str) -> None:
    whole = Sample(losses=[1.0, 2.0], sizes=[20, 20], examples=[1.0, 2.0] * 20)
    some = Sample(losses=[1.0, 2.0], sizes=[20, 20], examples=[1.0, 2.0, 3.0] * 10)
    few = replace(some, examples=some.examples[:examples])
    assert spread(whole, few).over == spread(few, whole).over == over


@pytest.mark.slow
def test_the_series_of_prechelt_are_those_of_the_validation_loss(tmp_path: Path) -> None:
    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=12), Classifier(lr=1.0))
    record = Record.open(monitor.folder or "")
    loss, gl = record.series("overfitting.val_loss"), record.series("overfitting.gl")
    assert gl.value == pytest.approx(generalisation_loss(loss.value.tolist()), rel=1e-3, abs=1e-3)
    assert gl.value.max() > 0
    assert record.series("overfitting.pq").step.tolist() == loss.step[4:].tolist()
    assert record.series("overfitting.up").step.tolist() == loss.step.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("audited", [True, False])
def test_the_series_of_prechelt_go_on_over_a_resume(tmp_path: Path, audited: bool) -> None:
    def run(folder: Path, epochs: int, path: str | None = None) -> Record:
        L.seed_everything(4, verbose=False)
        part = OverfittingMonitor()
        monitor = AuditCallback(carbon=None, overfitting=part) if audited else part
        checkpoint = ModelCheckpoint(folder / "kept", filename="last", enable_version_counter=False)
        runner = trainer(folder, monitor, checkpoint, max_epochs=epochs, enable_checkpointing=True)
        fit(runner, Classifier(lr=1.0, dropout=0.0), loader(), loader(24, seed=1), ckpt_path=path)
        return Record.open(monitor.folder or "")

    whole = run(tmp_path / "whole", 8)
    run(tmp_path / "parts", 4)
    resumed = run(tmp_path / "parts", 8, str(tmp_path / "parts" / "kept" / "last.ckpt"))
    assert len(resumed.run.attempts) == 2
    for name in ("gl", "pq", "up"):
        first, second = (one.series(f"overfitting.{name}") for one in (whole, resumed))
        assert second.step.tolist()[-4:] == first.step.tolist()[-4:]
        assert second.value[-4:] == pytest.approx(first.value[-4:], rel=1e-5)


def test_where_losses_are_not_positive_there_is_no_ratio_and_that_is_said(tmp_path: Path) -> None:
    class Negative(Classifier):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            return self.loss(batch) - 5

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Negative())
    record = Record.open(monitor.folder or "")
    assert "not positive" in told_of(monitor.folder)["overfitting.gl and overfitting.pq"]
    assert len(record.series("overfitting.gl")) == 0
    assert len(record.series("overfitting.up")) == 3


class Everything(Measuring):
    """Many traps at once: batch normalisation, noise, metric objects, two loaders, losses of examples."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
        self.seen: list[float] = []

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return (batch[0] + 0.1 * torch.randn_like(batch[0]), batch[1]) if self.trainer.training else batch

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        losses = nn.functional.cross_entropy(self.net(batch[0]), batch[1], reduction="none")
        self.seen.append(float(losses.sum()))
        if dataloader_idx == 0:
            shown = self.net(batch[0]).softmax(-1)[:, 1]
            self.accuracy(shown, batch[1])
            self.auc.update(shown, batch[1])
            self.log_dict({"val_acc": self.accuracy, "val_auc": self.auc}, on_epoch=True, add_dataloader_idx=False)
        self.log("val_loss", losses.mean())
        return {"losses": losses}


class Counting(torch.utils.data.Dataset[Any]):
    """Counts what is read of it, in this process."""

    def __init__(self, seed: int = 0) -> None:
        self.content, self.reads = data(96, seed=seed), 0

    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        x, y = self.content[index]
        return x + 0.01 * torch.randn(8), y


def _trained(folder: Path, options: dict[str, Any] | None, *, workers: int = 0) -> dict[str, Any]:
    L.seed_everything(11, verbose=False)
    module, shared, read = Everything(), torch.Generator().manual_seed(3), Counting()
    train = DataLoader(read, batch_size=8, shuffle=True, generator=shared, num_workers=workers)
    own = Counting()
    clean = DataLoader(own, batch_size=8, shuffle=True, generator=shared, num_workers=workers)
    checkpoint = ModelCheckpoint(folder / "kept", monitor="val_loss/dataloader_idx_0", save_top_k=2)
    callbacks: list[L.Callback] = [checkpoint]
    if options is not None:
        callbacks.insert(0, OverfittingMonitor(train_eval_dataloader=clean, **options))
    runner = trainer(folder, *callbacks, max_epochs=4, enable_checkpointing=True, val_check_interval=0.5,
                     num_sanity_val_steps=2)  # fmt: skip
    fit(runner, module, train, [loader(40, seed=3), loader(24, seed=4)])
    if options is not None:
        assert own.reads == (0 if workers else 64)
    return {
        "weights": {name: value.tolist() for name, value in module.state_dict().items()},
        "random": [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()],
        "generator": shared.get_state().tolist(),
        "reads": read.reads,
        "metrics": {name: float(value) for name, value in runner.callback_metrics.items()},
        "seen": module.seen,
        "attributes": sorted(vars(module)),
        "kept": sorted(Path(path).name for path in checkpoint.best_k_models),
        "modes": [child.training for child in module.modules()],
    }


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_no_option_perturbs_the_run(tmp_path: Path, workers: int) -> None:
    plain = _trained(tmp_path / "plain", None, workers=workers)
    options = {"metrics": ["val_acc", "val_auc"]}
    watched = _trained(tmp_path / "watched", options, workers=workers)
    for name, value in plain.items():
        assert value == watched[name], name
    (folder,) = (tmp_path / "watched" / "groundwire").iterdir()
    assert {m["status"] for m in audit_of(str(folder))["monitors"]} == {"ran"}
    for labels in ({}, {"metric": "val_acc"}, {"metric": "val_auc"}, {"dataloader": "1"}):
        assert gap_of(str(folder), **labels)["value"] is not None


SCRIPT = """
import sys
from dataclasses import replace
sys.path.insert(0, {tests!r})
from pathlib import Path
import lightning as L
from lightning.pytorch.strategies import DDPStrategy
from groundwire.callbacks import OverfittingMonitor
from material import fit, loader, trainer
from test_overfitting_metrics import Everything

L.seed_everything(1, verbose=False)
monitor = OverfittingMonitor(train_eval_dataloader=loader(80), metrics=["val_acc", "val_auc"])
strategy = DDPStrategy(process_group_backend="gloo")
runner = trainer(Path({folder!r}), monitor, strategy=strategy, devices=2)
fit(runner, Everything(), loader(), [loader(48, seed=1), loader(48, seed=2)])
assert runner.global_step == 18, runner.global_step
"""


@pytest.mark.slow
def test_no_rank_waits_for_another(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    done = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    (folder,) = (tmp_path / "groundwire").iterdir()
    assert {m["status"] for m in audit_of(str(folder))["monitors"]} == {"ran"}
    for labels in ({}, {"metric": "val_acc"}, {"metric": "val_auc"}, {"dataloader": "1"}):
        assert gap_of(str(folder), **labels)["value"] is not None
