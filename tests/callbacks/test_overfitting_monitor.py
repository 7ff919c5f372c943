"""The gap: one quantity on both sides, whatever validation_step looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, OverfittingMonitor
from material import Classifier, Returning, audit_of, data, fit, loader, metrics_of, monitors_of, trainer
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


@pytest.mark.parametrize("kind", [Classifier, Returning])
def test_the_gap_is_that_of_the_definition(tmp_path: Path, kind: type[Classifier]) -> None:
    monitor, module = OverfittingMonitor(), kind()
    train, val = loader(64), loader(64, seed=5)
    fit(trainer(tmp_path, monitor), module, train, val)
    module.eval()
    with torch.no_grad():
        first = [float(module.loss(batch)) for batch in list(train)[:8]]
        second = [float(module.loss(batch)) for batch in val]
    gap = metrics_of(audit_of(monitor.folder))["overfitting.gap"]
    assert gap["value"] == pytest.approx(sum(second) / 8 - sum(first) / 8, abs=1e-5)
    assert gap["low"] < gap["value"] < gap["high"]
    assert gap["step"] == 24


@pytest.mark.slow
def test_a_model_that_learns_noise_by_heart_is_found_out(tmp_path: Path) -> None:
    dataset = data(64)
    labels = torch.randint(0, 2, (64,), generator=torch.Generator().manual_seed(1))
    noisy = torch.utils.data.TensorDataset(dataset.tensors[0], labels)

    class Wide(Classifier):
        def __init__(self) -> None:
            super().__init__(dropout=0.0)
            self.net = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 2))

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=0.0)

    callback = AuditCallback()
    fit(trainer(tmp_path, callback, max_epochs=40), Wide(),
        DataLoader(noisy, batch_size=8, shuffle=True), loader(64, seed=9))  # fmt: skip
    findings = {finding["name"]: finding for finding in audit_of(callback.folder)["findings"]}
    assert {"overfitting", "overtraining"} <= set(findings)
    assert findings["overtraining"]["follows_from"] == findings["overfitting"]["rule"]
    settings = [item["settings"] for item in findings["overfitting"]["mitigations"]]
    assert {"model.dropout": 0.2, "optimizer.weight_decay": 0.1} in settings
    best = metrics_of(audit_of(callback.folder))["overfitting.best_step"]["value"]
    assert {"trainer.max_steps": best} in settings


def test_a_validation_step_that_cannot_take_a_training_batch_costs_the_gap_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Picky(Classifier):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", self.loss(batch["pair"]))

    class Pairs(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 24

        def __getitem__(self, index: int) -> Any:
            return {"pair": data(24)[index]}

    callback = AuditCallback()
    runner = trainer(tmp_path, callback)
    fit(runner, Picky(), loader(), DataLoader(Pairs(), batch_size=8))
    assert runner.global_step == 36
    monitor = monitors_of(audit_of(callback.folder))["overfitting"]
    assert monitor["status"] == "error"
    assert "validation_step cannot take a training batch" in monitor["reason"]
    assert "overfitting=None" in monitor["reason"]
    assert sum("validation_step cannot" in record.message for record in caplog.records) == 1
    assert metrics_of(audit_of(callback.folder))["overfitting.gap"]["value"] is None


def test_several_logged_losses_ask_for_a_name(tmp_path: Path) -> None:
    class Two(Classifier):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log_dict({"val_loss": self.loss(batch), "aux_loss": self.loss(batch)})

    unnamed, named = OverfittingMonitor(), OverfittingMonitor(monitor="val_loss")
    fit(trainer(tmp_path, unnamed), Two())
    assert "name the logged loss" in monitors_of(audit_of(unnamed.folder))["overfitting"]["reason"]
    fit(trainer(tmp_path, named), Two())
    assert metrics_of(audit_of(named.folder))["overfitting.gap"]["value"] is not None


def test_iterable_data_are_passed_once(tmp_path: Path) -> None:
    passes: list[int] = []

    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            passes.append(1)
            return iter([data(40)[index] for index in range(40)])

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=2), Classifier(), DataLoader(Stream(), batch_size=8), loader(24))
    assert len(passes) == 2
    assert metrics_of(audit_of(monitor.folder))["overfitting.gap"]["value"] is not None


def test_several_validation_loaders_count_the_first(tmp_path: Path) -> None:
    class Many(Classifier):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return self.loss(batch) + 100 * dataloader_idx

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Many(), loader(), [loader(24, seed=1), loader(24, seed=2)])
    assert abs(metrics_of(audit_of(monitor.folder))["overfitting.gap"]["value"]) < 5


def test_batches_that_the_step_overwrites_were_copied_before(tmp_path: Path) -> None:
    class Overwriting(Returning):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            batch[0].fill_(float("nan"))

    class Fresh(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 96

        def __getitem__(self, index: int) -> Any:
            x, y = data()[index]
            return x.clone(), y

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Overwriting(), DataLoader(Fresh(), batch_size=8), loader(24))
    series = Record.open(monitor.folder or "").series("overfitting.train_loss")
    assert torch.isfinite(torch.from_numpy(series.value)).all()


class Noisy(Returning):
    """Augments in training only, as many do."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return (batch[0] + 5, batch[1]) if self.trainer.training else batch


def test_the_probe_is_drawn_from_the_loader_that_is_given(tmp_path: Path) -> None:
    clean = DataLoader(data(64, seed=3), batch_size=8, shuffle=True)
    monitor, module = OverfittingMonitor(train_eval_dataloader=clean), Noisy()
    fit(trainer(tmp_path, monitor), module, loader(64), loader(64, seed=5))
    module.eval()
    with torch.no_grad():
        expected = sum(float(module.loss(batch)) for batch in list(clean)[:8]) / 8
    record = Record.open(monitor.folder or "")
    assert record.series("overfitting.train_loss").value[-1] == pytest.approx(expected, abs=1e-5)
    assert (
        "training probe of train_eval_dataloader" in metrics_of(audit_of(monitor.folder))["overfitting.gap"]["method"]
    )


def test_the_given_loader_is_read_once_and_closed(tmp_path: Path) -> None:
    opened: list[str] = []

    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            opened.append("open")
            try:
                yield from (data(200)[index] for index in range(200))
            finally:
                opened.append("closed")

    monitor = OverfittingMonitor(train_eval_dataloader=DataLoader(Stream(), batch_size=8))
    fit(trainer(tmp_path, monitor, max_epochs=4), Classifier())
    assert opened == ["open", "closed"]
    assert len(Record.open(monitor.folder or "").series("overfitting.gap")) == 4


def test_a_loader_that_holds_too_little_or_trains_is_refused(tmp_path: Path) -> None:
    short, train = OverfittingMonitor(train_eval_dataloader=loader(8)), loader()
    fit(trainer(tmp_path, short), Classifier())
    assert "gives 1 of at least 2 batches" in monitors_of(audit_of(short.folder))["overfitting"]["reason"]
    same = OverfittingMonitor(train_eval_dataloader=train)
    fit(trainer(tmp_path, same), Classifier(), train, loader(24))
    assert "is the training loader itself" in monitors_of(audit_of(same.folder))["overfitting"]["reason"]


@pytest.mark.parametrize(
    "option",
    [
        {"batches": 1},
        {"batches": True},
        {"monitor": 3},
        {"train_eval_dataloader": 3},
        {"train_eval_dataloader": iter([1])},
        {"train_eval_dataloader": DataLoader(data(), num_workers=1, persistent_workers=True)},
        {"metrics": "val_acc"},
    ],
)
def test_wrong_options_are_named(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        OverfittingMonitor(**option)


def test_without_time_the_validation_loss_is_kept_and_the_last_gap_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwire.callbacks import purse, session

    monkeypatch.setattr(purse, "GRACE_S", 0.0)
    monkeypatch.setattr(session, "BUDGET", 0.0)
    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=5), Classifier())
    record = Record.open(monitor.folder or "")
    assert record.series("overfitting.val_loss").step.tolist() == [12, 24, 36, 48, 60]
    assert record.series("overfitting.gap").step.tolist() == [12, 60]
