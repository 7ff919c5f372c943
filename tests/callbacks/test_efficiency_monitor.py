"""The monitor alone on a trainer: what it counts is so, and nothing of the training changes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from groundwire.audit.efficiency import measure
from groundwire.audit.model import Metric
from groundwire.audit.record import Record
from groundwire.callbacks import efficiency
from groundwire.callbacks.efficiency import EfficiencyMonitor
from lightning.pytorch.callbacks import ModelCheckpoint
from material import Adversarial, Classifier, fit, loader, trainer
from test_non_perturbation import Everything
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from torch.utils.data import DataLoader, IterableDataset

# Classifier: 8 → 16 → 2; forward, gradients of the weights, and of the input of the second layer.
A_BATCH = 2.0 * 8 * (2 * (8 * 16 + 16 * 2) + 16 * 2)


@pytest.fixture(autouse=True)
def nothing_left() -> Any:
    yield
    assert not _get_current_dispatch_mode_stack()


def record_of(monitor: EfficiencyMonitor) -> Record:
    assert monitor.folder is not None
    return Record.open(monitor.folder)


def metrics_of(monitor: EfficiencyMonitor) -> dict[str, Metric]:
    return {m.name.removeprefix("efficiency."): m for m in measure(record_of(monitor)) if not m.labels}


def totals_of(monitor: EfficiencyMonitor) -> dict[str, Any]:
    return record_of(monitor).events("efficiency", replayed=True)[-1]


def run(folder: Path, module: L.LightningModule, *loaders: Any, **options: Any) -> EfficiencyMonitor:
    monitor = EfficiencyMonitor()
    fit(trainer(folder, monitor, **options), module, *loaders)
    assert not monitor.failed
    return monitor


@pytest.mark.parametrize("accumulate", [1, 3])
def test_examples_and_operations_are_counted(tmp_path: Path, accumulate: int) -> None:
    monitor = run(tmp_path, Classifier(), accumulate_grad_batches=accumulate)
    told, found = totals_of(monitor), metrics_of(monitor)
    assert (told["batches"], told["samples"], told["tokens"]) == (36, 288, None)
    assert told["flop"] == {"fp32": 36 * A_BATCH}
    assert found["training_flop"].value == 36 * A_BATCH
    assert found["samples_per_s"].value == pytest.approx(288 / sum(told["seconds"].values()))
    assert 0 <= found["data_wait_share"].value < 1  # type: ignore[operator]
    assert 0 < found["validation_share"].value < 1  # type: ignore[operator]
    assert found["mfu"].value is None and "on no GPU" in str(found["mfu"].reason)
    assert told["peak_bytes"] > 2**20


def test_the_facts_are_noted(tmp_path: Path) -> None:
    (facts,) = record_of(run(tmp_path, Classifier())).events("efficiency.facts")
    expected = {"device": "cpu", "devices": 1, "precision": "32-true", "compiled": False, "parameters": 178}
    assert {name: facts[name] for name in expected} == expected
    assert facts["product_parameters"] == 160
    assert facts["optimizers"] == [{"name": "SGD", "fused": None, "foreach": None}]
    assert facts["dataloader"] | {"batch_size": 8, "num_workers": 0} == facts["dataloader"]
    assert facts["cpus"] >= 1


@pytest.mark.parametrize(("workers", "accumulate"), [(0, 1), pytest.param(2, 2, marks=pytest.mark.slow)])
def test_training_is_the_same_bit_for_bit(tmp_path: Path, workers: int, accumulate: int) -> None:
    def trained(*callbacks: L.Callback) -> dict[str, Any]:
        L.seed_everything(11, verbose=False)
        module = Everything(returns=True)
        generator = torch.Generator().manual_seed(3)
        options: dict[str, Any] = {"batch_size": 8, "num_workers": workers, "persistent_workers": workers > 0}
        train = DataLoader(loader().dataset, shuffle=True, generator=generator, **options)
        runner = trainer(
            tmp_path / str(len(callbacks)), *callbacks, max_epochs=2, accumulate_grad_batches=accumulate,
            val_check_interval=0.5, gradient_clip_val=0.5,
        )  # fmt: skip
        fit(runner, module, train, loader(24, seed=1))
        optimizer = runner.optimizers[0].state_dict()["state"]
        return {
            "weights": dict(module.state_dict()),
            "gradients": {name: p.grad for name, p in module.named_parameters()},
            "moments": {f"{i}.{name}": value for i, state in optimizer.items() for name, value in state.items()},
            "logged": dict(runner.callback_metrics),
            "random": {"torch": torch.get_rng_state(), "loader": generator.get_state()},
            "seen": {"seen": torch.tensor(module.seen)},
        }

    monitor = EfficiencyMonitor()
    base, watched = trained(), trained(monitor)
    assert totals_of(monitor)["counted_batches"] >= 4
    for part, values in base.items():
        assert values.keys() == watched[part].keys()
        for name, value in values.items():
            assert (value is None and watched[part][name] is None) or torch.equal(value, watched[part][name]), name


def test_several_optimizers_by_hand_are_counted_as_they_step(tmp_path: Path) -> None:
    monitor = run(tmp_path, Adversarial())
    generator, critic = 2.0 * 8 * 4 * 8, 2.0 * 8 * 8
    # The critic sees real and fake: forward and weights. The generator: both forward, the critic's input and both
    # weights; and the generator's first forward pass.
    expected = generator + 2 * 2 * critic + (generator + critic) + (2 * critic + generator)
    assert totals_of(monitor)["flop"] == {"fp32": pytest.approx(36 * expected)}


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        for row in range(40):
            yield torch.full((8,), float(row % 3)), torch.tensor(row % 2)


def test_data_without_a_length_and_no_validation(tmp_path: Path) -> None:
    monitor = run(tmp_path, Classifier(), DataLoader(Endless(), batch_size=8))
    assert totals_of(monitor)["samples"] == 120
    assert metrics_of(monitor)["validation_share"].value == 0.0


class Graphs:
    """A kind of batch that nobody knows."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def to(self, *_: Any, **__: Any) -> Graphs:
        return self


class OnGraphs(Classifier):
    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.net(batch.x).square().mean()


def test_a_batch_of_an_unknown_kind_leaves_operations_known(tmp_path: Path) -> None:
    graphs = DataLoader([Graphs(torch.randn(8, 8)) for _ in range(10)], batch_size=None)
    found = metrics_of(run(tmp_path, OnGraphs(), graphs, limit_val_batches=0))
    assert found["samples_per_s"].value is None and "no tensor" in str(found["samples_per_s"].reason)
    assert found["training_flop"].value == 30 * A_BATCH


def test_tokens_are_as_the_user_counts_them(tmp_path: Path) -> None:
    monitor = EfficiencyMonitor(tokens=lambda batch: 7)
    fit(trainer(tmp_path, monitor), Classifier())
    assert totals_of(monitor)["tokens"] == 36 * 7

    def broken(batch: Any) -> int:
        raise RuntimeError("no")

    monitor = EfficiencyMonitor(tokens=broken)
    fit(trainer(tmp_path, monitor), Classifier())
    assert not monitor.failed
    assert "RuntimeError" in totals_of(monitor)["no_tokens"]


class Failing(Classifier):
    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == self.hparams.get("fails_at", 1):
            raise RuntimeError("the user's own")
        return super().training_step(batch, batch_idx)


def test_an_exception_in_a_counted_step_is_the_users_alone(tmp_path: Path) -> None:
    monitor = EfficiencyMonitor()
    with pytest.raises(RuntimeError, match="the user's own"):
        fit(trainer(tmp_path, monitor), Failing())
    told = totals_of(monitor)
    assert (told["batches"], told["flop"]) == (2, None)
    assert metrics_of(monitor)["training_flop"].value is None


def test_counting_that_breaks_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.callbacks.flops import FlopCounter

    def broken(*_: Any) -> None:
        raise AssertionError("no such formula")

    monkeypatch.setattr(FlopCounter, "_count", broken)
    monitor = run(tmp_path, Classifier())
    found = metrics_of(monitor)
    assert "no such formula" in str(found["training_flop"].reason)
    assert found["samples_per_s"].value is not None


class Skipping(Classifier):
    """Ends each epoch in the middle, in a batch that is begun and never ended."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        return -1 if batch_idx == 1 else None

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        assert not _get_current_dispatch_mode_stack()
        return super().validation_step(batch, batch_idx)


def test_a_batch_that_the_module_skips_is_not_counted_on(tmp_path: Path) -> None:
    monitor = run(tmp_path, Skipping(), max_epochs=6)
    assert totals_of(monitor)["batches"] == 12


class OwnIterator(Classifier):
    def training_step(self, dataloader_iter: Any) -> torch.Tensor:
        batch, _, _ = next(dataloader_iter)
        return self.loss(batch)


def test_a_step_that_fetches_its_data_has_no_known_wait(tmp_path: Path) -> None:
    found = metrics_of(run(tmp_path, OwnIterator()))
    assert "dataloader_iter" in str(found["data_wait_share"].reason)
    assert found["training_flop"].value is not None


class Compiled(Classifier):
    def __init__(self, how: str) -> None:
        super().__init__(dropout=0.0)
        if how == "wrapped":
            self.net = torch.compile(self.net, backend="eager")  # type: ignore[assignment]
        elif how == "in place":
            self.net.compile(backend="eager")
        elif how == "function":
            self.loss = torch.compile(self.loss, backend="eager")  # type: ignore[method-assign]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["wrapped", "in place", "function"])
def test_compiled_models_are_left_alone(tmp_path: Path, how: str) -> None:
    monitor = run(tmp_path, Compiled(how))
    assert totals_of(monitor)["counted_batches"] == 0
    assert "compiled" in str(metrics_of(monitor)["training_flop"].reason)


def test_counting_can_be_switched_off(tmp_path: Path) -> None:
    monitor = EfficiencyMonitor(count_flop=False)
    fit(trainer(tmp_path, monitor), Classifier())
    assert "count_flop is off" in str(metrics_of(monitor)["training_flop"].reason)


def test_a_resumed_run_counts_the_work_of_both_attempts(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "kept", save_top_k=-1, filename="{step}")
    first = EfficiencyMonitor()
    module = Failing()
    module.hparams["fails_at"] = 30
    with pytest.raises(RuntimeError):
        fit(trainer(tmp_path, first, checkpoint, enable_checkpointing=True), module)
    second = EfficiencyMonitor()
    fit(trainer(tmp_path, second), Classifier(), ckpt_path=str(tmp_path / "kept" / "step=24.ckpt"))
    assert second.folder == first.folder
    found = metrics_of(second)
    assert found["training_flop"].value == (30 + 12) * A_BATCH
    assert "2 attempts" in found["samples_per_s"].method


def test_what_a_kill_leaves_has_told_something(tmp_path: Path) -> None:
    """The totals are in the record while the training goes on."""
    seen: list[int] = []

    class Look(L.Callback):
        def on_validation_end(self, *_: Any) -> None:
            record = Record.open(str(monitor.folder))
            seen.extend(event["batches"] for event in record.events("efficiency", replayed=True)[-1:])

    monitor = EfficiencyMonitor()
    fit(trainer(tmp_path, monitor, Look()), Classifier())
    assert seen


def test_series_are_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficiency, "ROW_S", 0.0)
    monitor = run(tmp_path, Classifier())
    parts = [part for part in record_of(monitor)._parts if part.table == "efficiency"]
    columns = parts[0].rows.columns
    assert columns == efficiency.COLUMNS
    values = parts[0].rows.values
    assert (values[:, columns.index("efficiency.samples_per_s")] > 0).all()
    rates = values[:, columns.index("efficiency.flop_per_s")]
    assert rates[-1] > 0
    # What is known late is told of all the time before.
    assert rates[-1] == pytest.approx(36 * A_BATCH / sum(totals_of(monitor)["seconds"].values()), rel=0.1)
    assert (values[:, columns.index("efficiency.data_wait_share")] < 1).all()


def test_the_monitor_can_be_copied_to_another_process(tmp_path: Path) -> None:
    monitor = run(tmp_path, Classifier())
    assert pickle.loads(pickle.dumps(monitor)).peak_flop_per_s is None


@pytest.mark.parametrize(
    "option",
    [{"tokens": 5}, {"peak_flop_per_s": 0}, {"peak_flop_per_s": float("nan")}, {"peak_flop_per_s": True},
     {"count_flop": "yes"}],
)  # fmt: skip
def test_wrong_options_are_named(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        EfficiencyMonitor(**option)


def test_an_update_with_products_of_its_own_is_not_counted(tmp_path: Path) -> None:
    class Orthogonal(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            with torch.enable_grad():
                loss = closure()
            for parameter in self.param_groups[0]["params"]:
                if parameter.ndim == 2:
                    parameter -= 1e-4 * parameter @ parameter.T @ parameter.grad
            return loss

    class Muon(Classifier):
        def configure_optimizers(self) -> Any:
            return Orthogonal(self.parameters(), lr=0.1)

    assert totals_of(run(tmp_path, Muon()))["flop"] == {"fp32": 36 * A_BATCH}


def test_a_tied_embedding_is_multiplied_with() -> None:
    from groundwire.callbacks.efficiency_facts import _parameters

    embedding, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    both = nn.Sequential(embedding, head)
    assert _parameters(both)["product_parameters"] == 40
    head.weight = embedding.weight
    assert _parameters(both) == dict.fromkeys(
        ("parameters", "trainable_parameters", "product_parameters", "trainable_product_parameters"), 40
    )


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import lightning as L
from lightning.pytorch.strategies import DDPStrategy
from groundwire.callbacks.efficiency import EfficiencyMonitor
from material import Classifier, fit, trainer

strategy = DDPStrategy(process_group_backend="gloo")
fit(trainer(Path({folder!r}), EfficiencyMonitor(), strategy=strategy, devices=2, max_epochs=3), Classifier())
"""


@pytest.mark.slow
def test_each_rank_counts_its_own_work(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    done = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    (folder,) = (tmp_path / "groundwire").iterdir()
    record = Record.open(folder)
    assert {event["rank"] for event in record.events("efficiency", replayed=True)} == {0, 1}
    found = {metric.name: metric for metric in measure(record) if not metric.labels}
    assert found["efficiency.training_flop"].value == 36 * A_BATCH


@pytest.mark.slow
def test_waiting_is_what_a_stopwatch_in_the_loader_says(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from benchmarks.efficiency.waiting import SUPPLIES, Sleeper, Stopwatch

    for supply in SUPPLIES[1:3]:
        watch = Stopwatch(supply.loader(40))
        told = totals_of(run(tmp_path, Sleeper(supply.step_s), watch, max_epochs=1))
        assert told["waited_s"] == pytest.approx(watch.seconds, rel=0.1)
        assert told["epochs"] == 1 and told["startup_s"] > 0.9 * supply.batch_s
