"""Trainings that the monitors were not written for: nothing breaks, nothing changes, nobody is left behind."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from groundwire.callbacks import AuditCallback, InputMonitor, RepresentationMonitor, purse
from groundwire.callbacks.batches import batch_size, bytes_of, first_tensor, plain
from groundwire.callbacks.contents import Contents
from groundwire.callbacks.criteria import Call, criterion
from groundwire.callbacks.features import SEQUENCES, columns
from groundwire.callbacks.isolation import isolated
from groundwire.callbacks.last_layer import VALUES, rows_of
from groundwire.callbacks.own_random import carried
from groundwire.callbacks.reference import compared
from groundwire.callbacks.spectrum import Spectrum
from groundwire.callbacks.swapped import with_other_inputs
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger
from material import Adversarial, Classifier, audit_of, data, fit, loader, monitors_of, trainer
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack
from torch.utils.data import DataLoader, Dataset


def _given(make: Callable[[torch.Tensor, torch.Tensor], Any], size: int = 96, batch_size: int = 8) -> DataLoader[Any]:
    def collate(examples: list[Any]) -> Any:
        return make(torch.stack([x for x, _ in examples]), torch.stack([y for _, y in examples]))

    return DataLoader(data(size), batch_size=batch_size, collate_fn=collate)


class Given(Classifier):
    """Takes inputs and targets out of a batch by a function of its own."""

    def __init__(self, take: Callable[[Any], torch.Tensor]) -> None:
        super().__init__()
        self.take = take

    def loss(self, batch: Any) -> torch.Tensor:
        return self.take(batch)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.loss(batch)

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("val_loss", self.loss(batch), batch_size=8)


class ReadOnly(Mapping[str, Any]):
    def __init__(self, items: Any) -> None:
        self._items = dict(items)

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class Held:
    """A batch of the user's own that shows no tensor."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


def _entropy(module: Given, x: torch.Tensor, y: torch.Tensor, **options: Any) -> torch.Tensor:
    return functional.cross_entropy(module.net(x), y, **options)


def _ragged(x: torch.Tensor) -> list[torch.Tensor]:
    return [row.repeat(2 + place % 3, 1) for place, row in enumerate(x)]


def _unbound(batch: Any) -> torch.Tensor:
    return torch.stack([part.mean(dim=0) for part in batch])


def _dense(x: torch.Tensor) -> torch.Tensor:
    return x.to_dense() if x.layout is not torch.strided else x


def _ids(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 0] * 10).long().clamp(0, 9)


def _no_class(y: torch.Tensor) -> torch.Tensor:
    return torch.where(torch.arange(len(y)) % 3 == 0, 255, y)


CASES: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "numbers": (lambda x, y: (_ids(x), y), lambda m, b: _entropy(m, b[0][:, None].expand(-1, 8).float(), b[1])),
    "ignored": (lambda x, y: (x, _no_class(y)), lambda m, b: _entropy(m, b[0], b[1], ignore_index=255)),
    "bfloat16": (lambda x, y: (x.bfloat16(), y), lambda m, b: _entropy(m, b[0].float(), b[1])),
    "sparse": (lambda x, y: (x.relu().to_sparse(), y), lambda m, b: _entropy(m, _dense(b[0]), b[1])),
    "compressed": (lambda x, y: (x.relu().to_sparse_csr(), y), lambda m, b: _entropy(m, _dense(b[0]), b[1])),
    "nested": (
        lambda x, y: (torch.nested.nested_tensor(_ragged(x)), y),
        lambda m, b: _entropy(m, _unbound(b[0].unbind()), b[1]),
    ),
    "jagged": (
        lambda x, y: (torch.nested.nested_tensor(_ragged(x), layout=torch.jagged), y),
        lambda m, b: _entropy(m, _unbound(b[0].unbind()), b[1]),
    ),
    "ragged": (lambda x, y: (_ragged(x), y), lambda m, b: _entropy(m, _unbound(b[0]), b[1])),
    "read-only": (lambda x, y: ReadOnly({"x": x, "labels": y}), lambda m, b: _entropy(m, b["x"], b["labels"])),
    "object": (Held, lambda m, b: _entropy(m, b.x, b.y)),
    "one logit": (
        lambda x, y: (x[:1], y[:1]),
        lambda m, b: functional.binary_cross_entropy_with_logits(m.net(b[0])[:, 0].squeeze(), b[1][0].float()),
    ),
    "five dimensions": (lambda x, y: (x[..., None, None, None], y), lambda m, b: _entropy(m, b[0].flatten(1), b[1])),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_no_monitor_breaks_on_a_batch(tmp_path: Path, name: str) -> None:
    make, loss = CASES[name]
    found = []
    for folder, callbacks in ((tmp_path / "plain", ()), (tmp_path / "audited", (AuditCallback(report=False),))):
        L.seed_everything(1, verbose=False)
        module = Given(lambda batch: loss(module, batch))  # noqa: B023 - called in this round only
        module.transfer_batch_to_device = lambda batch, *_: batch  # type: ignore[method-assign]
        fit(trainer(folder, *callbacks, max_epochs=2), module, _given(make), _given(make, 24))
        found.append((module.state_dict(), torch.get_rng_state()))
        broken = [m for c in callbacks for m in audit_of(c.folder)["monitors"] if m["status"] == "error"]
        assert not broken
    assert all(torch.equal(value, found[1][0][key]) for key, value in found[0][0].items())
    assert torch.equal(found[0][1], found[1][1])


def test_what_has_no_shape_is_passed_over() -> None:
    nested = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged)
    batch = [nested, torch.zeros(5)]
    assert (batch_size(batch), bytes_of(batch)) == (5, 20)
    assert first_tensor(nested) is None
    assert [plain(t) for t in (torch.ones(2), torch.ones(2).to_sparse(), torch.ones(2) * 1j)] == [True, False, False]


def test_inputs_of_a_kind_that_cannot_be_copied_are_not_exchanged() -> None:
    x, y = torch.randn(8, 3), torch.arange(8)
    assert with_other_inputs({"x": x, "labels": y})
    assert not with_other_inputs(ReadOnly({"x": x, "labels": y}))
    assert not with_other_inputs((x.to_sparse(), y))


class Breaks(Classifier):
    """Raises in a step."""

    at = 1

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        if self.global_step == self.at:
            raise ValueError("the user's own")
        return loss


class Fails(Adversarial):
    def training_step(self, batch: Any, batch_idx: int) -> None:
        super().training_step(batch, batch_idx)
        if batch_idx == 1:
            raise ValueError("the user's own")


@pytest.mark.parametrize("module", [Breaks, Fails])
def test_a_step_that_breaks_leaves_no_watch_behind(tmp_path: Path, module: type[L.LightningModule]) -> None:
    with pytest.raises(ValueError, match="own"):
        fit(trainer(tmp_path, AuditCallback(report=False)), module(), loader())
    assert not _get_current_function_mode_stack()  # type: ignore[no-untyped-call]


class Skips(Classifier):
    """Ends each epoch early, after hooks of callbacks have run."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        return -1 if batch_idx == 2 else None


def test_a_batch_that_the_module_skips_leaves_no_watch_behind(tmp_path: Path) -> None:
    fit(trainer(tmp_path, AuditCallback(report=False)), Skips())
    assert not _get_current_function_mode_stack()  # type: ignore[no-untyped-call]


class Functional(Classifier):
    """Computes gradients of each example inside torch.func."""

    def loss(self, batch: Any) -> torch.Tensor:
        weights = {name: value.detach() for name, value in self.net.named_parameters()}
        self.net.eval()

        def one(held: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(torch.func.functional_call(self.net, held, (x[None],)), y[None])

        each = torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, 0))(weights, *batch)
        return super().loss(batch) + 0 * sum(value.sum() for value in each.values())


@pytest.mark.slow
def test_calls_inside_transforms_are_not_noted(tmp_path: Path) -> None:
    audit = AuditCallback(report=False)
    fit(trainer(tmp_path, audit), Functional())
    assert {m["status"] for m in audit_of(audit.folder)["monitors"] if m["name"] != "generation"} == {"ran"}


class Meter:
    def __init__(self) -> None:
        self.total, self.seen = 0.0, [0]

    def add(self, value: float) -> None:
        self.total += value
        self.seen.append(len(self.seen))


class Summing(Classifier):
    """Sums up its validation in everything that people sum up in."""

    def __init__(self) -> None:
        super().__init__()
        self.meter, self.plain = Meter(), SimpleNamespace(n=0)
        self.lists, self.counts = defaultdict[str, list[float]](list), Counter[str]()
        self.tensor, self.array = torch.zeros(()), np.zeros(2)

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        self.meter.add(float(loss))
        self.lists["x"].append(float(loss))
        self.counts["n"] += 1
        self.plain.n += 1
        self.tensor += 1
        self.array[0] += 1
        if f"mask{len(batch[0])}" not in dict(self.named_buffers()):
            self.register_buffer(f"mask{len(batch[0])}", torch.ones(len(batch[0])))
        self.log("loss", loss)

    def on_validation_epoch_end(self) -> None:
        self.log("val_loss", self.meter.total / len(self.meter.seen))
        seen = [len(self.lists["x"]), self.counts["n"], self.plain.n, float(self.tensor), float(self.array[0])]
        self.log_dict({f"seen_{place}": float(value) for place, value in enumerate(seen)})
        self.meter = Meter()


@pytest.mark.slow
def test_what_a_step_sums_up_holds_the_run_s_own_batches_only(tmp_path: Path) -> None:
    found = []
    for name, callbacks in (("plain", []), ("audited", [AuditCallback(report=False)])):
        L.seed_everything(3, verbose=False)
        module, stop = Summing(), EarlyStopping("val_loss", patience=1)
        runner = trainer(tmp_path / name, *callbacks, stop, max_epochs=8)
        fit(runner, module, loader(200, shuffle=True), loader(60, seed=1, batch_size=16))
        logged = {key: float(value) for key, value in runner.callback_metrics.items()}
        random_numbers = random.getstate(), torch.get_rng_state().tolist()
        found.append((logged, runner.global_step, sorted(module.state_dict()), vars(module.plain), random_numbers))
    assert found[0] == found[1]


def test_what_threads_share_or_others_own_is_left_alone() -> None:
    class Locked:
        def __init__(self) -> None:
            import threading

            self.n, self.lock = 0, threading.Lock()

    class Examples(Dataset[int]):
        n = 0

    contents, locked, examples, meter = Contents(), Locked(), Examples(), Meter()
    for value in (locked, examples, meter):
        contents.stand_in(value)
        value.n = 1  # type: ignore[union-attr]
    contents.put_back()
    assert (locked.n, examples.n, hasattr(meter, "n")) == (1, 1, False)


def test_a_tensor_that_is_held_twice_stays_one() -> None:
    shared = torch.zeros(2)
    held = {"a": shared, "b": [shared]}
    contents = Contents()
    contents.stand_in(held)
    assert held["a"] is held["b"][0]
    held["a"] += 1
    contents.put_back()
    assert held["a"] is shared
    assert not shared.any()


class Writing(Classifier):
    """Prints, and writes to its logger itself."""

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        print("validating", batch_idx)  # noqa: T201 - as users do
        self.logger.log_metrics({"mine": float(batch_idx)}, step=100 * self.global_step + batch_idx)  # type: ignore[union-attr]
        return super().validation_step(batch, batch_idx)


@pytest.mark.slow
def test_the_user_s_logger_and_terminal_see_the_run_s_own_batches_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for name, callbacks in (("plain", []), ("audited", [AuditCallback(report=False)])):
        L.seed_everything(3, verbose=False)
        runner = trainer(tmp_path / name, *callbacks, logger=CSVLogger(tmp_path / name))
        fit(runner, Writing())
        (written,) = (tmp_path / name).rglob("metrics.csv")
        found.append((written.read_text(), capsys.readouterr().out.count("validating")))
    assert found[0] == found[1]


def test_loggers_and_buffers_are_there_again_after_an_error() -> None:
    module = Classifier()
    module.register_buffer("late", None)
    with pytest.raises(ValueError, match="own"), isolated(module):
        module.late = torch.ones(1)
        module.register_buffer("new", torch.ones(1), persistent=False)
        raise ValueError("the user's own")
    assert module.late is None
    assert not hasattr(module, "new")


class Evil(Dataset[Any]):
    """Does not want to be looked into."""

    def __init__(self) -> None:
        def late() -> Any:
            return unknown

        self.function, self.huge = late, {place: place for place in range(100_000)}
        self.proxy = Proxy()
        if not self.huge:
            unknown = 1

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Hidden(Evil):
    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            raise RuntimeError("no attributes")
        return super().__getattribute__(name)


class Proxy:
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("not bound to anything")

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise RuntimeError("not bound to anything")


@pytest.mark.parametrize("kind", [Evil, Hidden])
def test_a_dataset_that_does_not_want_to_be_looked_into_is_not(kind: type[Evil]) -> None:
    class Loader(DataLoader[Any]):
        def __init__(self) -> None:
            self.dataset, self.num_workers, self.worker_init_fn, self.collate_fn = kind(), 2, None, list

        def __setattr__(self, name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

    assert carried(Loader()) == []


def test_a_sum_of_losses_is_not_compared_with_guessing(tmp_path: Path) -> None:
    class Sums(Classifier):
        def loss(self, batch: Any) -> torch.Tensor:
            return functional.cross_entropy(self.net(batch[0]), batch[1], reduction="sum")

    audit = AuditCallback(report=False)
    fit(trainer(tmp_path, audit, max_epochs=6), Sums(lr=0.005))
    assert "bad-init-scale" not in {finding["name"] for finding in audit_of(audit.folder)["findings"]}


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_training_that_returns_no_loss_is_judged_quietly(tmp_path: Path) -> None:
    class Validated(Adversarial):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", self.critic(self.generator(torch.randn(4, 4))).mean())

    audit = AuditCallback(report=False)
    four = DataLoader(torch.utils.data.TensorDataset(torch.randn(96, 8)), batch_size=8)
    fit(trainer(tmp_path, audit), Validated(), four, four)
    assert monitors_of(audit_of(audit.folder))["representation"]["status"] == "ran"


def test_an_empty_batch_of_sequences_and_a_single_logit_have_facts() -> None:
    empty = Call.of(functional.cross_entropy, (torch.zeros(0, 3, 5), torch.zeros(0, 5, dtype=torch.int64)), {})
    assert criterion(empty, torch.zeros(())).numbers.tolist() == [0, 0, 0, 0, 0, 0]
    one = Call.of(functional.binary_cross_entropy_with_logits, (torch.tensor(2.0), torch.tensor(1.0)), {})
    assert criterion(one, torch.zeros(())).counts is None


def test_classes_that_are_ignored_and_numbers_of_users_do_not_enter_the_reference() -> None:
    x = torch.randn(128, 3)
    y = (x[:, 0] > 0).long()
    logits = torch.stack([-x[:, 0], x[:, 0]], dim=1)
    some = torch.where(torch.arange(128) % 4 == 0, 255, y)
    found = compared(x.bfloat16(), logits, some)
    assert found is not None
    assert (found.examples, found.model) == (96, 0.0)
    assert compared(torch.arange(128), logits, y) is None


def test_wide_rows_have_the_spectrum_that_they_have_and_not_more_values_than_can_be_looked_at() -> None:
    generator = torch.Generator().manual_seed(0)
    narrow = torch.randn(40, 3, generator=generator) @ torch.randn(3, 500, generator=generator)
    found = Spectrum.of(narrow)
    centred = narrow.double() - narrow.double().mean(dim=0)
    share = torch.linalg.svdvals(centred)
    share = share[share > 1e-6] / share.sum()
    assert found is not None
    assert found.effective_rank == pytest.approx(float((-(share * share.log()).sum()).exp()), rel=1e-4)
    many = Spectrum.of(torch.randn(5000, 4, generator=generator))
    assert many is not None
    assert many.rows <= 512
    assert rows_of(torch.zeros(4, 32, 50_000), convolved=False).numel() <= max(VALUES, 8 * 50_000)


def test_of_long_sequences_some_places_are_looked_at() -> None:
    found = columns(torch.zeros(4, 200_000, 8))
    assert found is not None
    assert found[0] == "sequence"
    assert found[1].numel() <= SEQUENCES + 4 * 8


class Slow(Classifier):
    calls = 0

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        self.calls += 1
        time.sleep(0.6)
        return super().validation_step(batch, batch_idx)


@pytest.mark.slow
@pytest.mark.parametrize("monitor", [InputMonitor, RepresentationMonitor])
def test_a_slow_validation_step_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitor: type[Any]
) -> None:
    monkeypatch.setattr(purse, "GRACE_S", 0.1)
    asking, module = monitor(), Slow()
    fit(trainer(tmp_path, asking, max_epochs=1), module, loader(), loader(16, seed=1))
    assert module.calls == 2
    told = " ".join(reason["reason"] for reason in audit_of(asking.folder)["not_checked"])
    assert "longer than the budget allows" in told


def test_batches_of_unknown_size_and_large_ones_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwire.callbacks.representation.ROOM", 100)
    audit = RepresentationMonitor()
    runner = trainer(tmp_path, audit)
    kept: list[int] = []
    monkeypatch.setattr(
        RepresentationMonitor, "finish", lambda self, *_: kept.append(len(self._probe.batches))
    )  # fmt: skip
    fit(runner, Classifier())
    assert kept == [0]
