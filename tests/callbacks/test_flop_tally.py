"""Which batches are counted, and what all come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.callbacks import EfficiencyMonitor, flop_tally
from groundwire.callbacks.flop_tally import COMPILED, MOST_SHAPES, FlopTally, compiled, shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from material import Classifier, audit_of, fit, loader, metrics_of, trainer
from torch import nn


def always() -> bool:
    return True


def never() -> bool:
    return False


def product(rows: int) -> float:
    return 2.0 * rows * 3 * 4


def run(tally: FlopTally, sizes: list[int], affordable: Any = always) -> list[int]:
    """Go through batches of some sizes; return the numbers of those that were counted."""
    found = []
    for number, size in enumerate(sizes, start=1):
        before = tally.steps
        batch = torch.zeros(size, 3)
        tally.began([batch], affordable)
        batch @ torch.zeros(3, 4)
        tally.ended()
        found += [number] if tally.steps > before else []
    return found


def test_batches_are_counted_in_twos_and_ever_rarer() -> None:
    tally = FlopTally()
    assert run(tally, [5] * 1100) == [2, 3, *range(10, 20), 100, 101, 1000, 1001]
    assert tally.total() == {"fp32": 1100 * product(5)}
    assert tally.varied_batches == 0
    assert tally.scaled_batches == 0


def test_later_batches_are_counted_where_there_is_time() -> None:
    assert run(FlopTally(), [5] * 200, never) == [2, 3]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=60))
def test_work_that_grows_with_the_batch_is_summed_exactly(sizes: list[int]) -> None:
    tally = FlopTally()
    run(tally, sizes)
    assert tally.total()["fp32"] == pytest.approx(sum(map(product, sizes)))


def test_parts_that_are_trained_in_turns_count_half_each() -> None:
    tally = FlopTally()
    for number in range(40):
        tally.began([torch.zeros(5, 3)], always)
        for _ in range(1 + 2 * (number % 2)):
            torch.zeros(5, 3) @ torch.zeros(3, 4)
        tally.ended()
    assert tally.total()["fp32"] == pytest.approx(40 * 2 * product(5))


def test_more_shapes_than_are_counted_are_taken_in_proportion() -> None:
    tally = FlopTally()
    sizes = list(range(1, 2 * MOST_SHAPES))
    assert len(run(tally, sizes)) == MOST_SHAPES - 1  # the first batch is not
    assert tally.scaled_batches == len(sizes) - MOST_SHAPES + 1
    assert tally.total()["fp32"] == pytest.approx(sum(map(product, sizes)))


def test_nothing_counted_is_nothing_told() -> None:
    tally = FlopTally()
    assert run(tally, [5]) == []
    assert tally.total() == {}
    assert run(FlopTally("count_flop is off"), [5] * 5) == []


def test_a_batch_without_an_end_is_forgotten() -> None:
    tally = FlopTally()
    run(tally, [5])
    tally.began([torch.zeros(5, 3)], always)
    torch.zeros(5, 3) @ torch.zeros(3, 4)
    tally.leave()
    assert tally.steps == 0
    assert run(tally, [5, 5]) == [1]  # the third
    assert tally.total() == {"fp32": 3 * product(5)}


def test_a_batch_of_the_users_own_kind_counts_as_one() -> None:
    class Graph:
        pass

    tally = FlopTally()
    for _ in range(6):
        tally.began(Graph(), always)
        torch.zeros(5, 3) @ torch.zeros(3, 4)
        tally.ended()
    assert tally.total() == {"fp32": 6 * product(5)}


def test_shapes_are_found_in_nested_batches() -> None:
    batch = {"a": [torch.zeros(2, 3), {"b": torch.zeros(4)}], "c": "text", "d": 3}
    assert shapes(batch) == ((2, 3), (4,))
    assert shapes(None) == ()


def test_compiled_models_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Linear(3, 4)
    assert not compiled(net)
    net.compile(backend="eager")
    assert compiled(nn.Sequential(net))
    tally = FlopTally()
    monkeypatch.setattr(flop_tally, "compiled_frames", lambda: 10**6)  # a function inside was compiled meanwhile
    assert run(tally, [5] * 12) == []
    assert tally.reason == COMPILED


def test_what_was_counted_before_something_was_compiled_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = FlopTally()
    run(tally, [5] * 5)
    monkeypatch.setattr(flop_tally, "compiled_frames", lambda: 10**6)
    assert run(tally, [5] * 20) == []
    assert tally.total() == {"fp32": 25 * product(5)}
    assert tally.reason == ""


def layers_in(tally: FlopTally, layers: list[int]) -> float:
    """Go through batches of one shape that take some products each; return the sum over one product."""
    for count in layers:
        tally.began([torch.zeros(5, 3)], always)
        for _ in range(count):
            torch.zeros(5, 3) @ torch.zeros(3, 4)
        tally.ended()
    return tally.total()["fp32"] / product(5)


def test_each_count_stands_for_the_batches_until_the_next() -> None:
    tally = FlopTally()
    found = layers_in(tally, [1] * 99 + [2] * 101)
    assert found == 99 + 2 * 101  # batches 100 and 101 are counted
    assert tally.varied_batches == 200


def test_work_is_counted_anew_where_other_parameters_are_trained() -> None:
    net, tally = nn.Linear(3, 4), FlopTally()
    tally.trains(net.parameters())
    layers_in(tally, [1] * 50)
    net.bias.requires_grad_(False)
    tally.trains(net.parameters())
    assert layers_in(tally, [3] * 30) == 50 + 3 * 30
    assert tally.varied_batches == 0  # it is known why they differ


@pytest.mark.parametrize("turn", [3, 5, 7])
def test_parts_that_are_trained_in_any_turn_are_counted_in_longer_rows(turn: int) -> None:
    tally = FlopTally()
    layers = [3 if number % turn == 0 else 1 for number in range(400)]
    assert layers_in(tally, layers) == pytest.approx(sum(layers), rel=0.05)
    assert tally.varied_batches == 400


class Unfrozen(Classifier):
    """Its first layer is trained from the second epoch on."""

    turns = False

    def on_train_epoch_start(self) -> None:
        self.net[0].requires_grad_(self.current_epoch > 0)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        again = self.net(batch[0]).sum() if self.turns and batch_idx % 2 else 0.0
        return super().training_step(batch, batch_idx) + again


@pytest.mark.parametrize(("turns", "quality"), [(False, "measured"), (True, "modelled")])
def test_a_run_tells_work_that_is_known_to_change_from_work_that_varies(
    tmp_path: Path, turns: bool, quality: str
) -> None:
    module, monitor = Unfrozen(), EfficiencyMonitor()
    module.turns = turns
    fit(trainer(tmp_path, monitor, max_epochs=4), module, loader())
    found = metrics_of(audit_of(monitor.folder))["efficiency.training_flop"]
    assert found["quality"] == quality
    if not turns:
        layers = [layer for layer in module.net if isinstance(layer, nn.Linear)]
        first, *others = (2.0 * 96 * layer.weight.numel() for layer in layers)
        assert found["value"] == first + 3 * 2 * first + 4 * 3 * sum(others) - sum(others[:1])
