"""Steps that move nothing, moments of Adam, weights that round back, and pauses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, OptimizerMonitor
from groundwire.callbacks.adaptive import figures
from groundwire.callbacks.movement import Movement
from groundwire.callbacks.rounding import STEPS, Rounding
from groundwire.callbacks.stalls import LEAST_S, RENEW, Stalls
from material import Adversarial, Classifier, audit_of, fit, loader, monitors_of, trainer
from torch import nn


class OnCopy(Classifier):
    """Its optimizer steps the weights of a copy."""

    def configure_optimizers(self) -> Any:
        self.twin = [copy.deepcopy(self.net)]
        return torch.optim.SGD(self.twin[0].parameters(), lr=0.05)


class Overriding(Classifier):
    """Its override of `optimizer_step` forgets to step."""

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        optimizer_closure()


class Renewing(Classifier):
    """It makes its first layer's weights, then all, anew in the middle of the training."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            for part in (self.net[0], self.net[3]):
                part.weight = nn.Parameter(part.weight.detach().clone())
                part.bias = nn.Parameter(part.bias.detach().clone())


class Slow(Classifier):
    """Its rate is too small for float32 to notice."""

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=1e-12)


class Halting(Classifier):
    """Its rate is zero from the first epoch's end on."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: float(epoch == 0))]


def moved(folder: Path, module: Any, **options: Any) -> tuple[Any, Any]:
    monitor = OptimizerMonitor()
    fit(trainer(folder, monitor, max_epochs=4, **options), module)
    assert monitors_of(audit_of(monitor.folder))["optimizer"]["status"] == "ran"
    record = Record.open(monitor.folder or "")
    return record.series("optimizer.moved_share"), record.series("optimizer.unheld_share").value


@pytest.mark.parametrize(("module", "unheld"), [(OnCopy, 1.0), (Overriding, 0.0)])
def test_a_step_that_moves_nothing_is_seen(tmp_path: Path, module: type[Classifier], unheld: float) -> None:
    share, held = moved(tmp_path, module())
    assert len(share) > 20
    assert (share.value == 0).all()
    assert (held == unheld).all()


def test_parameters_that_are_made_anew_leave_the_optimizer_with_the_old_ones(tmp_path: Path) -> None:
    share, held = moved(tmp_path, Renewing())
    assert (share.value[share.step <= 12] > 0).all()
    assert (share.value[share.step > 13] == 0).all()
    assert (held[0], held[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("module", [Slow, Halting])
def test_rates_of_next_to_nothing_are_not_missed_steps(tmp_path: Path, module: type[Classifier]) -> None:
    share, _ = moved(tmp_path, module())
    assert not (share.value == 0).any()


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_healthy_run_moves(tmp_path: Path, accumulate: int) -> None:
    share, held = moved(tmp_path, Classifier(), accumulate_grad_batches=accumulate)
    assert (share.value > 0.5).all()
    assert not held.any()


def test_a_game_by_hand_moves(tmp_path: Path) -> None:
    monitor = OptimizerMonitor()
    trainer(tmp_path, monitor).fit(Adversarial(), loader())
    share = Record.open(monitor.folder or "").series("optimizer.moved_share").value
    assert (share > 0).all()


def test_a_frozen_module_and_gradients_of_odd_kinds_are_survived() -> None:
    movement, table = Movement(), nn.Embedding(10, 4, sparse=True)
    optimizer = torch.optim.SGD(table.parameters(), lr=torch.tensor(0.1))
    movement.look(table, [optimizer])
    table(torch.tensor([1, 2])).sum().backward()
    found = movement.look(table, [optimizer])
    assert found is not None and found[0].isnan()  # nothing is known of sparse gradients
    assert movement.look(table.requires_grad_(False), [optimizer]) is None


def test_moments_are_those_of_the_definition() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(8, 8))
    optimizer = torch.optim.Adam([weight], lr=0.01, eps=1e-3)
    first = second = torch.zeros(8, 8)
    steps = 29
    for _ in range(steps):
        weight.grad = torch.randn(8, 8) * 1e-2
        first, second = 0.9 * first + 0.1 * weight.grad, 0.999 * second + 0.001 * weight.grad**2
        optimizer.step()
    mean, root = first / (1 - 0.9**steps), (second / (1 - 0.999**steps)).sqrt()
    found = figures(optimizer)
    assert found is not None
    assert found.tolist() == pytest.approx(
        [float((mean.abs() / (root + 1e-3)).quantile(0.99)), float((1e-3 / root).median())], rel=0.02
    )


def test_elements_without_gradients_have_no_part_in_moments() -> None:
    table = nn.Parameter(torch.ones(100, 4))
    optimizer = torch.optim.AdamW([table], lr=0.01)
    table.grad = torch.zeros(100, 4)
    table.grad[:3] = 0.1
    optimizer.step()
    found = figures(optimizer)
    assert found is not None
    assert found.tolist() == pytest.approx([1.0, 1e-7], rel=1e-3)
    assert figures(torch.optim.SGD([table], lr=0.1, momentum=0.9)) is None


@pytest.mark.parametrize(("dtype", "rate", "lost"), [
    (torch.bfloat16, 1e-5, True), (torch.bfloat16, 0.05, False), (torch.float32, 1e-5, None),
])  # fmt: skip
def test_weights_that_round_back_are_counted(dtype: torch.dtype, rate: float, lost: bool | None) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(8, 8).to(dtype))
    optimizer, rounding, found = torch.optim.SGD([weight], lr=rate), Rounding(), []
    for step in range(1, 3 * STEPS):
        weight.grad = torch.randn(8, 8).to(dtype)
        rounding.before(step, [weight], [weight.detach().reshape(-1).clone()])
        optimizer.step()
        share = rounding.after(step)
        found += [] if share is None else [float(share)]
    if lost is None:
        assert found == []
    else:
        assert len(found) == 2
        assert all(share > 0.9 if lost else share < 0.2 for share in found)


@pytest.mark.slow
def test_a_run_in_bfloat16_tells_its_lost_updates(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None, overfitting=None, overhead_budget=1.0)
    fit(trainer(tmp_path, callback, precision="bf16-true", max_epochs=12), Classifier(lr=1e-6))
    lost = Record.open(callback.folder or "").series("gradient.lost_share")
    assert len(lost) >= 2
    assert (lost.value > 0.8).all()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def paused(loading: dict[int, float], step: dict[int, float], *, between: Callable[[Stalls, int], None]) -> Stalls:
    """Return what is seen of a hundred batches of ten milliseconds each, with pauses at some."""
    clock = Clock()
    stalls = Stalls(clock)
    stalls.ended(0.0, 0)
    for batch in range(1, 101):
        between(stalls, batch)
        clock.now += 0.002 + loading.get(batch, 0.0)
        stalls.began(0.0, first=batch % 50 == 1)
        clock.now += 0.008 + step.get(batch, 0.0)
        stalls.ended(0.0, batch)
    return stalls


def test_pauses_are_counted_where_they_are() -> None:
    stalls = paused({5: 9.0, 30: 1.0, 51: 3.0, 80: 5.0}, {60: 0.5, 70: LEAST_S / 2}, between=lambda *_: None)
    told = stalls.document()
    assert told["count"] == 3  # neither among the first twenty, nor at an epoch's begin, nor a short one
    assert told["seconds"] == pytest.approx(6.5)
    assert told["loading_s"] == pytest.approx(6.0, abs=0.01)
    assert told["usual_s"] == pytest.approx(0.01)
    assert [item["step"] for item in told["longest"]] == [80, 30, 60]


def test_a_pause_that_a_validation_fills_is_none() -> None:
    stalls = paused({40: 5.0}, {}, between=lambda s, batch: s.interrupted() if batch == 40 else None)
    assert stalls.count == 0


def test_what_measuring_costs_is_no_pause() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    owns = [5.0 * (batch > 2 * RENEW) for batch in range(3 * RENEW)]
    for before, own in pairwise(owns):
        clock.now += 0.01 + (own - before)
        stalls.began(own, first=False)
        stalls.ended(own, 1)
    assert stalls.count == 0


def test_slow_steps_that_are_all_alike_are_no_pauses() -> None:
    every = dict.fromkeys(range(101), 2.0)
    assert paused({}, every, between=lambda *_: None).count == 0


def test_a_run_tells_its_pauses(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None, overfitting=None)
    fit(trainer(tmp_path, callback), Classifier())
    told = Record.open(callback.folder or "").events("efficiency")[-1]["stalls"]
    assert told["count"] >= 0
    assert 0 < told["usual_s"] < 10


def test_the_monitor_can_be_copied_to_another_process(tmp_path: Path) -> None:
    monitor = OptimizerMonitor()
    module = Classifier()
    fit(trainer(tmp_path, monitor), module)
    again = pickle.loads(pickle.dumps(monitor))
    fit(trainer(tmp_path / "again", again), Classifier())
    assert len(Record.open(again.folder or "").series("optimizer.moved_share")) > 10


def test_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    def weights(*callbacks: Any) -> list[np.ndarray[Any, Any]]:
        torch.manual_seed(3)
        module = Halting()
        fit(trainer(tmp_path, *callbacks), module)
        return [p.detach().numpy() for p in module.parameters()]

    for alone, watched in zip(weights(), weights(OptimizerMonitor()), strict=True):
        np.testing.assert_array_equal(alone, watched)
