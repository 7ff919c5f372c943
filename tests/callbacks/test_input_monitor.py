"""What is seen of the batches of a run, and that nobody notices."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, InputMonitor
from groundwire.callbacks.features import Columns, columns, document
from lightning.pytorch.callbacks import ModelCheckpoint
from material import Adversarial, Classifier, Returning, audit_of, data, fit, loader, monitors_of, trainer
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


def recorded(folder: Path, module: L.LightningModule, *loaders: Any, **options: Any) -> Record:
    monitor = InputMonitor()
    fit(trainer(folder, monitor, **options), module, *loaders)
    assert not monitor.off
    return Record.open(monitor.folder or "")


def test_features_that_are_lost_in_training_are_told(tmp_path: Path) -> None:
    train, val = data(512), data(64, seed=1)
    train.tensors[0][:, 3] = 0.0
    train.tensors[0][:, 5] = torch.nan
    val.tensors[0][:, 6] = 0.0
    record = recorded(tmp_path, Clean(), *(DataLoader(one, batch_size=32) for one in (train, val)))
    event = record.events("inputs.features")[-1]
    assert (event["of"], event["columns"], event["odd_count"]) == ("table", 8, 3)
    assert event["examples"]["train"] >= 512
    lost, nan, gone = event["odd"]
    assert (lost["column"], lost["train"]["usual"], lost["train"]["value"]) == (3, 1.0, 0.0)
    assert lost["val"]["usual"] < 0.1
    assert (nan["column"], nan["train"]["nan"]) == (5, 1.0)
    assert (gone["column"], gone["val"]["usual"]) == (6, 1.0)
    assert event["frequent"] == [0, 0]


class Clean(Returning):
    """Takes NaN for zero."""

    def loss(self, batch: Any) -> torch.Tensor:
        return super().loss((batch[0].nan_to_num(), batch[1]))


@pytest.mark.parametrize(
    ("shape", "kind", "rows", "width"),
    [((4, 5), "table", 4, 5), ((4, 3, 40, 40), "channels", 4 * 14 * 14, 3), ((4, 8, 8, 3), "channels", 256, 3),
     ((4, 6, 5), "sequence", 24, 5)],
)  # fmt: skip
def test_columns_are_features_or_channels(shape: tuple[int, ...], kind: str, rows: int, width: int) -> None:
    found = columns(torch.rand(shape))
    assert found is not None
    assert (found[0], tuple(found[1].shape)) == (kind, (rows, width))
    assert columns(torch.zeros(shape, dtype=torch.int64)) is None


def test_a_channel_without_light_is_told() -> None:
    images = torch.rand(16, 3, 8, 8)
    images[:, 1] = 0
    found = columns(images)
    assert found is not None
    train = Columns()
    train.add(found[1], 16)
    told = document("channels", train, Columns())
    assert [entry["column"] for entry in told["odd"]] == [1]
    assert told["examples"] == {"train": 16, "val": 0}


def test_validation_examples_that_were_trained_on_are_counted(tmp_path: Path) -> None:
    train, val = data(96), data(40, seed=1)
    for one, other in zip(val.tensors, train.tensors, strict=True):
        one[:10] = other[50:60]
    for part in train.tensors:
        part[0] = part[1]
    record = recorded(tmp_path, Returning(), DataLoader(train, 8, shuffle=True), DataLoader(val, 8))
    event = record.events("inputs.examples")[-1]
    assert (event["train"], event["val"], event["shared"], event["twins"]) == (96, 40, 10, 2)


class Blind(Returning):
    def loss(self, batch: Any) -> torch.Tensor:
        return super().loss((torch.randn_like(batch[0]), batch[1]))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "blind"), [(Blind, True), (Returning, False), (Classifier, False)])
def test_exchanged_inputs_show_whether_they_matter(tmp_path: Path, kind: Any, blind: bool) -> None:
    record = recorded(tmp_path, kind(), max_epochs=6)
    right, other, one = (record.series(f"inputs.{n}") for n in ("loss", "exchanged_loss", "one_target_loss"))
    assert right.step.tolist() == [12, 24, 36, 48, 60, 72]
    if blind:
        assert other.value.tolist() == right.value.tolist()
        assert abs(one.value - right.value).min() > 1e-4
    else:
        assert other.value[-1] > 1.5 * right.value[-1]
        assert np.isnan(one.value[-1])


class Itself(Returning):
    """A loss without targets is the same whatever the order of the examples."""

    def loss(self, batch: Any) -> torch.Tensor:
        return (self.net(batch[0]).sum(dim=1) - batch[0].sum(dim=1)).square().mean()


def test_a_loss_without_targets_is_told_from_lost_inputs(tmp_path: Path) -> None:
    record = recorded(tmp_path, Itself(lr=1e-4))
    right, one = record.series("inputs.loss"), record.series("inputs.one_target_loss")
    assert one.value == pytest.approx(right.value, rel=1e-5)


class Numbers(Dataset[Any]):
    """Noise from a generator of its own, and the same examples in each worker."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> Any:
        return torch.from_numpy(self.rng.normal(size=8).astype(np.float32)), index % 2


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(data(96))


@pytest.mark.slow
def test_workers_that_make_the_same_examples_are_told(tmp_path: Path) -> None:
    for dataset, generators in ((Stream(), []), (Numbers(), ["dataset.rng"])):
        record = recorded(tmp_path, Returning(), DataLoader(dataset, 8, num_workers=2), loader(24), max_epochs=1)
        told, seen = record.events("inputs.workers")[-1], record.events("inputs.examples")[-1]
        assert (told["workers"], told["generators"], told["stream"]) == (2, generators, not generators)
        if generators:  # labels differ: only what was drawn is the same
            assert seen["across_workers"] >= 24
        else:
            assert (seen["train"], seen["across_workers"], seen["within_workers"]) == (192, 96, 0)


@pytest.mark.parametrize("module", [Adversarial, Classifier])
def test_a_run_without_validation_says_what_is_not_known(tmp_path: Path, module: Any) -> None:
    monitor = InputMonitor()
    runner = trainer(tmp_path, monitor, limit_val_batches=0)
    runner.fit(module(), loader())
    record = Record.open(monitor.folder or "")
    assert record.events("inputs.examples")[-1]["val"] == 0
    if module is Classifier:
        told = [entry["reason"] for entry in audit_of(monitor.folder)["not_checked"]]
        assert not len(record.series("inputs.loss"))
        assert any("no validation" in reason for reason in told)


def test_a_step_that_cannot_be_asked_again_leaves_the_rest(tmp_path: Path) -> None:
    class Ambiguous(Classifier):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("a_loss", self.loss(batch))
            self.log("b_loss", 2 * self.loss(batch))

    monitor = InputMonitor()
    fit(trainer(tmp_path, monitor), Ambiguous())
    audit = audit_of(monitor.folder)
    assert monitors_of(audit)["inputs"]["status"] == "ran"
    (told,) = [entry for entry in audit["not_checked"] if "uses its inputs" in entry["what"]]
    assert "cannot be asked" in told["reason"]
    assert Record.open(monitor.folder or "").events("inputs.examples")[-1]["shared"] == 0


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_is_the_same_with_and_without_the_monitor(tmp_path: Path, workers: int) -> None:
    ends = []
    for callbacks in ([], [InputMonitor()]):
        L.seed_everything(3, verbose=False)
        module = Classifier()
        runner = trainer(tmp_path, *callbacks, max_epochs=2)
        fit(runner, module, DataLoader(data(), 8, shuffle=True, num_workers=workers), loader(24, seed=1))
        weights = [value.tolist() for value in module.state_dict().values()]
        numbers = torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()
        logged = {name: float(value) for name, value in runner.callback_metrics.items()}
        ends.append((weights, numbers, logged, [child.training for child in module.modules()]))
    assert ends[0] == ends[1]


def test_batches_of_any_kind_are_survived(tmp_path: Path) -> None:
    class Texts(Dataset[Any]):
        def __len__(self) -> int:
            return 24

        def __getitem__(self, index: int) -> Any:
            return {"text": "a" * index, "x": torch.randn(2 + index % 3)}

    class Summing(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            return sum(((one["x"] * self.scale).sum() for one in batch), torch.zeros(()))

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            return self.training_step(batch, batch_idx)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    loaders = (DataLoader(Texts(), 4, collate_fn=list) for _ in range(2))
    recorded(tmp_path, Summing(), *loaders)


def test_a_resumed_run_is_looked_at_again(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "kept", save_last=True)
    first, second = InputMonitor(), InputMonitor()
    fit(trainer(tmp_path, first, checkpoint, max_epochs=2, enable_checkpointing=True), Classifier())
    fit(trainer(tmp_path, second, max_epochs=4), Classifier(), ckpt_path=str(tmp_path / "kept" / "last.ckpt"))
    assert first.folder == second.folder
    record = Record.open(second.folder or "")
    assert record.series("inputs.loss").step.tolist() == [12, 24, 36, 48]
    assert record.events("inputs.examples")[-1]["train"] == 96
    assert pickle.loads(pickle.dumps(second)).session is None


@pytest.mark.slow
def test_the_audit_looks_at_inputs_and_names_leakage(tmp_path: Path) -> None:
    callback, same = AuditCallback(carbon=None), data(96)
    fit(trainer(tmp_path, callback), Returning(), DataLoader(same, 8, shuffle=True),
        DataLoader(TensorDataset(*(part[:24] for part in same.tensors)), 8))  # fmt: skip
    found = {finding["name"]: finding for finding in audit_of(callback.folder)["findings"]}
    assert "24 of 24 validation examples (100 %)" in found["train-validation-leakage"]["summary"]
