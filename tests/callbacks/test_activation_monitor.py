"""What is seen of a step from outside, and that nobody notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from groundwire.audit.record import Record
from groundwire.callbacks import ActivationMonitor, AuditCallback
from groundwire.callbacks.observer import Observer
from groundwire.callbacks.replay import birthplace
from material import Adversarial, Classifier, audit_of, fit, loader, monitors_of, trainer
from torch import nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack


def observed(net: nn.Module, *inputs: torch.Tensor) -> Observer:
    """Return what is seen of one forward pass and a cross-entropy over its outputs."""
    names = {id(p): name.rpartition(".")[0] for name, p in net.named_parameters()}
    observer = Observer(names, whole=True)
    observer.watch()
    out = net(*inputs)
    if out.ndim == 2:
        functional.cross_entropy(out, torch.zeros(len(out), dtype=torch.long))
    observer.leave()
    assert observer.problem is None
    return observer


def test_layers_come_with_the_spread_of_what_goes_in_and_out() -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5))
    x = torch.randn(64, 8) * 3 + 1
    seen = observed(net, x).seen
    assert [(layer.name, layer.raw) for layer in seen.layers] == [("0", True), ("2", False)]
    spreads = [float(value.detach().var(dim=0).mean().sqrt()) for value in (x, net[0](x))]
    assert seen.layers[0].figures.tolist() == pytest.approx(
        [float(x.std()), float(x.mean()), 0.0, *spreads], rel=1e-4
    )
    assert seen.classes is not None
    assert seen.classes[0] == 5


def test_calls_without_gradients_are_not_what_is_trained_on() -> None:
    net, batch = nn.Linear(4, 2), torch.randn(32, 4)
    observer = Observer({id(net.weight): "net"}, whole=True)
    with observer:
        with torch.no_grad():
            net(torch.full((1, 4), 0.01))  # a state of a rollout
        net(batch)
    (layer,) = observer.seen.layers
    assert layer.raw
    assert float(layer.figures[0]) == pytest.approx(float(batch.std()), rel=0.05)


def test_dead_units_and_saturated_inputs_are_counted() -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor([-100.0, -100.0, 100.0, 0.0]))
        net[2].weight.zero_()
        net[2].bias.copy_(torch.tensor([6.0, -7.0, 1.0, 0.0]))
    seen = observed(net, torch.randn(32, 8)).seen
    alive, rows = seen.alive["0"]
    assert (alive.tolist(), rows) == ([False, False, True, True], 32)
    assert float(seen.saturated["2"]) == 0.5


@pytest.mark.parametrize("inplace", [False, True])
def test_only_layers_with_nothing_between_are_a_chain(inplace: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
            self.down, self.up = nn.Linear(4, 2), nn.Linear(2, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = functional.relu(self.a(x), inplace=inplace)
            x = self.c(self.b(x).view(2, 16, 4)).flatten(0, 1)
            return self.up(self.down(functional.gelu(x))) + self.d(x)

    # `up` and `down` are a bottleneck; `d` takes what `c` gave.
    assert observed(Net(), torch.randn(32, 4)).seen.chains == [("b", "c"), ("c", "d")]


def test_dropout_between_two_layers_is_nothing_between_them() -> None:
    net = nn.Sequential(
        nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2)
    )
    assert observed(net, torch.randn(8, 4)).seen.chains == [("0", "2")]


def test_functional_dropout_that_ignores_the_mode_is_seen(tmp_path: Path) -> None:
    class Careless(Classifier):
        def loss(self, batch: Any) -> torch.Tensor:
            return nn.functional.cross_entropy(functional.dropout(self.net(batch[0]), 0.1), batch[1])

    callback = AuditCallback(carbon=None)
    fit(trainer(tmp_path, callback), Careless())
    (event,) = Record.open(callback.folder or "").events("overfitting.eval_mode")
    assert (event["calls"], event["count"]) == (["dropout"], 1)
    assert "eval-mode" in {finding["name"] for finding in audit_of(callback.folder)["findings"]}


def test_recurrent_layers_and_embeddings_are_told_apart() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.cell, self.head = nn.Embedding(9, 4), nn.LSTM(4, 8), nn.Linear(8, 2)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(self.cell(self.table(tokens))[0][-1])

    seen = observed(Net(), torch.randint(0, 9, (5, 3))).seen
    assert [(layer.name, layer.raw) for layer in seen.layers] == [("cell", False), ("head", False)]


def test_a_fault_of_the_observer_stays_in_it() -> None:
    observer = Observer({}, whole=True)
    observer.seen = None  # type: ignore[assignment]
    with observer:
        out = functional.relu(torch.tensor([-1.0, 2.0]))
    assert out.tolist() == [0.0, 2.0]
    assert isinstance(observer.problem, AttributeError)


@pytest.mark.slow
def test_a_run_records_first_step_dead_units_and_modes(tmp_path: Path) -> None:
    class Dying(Classifier):
        def __init__(self) -> None:
            super().__init__()
            nn.init.constant_(self.net[0].bias, -50.0)

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.train()
            super().validation_step(batch, batch_idx)

    callback = AuditCallback(carbon=None)
    fit(trainer(tmp_path, callback, max_epochs=12), Dying(), loader(512, batch_size=64), loader(64, seed=3))
    record = Record.open(callback.folder or "")
    assert record.series("activation.dead_share", "net.0").value.min() > 0.7
    assert [layer["name"] for layer in record.events("activation.first_step")[0]["layers"]] == ["net.0", "net.3"]
    assert record.events("activation.validation")[0]["training"] == ["net.2"]
    found = {finding["name"] for finding in audit_of(callback.folder)["findings"]}
    assert {"eval-mode", "dead-units"} <= found


def test_no_mode_is_left_behind_by_a_step_that_raises(tmp_path: Path) -> None:
    class Raising(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(trainer(tmp_path, ActivationMonitor()), Raising())
    assert _get_current_function_mode_stack() == []  # type: ignore[no-untyped-call]


def test_a_game_by_hand_is_watched_to_the_end_of_the_batch(tmp_path: Path) -> None:
    monitor = ActivationMonitor()
    runner = trainer(tmp_path, monitor)
    runner.fit(Adversarial(), loader())
    assert _get_current_function_mode_stack() == []  # type: ignore[no-untyped-call]
    (event,) = Record.open(monitor.folder or "").events("activation.first_step")
    assert [layer["name"] for layer in event["layers"]] == ["generator", "critic"]


@pytest.mark.slow
def test_compiled_models_are_left_alone_with_a_reason(tmp_path: Path) -> None:
    class Compiled(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.compile(self.net, backend="eager")  # type: ignore[assignment]

    monitor = ActivationMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=1), Compiled())
    report = monitors_of(audit_of(monitor.folder))["activation"]
    assert (report["status"], "compiled" in report["reason"]) == ("off", True)


class Attending(Classifier):
    """Attention that takes another path where torch functions are observed."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def loss(self, batch: Any) -> torch.Tensor:
        given = batch[0].reshape(len(batch[0]), -1)[:, None, :8]
        return self.attention(given, given, given, need_weights=False)[0].square().mean()

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.loss(batch)


def test_a_module_that_compiles_itself_is_left_alone(tmp_path: Path) -> None:
    module, monitor = Attending(), ActivationMonitor()
    module.compile(backend="eager")
    fit(trainer(tmp_path, monitor, max_epochs=1), module)
    assert "compiled" in monitor.off


@pytest.mark.slow
def test_a_compiled_function_is_not_compiled_again_for_the_observer(tmp_path: Path) -> None:
    def breaks_and_frames(monitor: ActivationMonitor | None) -> tuple[int, int]:
        torch._dynamo.reset()
        counters = torch._dynamo.utils.counters
        counters.clear()
        module = Attending()
        module.loss = torch.compile(module.loss, backend="eager")  # type: ignore[method-assign]
        fit(trainer(tmp_path, *[monitor] if monitor else [], max_epochs=2), module)
        return sum(counters["graph_break"].values()), counters["frames"]["total"]

    monitor = ActivationMonitor()
    assert breaks_and_frames(monitor) == breaks_and_frames(None)
    report = monitors_of(audit_of(monitor.folder))["activation"]
    assert (report["status"], "compiled" in report["reason"]) == ("off", True)


def test_what_was_seen_before_something_is_compiled_stays(tmp_path: Path) -> None:
    class Late(Classifier):
        def on_train_epoch_start(self) -> None:
            if self.current_epoch == 1:
                torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2))

    monitor = ActivationMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=3), Late())
    assert Record.open(monitor.folder or "").events("activation.first_step")
    assert any("activations from batch" in str(entry) for entry in audit_of(monitor.folder)["not_checked"])


def test_a_step_with_compiled_functions_is_not_replayed_under_a_watch(tmp_path: Path) -> None:
    module = Classifier()
    runner = trainer(tmp_path)
    batch, state = next(iter(loader())), torch.get_rng_state()
    torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2))
    assert birthplace(runner, module, batch, 0, state, {}) is None
