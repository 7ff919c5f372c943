"""What the probe of representations, batch norms and a reference finds, and that nobody notices."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks.last_layer import LastLayer
from groundwire.callbacks.reference import compared
from groundwire.callbacks.representation import RepresentationMonitor
from groundwire.callbacks.spectrum import Spectrum
from material import Adversarial, Classifier, audit_of, fit, monitors_of, trainer
from torch import nn


def looks(monitor: RepresentationMonitor, kind: str = "representation") -> list[dict[str, Any]]:
    return Record.open(monitor.folder or "").events(kind)


def test_the_effective_rank_counts_directions() -> None:
    draw = torch.Generator().manual_seed(0)
    full = torch.randn(4000, 8, generator=draw)
    found = Spectrum.of(full)
    assert found is not None
    assert found.effective_rank == pytest.approx(8, abs=0.05)
    assert found.turn > 0.99
    one = Spectrum.of(torch.randn(50, 1, generator=draw) @ torch.ones(1, 8) + 100)
    assert one is not None
    assert one.effective_rank == pytest.approx(1)
    assert one.turn < 0.02
    same = Spectrum.of(torch.ones(50, 8))
    assert same is not None
    assert (same.effective_rank, same.spread) == (0.0, 0.0)
    assert Spectrum.of(torch.full((50, 8), torch.nan)) is None


def test_the_last_layer_is_seen_with_what_it_is_compared_with() -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    names = {id(p): name.rpartition(".")[0] for name, p in net.named_parameters()}
    x, y = torch.randn(10, 8), torch.arange(10) % 3
    with LastLayer(names, 10) as watch:
        nn.functional.cross_entropy(net(x), y)
    passed = watch.keep()
    assert passed.layer == "2"
    assert passed.hidden is not None
    assert torch.equal(passed.hidden, net[:2](x))
    assert passed.target is not None
    assert torch.equal(passed.target, y)


def test_the_drift_of_a_batch_norm_is_in_its_batches_standard_deviations() -> None:
    norm = nn.BatchNorm1d(4).eval()
    x = torch.randn(1000, 4) * 2 + 6
    with LastLayer({id(norm.running_mean): "norm"}, 1000) as watch:
        norm(x)
    assert float(watch.keep().drift["norm"]) == pytest.approx(3, abs=0.2)


def test_the_reference_knows_what_inputs_tell_and_no_more() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(300, 4, generator=draw)
    y = (x[:, 0] * x[:, 1] > 0).long()
    constant = torch.zeros(300, 2)
    found = compared(x, constant, y)
    assert found is not None
    assert found.reference < 0.25
    assert found.low > 0.1
    chance = compared(x, constant, torch.randint(2, (300,), generator=draw))
    assert chance is not None
    assert chance.reference > 0.35
    again = compared(torch.cat([x, x]), torch.zeros(600, 2), torch.cat([y, y]))
    assert again is not None
    assert again.examples == 300  # an equal example would tell of the one that is left out
    numbers = compared(x, torch.zeros(300, 1), x[:, :1] ** 2)
    assert numbers is not None
    assert numbers.reference < 0.3 < numbers.model


def test_what_is_no_prediction_for_each_example_has_no_reference() -> None:
    x = torch.randn(100, 4)
    assert compared(x, x + 1, x) is None  # an autoencoder
    assert compared(x[:20], torch.zeros(20, 2), torch.zeros(20, dtype=torch.long)) is None
    assert compared(x, torch.zeros(100, 1), torch.ones(100, 1)) is None  # nothing varies
    words = torch.randint(50, (100, 4))
    assert compared(words, torch.zeros(100, 2), torch.arange(100) % 2) is None  # nobody knows how near words are


def test_numbers_without_a_dimension_of_their_own_have_a_reference() -> None:
    x = torch.randn(300, 4)
    flat, column = (compared(x, torch.zeros(shape), (x[:, 0] ** 2).reshape(shape)) for shape in ((300,), (300, 1)))
    assert flat is not None
    assert flat == column


class Normed(Classifier):
    """With a batch norm whose running statistics hardly move."""

    def __init__(self, momentum: float) -> None:
        super().__init__(dropout=0.5)
        self.net = nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16, momentum=momentum), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)
        )


@pytest.mark.slow
def test_both_modes_of_batch_norm_differ_where_its_statistics_lag(tmp_path: Path) -> None:
    losses = {}
    for momentum in (0.0, 0.1):
        monitor = RepresentationMonitor()
        module = Normed(momentum)
        with torch.no_grad():
            module.net[0].bias.fill_(5.0)
        fit(trainer(tmp_path, monitor), module)
        last = looks(monitor)[-1]["batch_norm"]
        losses[momentum] = last["eval_loss"] / last["train_loss"]
        assert last["norms"][0]["name"] == "net.1"
        assert last["norms"][0]["momentum"] == momentum
    assert losses[0.0] > 1.2
    assert losses[0.1] == pytest.approx(1, abs=0.2)


def test_a_healthy_run_has_a_spectrum_and_a_reference(tmp_path: Path) -> None:
    monitor = RepresentationMonitor()
    fit(trainer(tmp_path, monitor), Classifier())
    last = looks(monitor)[-1]
    assert last["layer"] == "net.3"
    assert (last["hidden"]["dimension"], last["output"]["dimension"]) == (16, 2)
    assert last["output"]["turn"] > 0.3
    assert last["distinct"] == 96
    found = looks(monitor, "reference")[-1]
    assert found["examples"] == 96
    assert 0 <= found["model"] <= found["trivial"] <= 0.5


class Numbers(Classifier):
    """Predicts numbers that stand beside the inputs: the inputs themselves, times two, or their signs."""

    def __init__(self, *, signs: bool = False, convolved: bool = False) -> None:
        super().__init__()
        self.signs, self.convolved = signs, convolved
        self.net = nn.Conv1d(1, 1, 3, padding=1) if convolved else nn.Linear(8, 8)

    def wanted(self, x: torch.Tensor) -> torch.Tensor:
        return (x > 0).float() if self.signs else 2 * x + 100

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        x = batch[0]
        return (x, self.wanted(x)) if batch[1].ndim == 1 else batch

    def loss(self, batch: Any) -> torch.Tensor:
        x, y = batch
        out = self.net(x[:, None])[:, 0] if self.convolved else self.net(x)
        return ((out - y) ** 2).mean()


def test_numbers_to_be_predicted_are_looked_at_beside_the_predictions(tmp_path: Path) -> None:
    monitor = RepresentationMonitor()
    fit(trainer(tmp_path, monitor), Numbers())
    last = looks(monitor)[-1]
    assert last["supervised"]
    assert not last["dense"]
    assert last["target_turn"] < 0.1  # around a hundred
    assert last["target_rank"] > 5


def test_several_labels_an_example_are_no_numbers(tmp_path: Path) -> None:
    monitor = RepresentationMonitor()
    fit(trainer(tmp_path, monitor), Numbers(signs=True))
    assert looks(monitor)[-1]["target_turn"] is None
    assert looks(monitor, "reference") == []


def test_an_output_for_each_place_is_told(tmp_path: Path) -> None:
    monitor = RepresentationMonitor()
    fit(trainer(tmp_path, monitor), Numbers(convolved=True))
    assert looks(monitor)[-1]["dense"]


def test_views_and_places_in_the_batch_are_no_targets(tmp_path: Path) -> None:
    class Contrastive(Classifier):
        def loss(self, batch: Any) -> torch.Tensor:
            first, second = self.net(batch[0]), self.net(batch[0] + 0.1)
            return nn.functional.cross_entropy(first @ second.T, torch.arange(len(first)))

    monitor = RepresentationMonitor()
    fit(trainer(tmp_path, monitor), Contrastive())
    assert looks(monitor)[-1]["supervised"] is False
    assert looks(monitor)[-1]["output"]["dimension"] == 2  # of an embedding, not of the similarities
    assert looks(monitor, "reference") == []


def test_the_run_is_the_same_without_the_monitor(tmp_path: Path) -> None:
    states = []
    for callbacks in ((), (RepresentationMonitor(),)):
        torch.manual_seed(3)
        module = Normed(0.1)
        fit(trainer(tmp_path, *callbacks), module)
        states.append((module.state_dict(), torch.get_rng_state(), module.trainer.callback_metrics["val_loss"]))
    (first, drawn, loss), (second, drawn_too, loss_too) = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(drawn, drawn_too)
    assert torch.equal(loss, loss_too)


def test_what_cannot_be_asked_is_left_alone(tmp_path: Path) -> None:
    monitor = RepresentationMonitor()
    fit(trainer(tmp_path, monitor), Adversarial())
    assert "no validation loop" in monitors_of(audit_of(monitor.folder))["representation"]["reason"]
    assert looks(monitor) == []


def test_a_monitor_that_has_run_can_be_pickled(tmp_path: Path) -> None:
    monitor = RepresentationMonitor()
    fit(trainer(tmp_path, monitor), Classifier())
    assert pickle.loads(pickle.dumps(monitor)).name == "representation"
