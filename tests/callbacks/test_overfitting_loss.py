"""Which number is the loss, which arguments the step gets, and where the training examples come from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
import torchmetrics
from groundwire.audit.record import Record
from groundwire.callbacks import OverfittingMonitor
from groundwire.callbacks.shuffled import in_order, spread_out
from groundwire.callbacks.validations import Validation
from material import Classifier, audit_of, data, fit, loader, monitors_of, trainer
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset


def gap_of(monitor: OverfittingMonitor, **labels: str) -> dict[str, Any]:
    found = [
        m for m in audit_of(monitor.folder)["metrics"] if m["name"] == "overfitting.gap" and m["labels"] == labels
    ]
    return dict(found[0])


def reason_of(monitor: OverfittingMonitor) -> str:
    return str(monitors_of(audit_of(monitor.folder))["overfitting"]["reason"])


def whole(module: Classifier, *sides: DataLoader[Any]) -> list[float]:
    module.eval()
    with torch.no_grad():
        return [float(module.loss(side.dataset.tensors)) for side in sides]


class Scoring(Classifier):
    """Returns a number alone, of which only `logs` tells what it is."""

    def __init__(self, logs: str, returns: str) -> None:
        super().__init__()
        self.logs, self.returns = logs, returns

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        loss, accuracy = self.loss(batch), (self.net(batch[0]).argmax(-1) == batch[1]).float().mean()
        for name in self.logs.split():
            self.log(name, accuracy if "acc" in name else loss / 3 if "part" in name else loss)
        return accuracy if self.returns == "accuracy" else loss


@pytest.mark.parametrize(
    ("logs", "returns", "told"),
    [("val_loss val_acc", "accuracy", "logged as val_loss"), ("val_loss", "accuracy", "logged as val_loss"),
     ("val_loss val_acc", "loss", "returned by validation_step"), ("val_acc", "loss", "returned by validation_step"),
     ("val_part_loss other_part_loss", "loss", "returned by validation_step")],
)  # fmt: skip
def test_a_number_returned_alone_is_the_loss_unless_what_is_logged_says_otherwise(
    tmp_path: Path, logs: str, returns: str, told: str
) -> None:
    monitor, module = OverfittingMonitor(), Scoring(logs, returns)
    train, val = loader(64), loader(64, seed=5)
    fit(trainer(tmp_path, monitor), module, train, val)
    first, second = whole(module, train, val)
    assert gap_of(monitor)["value"] == pytest.approx(second - first, abs=1e-5)
    assert f"loss {told}," in gap_of(monitor)["method"]
    series = Record.open(monitor.folder or "").series("overfitting.val_loss")
    assert series.step.tolist() == [8, 16, 24]
    assert series.value[-1] == pytest.approx(second, abs=1e-5)


def test_a_returned_accuracy_without_a_loss_is_refused(tmp_path: Path) -> None:
    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Scoring("val_acc", "accuracy"))
    assert "returns val_acc, which is no loss, and logs none" in reason_of(monitor)


def test_a_loss_logged_as_a_mean_metric_is_found(tmp_path: Path) -> None:
    class Meaning(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.mean = torchmetrics.MeanMetric()

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.mean(self.loss(batch))
            self.log("val/loss", self.mean)

    monitor, module, train, val = OverfittingMonitor(), Meaning(), loader(64), loader(64, seed=5)
    fit(trainer(tmp_path, monitor), module, train, val)
    first, second = whole(module, train, val)
    assert gap_of(monitor)["value"] == pytest.approx(second - first, abs=1e-5)


class Reducing(Classifier):
    """Logs with options that change what Lightning keeps."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch), **self.options)
        self.log_dict({"val_mae": self.loss(batch)}, **self.options)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"reduce_fx": "max"}, "max"),
        ({"reduce_fx": torch.min}, "min"),
        ({"on_step": True, "on_epoch": False}, "last"),
    ],
)
def test_what_lightning_keeps_counts_only_where_it_is_a_mean(
    tmp_path: Path, options: dict[str, Any], kept: str
) -> None:
    monitor, module = OverfittingMonitor(metrics=["val_mae"]), Reducing(**options)
    train, val = loader(64), loader(64, seed=5)
    fit(trainer(tmp_path, monitor), module, train, val)
    first, second = whole(module, train, val)
    assert gap_of(monitor)["value"] == pytest.approx(second - first, abs=1e-5)
    assert f"mean of the first batches because Lightning keeps their {kept}" in gap_of(monitor)["method"]
    assert gap_of(monitor, metric="val_mae")["value"] == pytest.approx(second - first, abs=1e-5)
    assert "mean of the values of batches" in gap_of(monitor, metric="val_mae")["method"]


def test_a_sum_is_no_loss(tmp_path: Path) -> None:
    summed, plain = OverfittingMonitor(), OverfittingMonitor()
    fit(trainer(tmp_path, summed), Reducing(reduce_fx="SUM"))
    assert "logs 'val_loss' with reduce_fx='sum'" in reason_of(summed)
    fit(trainer(tmp_path, plain), Reducing(reduce_fx="avg"))
    assert gap_of(plain)["value"] is not None


def test_the_key_of_a_checkpoint_names_the_loss_too(tmp_path: Path) -> None:
    class Two(Classifier):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.log_dict({"val_loss": self.loss(batch), "aux_loss": 2 * self.loss(batch)})

    monitor = OverfittingMonitor(monitor="val_loss/dataloader_idx_0")
    fit(trainer(tmp_path, monitor), Two(), loader(), [loader(24, seed=1), loader(24, seed=2)])
    assert "logged as val_loss" in gap_of(monitor)["method"]
    assert gap_of(monitor, dataloader="1")["value"] is not None
    with pytest.raises(ValueError, match="names validation loader 1"):
        OverfittingMonitor(monitor="val_loss/dataloader_idx_1")


class Staged(Classifier):
    def validation_step(self, batch: Any, batch_idx: int, stage: str = "val") -> None:
        self.log(f"{stage}_loss", self.loss(batch))


class Averaging(Classifier):
    def validation_step(self, batch: Any, batch_idx: int, ema: bool = False) -> Any:
        assert ema is False
        return self.loss(batch)


class Keyword(Classifier):
    def validation_step(self, batch: Any, batch_idx: int, *, dataloader_idx: int = 0) -> Any:
        return self.loss(batch)


class Alone(Classifier):
    def validation_step(self, batch: Any) -> Any:
        return self.loss(batch)


class Other(Classifier):
    def validation_step(self, *stuff: Any) -> Any:
        assert len(stuff) == 2
        return self.loss(stuff[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Staged, Averaging, Keyword, Alone, Other])
def test_the_step_gets_what_lightning_gives_it(tmp_path: Path, kind: type[Classifier]) -> None:
    monitor = OverfittingMonitor(metrics={"val_loss": "min"})  # the validation batches are asked as well
    fit(trainer(tmp_path, monitor), kind())
    assert monitors_of(audit_of(monitor.folder))["overfitting"]["status"] == "ran"
    assert gap_of(monitor)["value"] is not None
    assert ("val_loss" if kind is Staged else "returned") in gap_of(monitor)["method"]


def test_the_index_of_the_loader_is_given_where_there_are_several(tmp_path: Path) -> None:
    class Needing(Classifier):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
            self.log("val_loss", self.loss(batch) + 100 * dataloader_idx)

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Needing(), loader(), [loader(24, seed=1), loader(24, seed=2)])
    assert abs(gap_of(monitor)["value"]) < 5
    assert 95 < gap_of(monitor, dataloader="1")["value"] < 105


def test_training_loaders_that_the_step_does_not_know_are_told_the_way_out(tmp_path: Path) -> None:
    class Combined(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return super().training_step(batch["a"], batch_idx)

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Combined(), {"a": loader(), "b": loader()}, loader(24))
    assert "KeyError: 0" in reason_of(monitor)
    assert "train_eval_dataloader" in reason_of(monitor)


def sorted_data() -> TensorDataset:
    x, y = data(400).tensors
    order = y.argsort(stable=True)
    return TensorDataset(x[order], y[order])


@pytest.mark.slow
def test_a_loader_in_order_gives_examples_from_all_over(tmp_path: Path) -> None:
    content = sorted_data()
    clean = DataLoader(content, batch_size=8)
    monitor, module = OverfittingMonitor(train_eval_dataloader=clean), Classifier()
    train, val = DataLoader(content, batch_size=8, shuffle=True), loader(64, seed=5)
    picked = spread_out(clean, 8)
    assert picked is not None
    labels = torch.cat([y for _, y in picked])
    assert labels.shape == (64,)
    assert 16 < int(labels.sum()) < 48  # the first 64 are all of one class
    fit(trainer(tmp_path, monitor), module, train, val)
    module.eval()
    with torch.no_grad():
        expected = sum(float(module.loss(batch)) for batch in picked) / 8
    assert Record.open(monitor.folder or "").series("overfitting.train_loss").value[-1] == pytest.approx(
        expected, abs=1e-5
    )
    assert "training probe of train_eval_dataloader" in gap_of(monitor)["method"]


class Streaming(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([data(80)[index] for index in range(80)])


class Own(DataLoader[Any]):
    def __iter__(self) -> Any:
        return super().__iter__()


@pytest.mark.parametrize("clean", [DataLoader(Streaming(), batch_size=8), Own(data(80), batch_size=8)])
def test_where_examples_cannot_be_picked_that_is_told(tmp_path: Path, clean: DataLoader[Any]) -> None:
    assert spread_out(clean, 8) is None
    monitor = OverfittingMonitor(train_eval_dataloader=clean)
    fit(trainer(tmp_path, monitor), Classifier())
    assert "training probe of the first batches of train_eval_dataloader" in gap_of(monitor)["method"]


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_unshuffled_training_loader_is_told(tmp_path: Path, shuffle: bool) -> None:
    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Classifier(), loader(shuffle=shuffle), loader(24))
    assert ("of an unshuffled training loader" in gap_of(monitor)["method"]) is not shuffle
    assert in_order({"a": [loader(shuffle=shuffle)]}) is not shuffle


def test_a_shuffled_loader_is_read_as_it_is() -> None:
    assert spread_out(loader(shuffle=True), 8) is None
    assert spread_out(DataLoader(data(), batch_size=None, sampler=RandomSampler(data())), 8) is None
    assert spread_out([1, 2], 8) is None
    unbatched = spread_out(DataLoader(data(), batch_size=None), 8)
    assert unbatched is not None
    assert len(list(unbatched)) == 8


def test_examples_are_picked_without_touching_random_numbers() -> None:
    class Plain(Dataset[Any]):
        def __len__(self) -> int:
            return 10**12

        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.tensor(index)

    own = torch.Generator().manual_seed(3)
    clean = DataLoader(Plain(), batch_size=4, generator=own)
    before, drawn = torch.get_rng_state(), own.get_state()
    first, second = spread_out(clean, 3), spread_out(clean, 3)
    assert first is not None
    assert second is not None
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(drawn, own.get_state())


def test_numbers_returned_alone_count_once_they_are_known_to_be_the_loss() -> None:
    batch, validation = torch.zeros(4, 2), Validation(2)
    validation.restart(1)
    validation.before(batch, 0)
    validation.after(torch.tensor(0.5), batch, 0)
    assert validation.asks(0)
    assert not validation.returns(0)
    validation.believe()
    assert validation.returns(0)
    assert not validation.asks(0)
    several = Validation(2, ranks=2)
    several.restart(1)
    several.before(batch, 0)
    several.after(torch.tensor(0.5), batch, 0)
    several.believe()
    assert several.returns(0)
    assert several.asks(0)  # as every other rank does, whatever it believes


def test_a_loss_that_is_not_finite_stays_the_loss(tmp_path: Path) -> None:
    class Broken(Classifier):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch) * float("nan")
            self.log("val_loss", loss)
            return loss

    monitor = OverfittingMonitor()
    fit(trainer(tmp_path, monitor), Broken())
    series = Record.open(monitor.folder or "").series("overfitting.val_loss")
    assert all(math.isnan(value) for value in series.value)
    assert "returned by validation_step" in gap_of(monitor)["method"]


@pytest.mark.slow
def test_a_compiled_model_is_compiled_no_more_often_than_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Quiet(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            return self.loss(batch)

    def compiled(folder: Path, *callbacks: L.Callback) -> int:
        torch._dynamo.reset()
        count = 0

        def backend(graph: Any, _: Any) -> Any:
            nonlocal count
            count += 1
            return graph.forward

        L.seed_everything(3, verbose=False)
        module = torch.compile(Quiet(), backend=backend)
        fit(trainer(folder, *callbacks), module, loader(40, shuffle=True), loader(48, batch_size=16))
        return count

    plain = compiled(tmp_path / "plain")
    caplog.clear()
    monitor = OverfittingMonitor()
    assert compiled(tmp_path / "watched", monitor) == plain
    assert gap_of(monitor)["value"] is not None
    assert not [record for record in caplog.records if "raph break" in record.getMessage()]
