"""Operations are counted exactly, and counting leaves nothing behind: against arithmetic, never a second counter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.callbacks.flop_formulas import grouped, recurrent, recurrent_backward, uncounted
from groundwire.callbacks.flops import FlopCounter, tf32
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks.efficiency.models import KNOWN, Known

LINEAR = 2.0 * 3 * 8 * 4  # a product of [3, 8] and [8, 4]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert not _get_current_dispatch_mode_stack()


def counted(action: Callable[[], Any]) -> FlopCounter:
    counter = FlopCounter()
    counter.watch()
    action()
    assert counter.leave()
    assert counter.problem is None
    return counter


def whole(action: Callable[[], Any]) -> float:
    return sum(counted(action).flop.values())


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name.partition(" ")[0])
@pytest.mark.parametrize("size", [1, 5])
def test_a_training_step_comes_to_what_arithmetic_says(known: Known, size: int) -> None:
    module = known.make()
    assert whole(lambda: module.training_step(known.batch(size), 0).backward()) == known.flop(size)


def test_a_frozen_layer_has_no_gradient_of_its_weights() -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    net[1].requires_grad_(False)
    first, middle, last = (2.0 * 3 * one * other for one, other in ((8, 4), (4, 4), (4, 2)))
    assert whole(lambda: net(torch.randn(3, 8)).sum().backward()) == 2 * first + 2 * middle + 3 * last


def test_numbers_are_told_apart_by_their_type() -> None:
    net = nn.Linear(8, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = counted(lambda: net(torch.randn(3, 8)))
    assert dict(found.flop) == {"bf16": LINEAR}
    assert dict(counted(lambda: net.double()(torch.randn(3, 8).double())).flop) == {"fp64": LINEAR}


def test_tf32_is_told_apart_for_products_and_for_convolutions() -> None:
    counter = FlopCounter((False, True))
    counter.watch()
    functional.conv1d(torch.randn(1, 2, 5), torch.randn(3, 2, 1))
    torch.randn(3, 8) @ torch.randn(8, 4)
    counter.leave()
    assert dict(counter.flop) == {"tf32": 2.0 * 5 * 2 * 3, "fp32": LINEAR}
    assert tf32(torch.device("cpu")) == (False, False)


@pytest.mark.parametrize(("heads", "shared"), [(4, 4), (4, 2)])
def test_attention_counts_two_products_forward_and_four_backward(heads: int, shared: int) -> None:
    query = torch.randn(2, heads, 6, 8, requires_grad=True)
    key, value = (torch.randn(2, shared, 10, 8, requires_grad=True) for _ in range(2))

    def step() -> None:
        mixed = functional.scaled_dot_product_attention(query, key, value, enable_gqa=heads != shared)
        mixed.sum().backward()

    assert whole(step) == 3 * 2 * (2.0 * 2 * heads * 6 * 10 * 8)


@pytest.mark.parametrize("layers", [1, 2])
def test_an_lstm_counts_each_weight_once_a_position(layers: int) -> None:
    net = nn.LSTM(5, 7, num_layers=layers, batch_first=True)
    elements = sum(p.numel() for p in net.parameters() if p.ndim == 2)
    batch = torch.randn(2, 9, 5, requires_grad=True)
    assert whole(lambda: net(batch)[0].sum().backward()) == 3 * 2.0 * (2 * 9) * elements


def test_formulas_of_kernels_that_this_machine_lacks() -> None:
    given, weights = torch.zeros(9, 2, 5), [torch.zeros(28, 5), torch.zeros(28, 7), torch.zeros(28)]
    assert recurrent(given, weights, 4) == 2.0 * 18 * 28 * 12
    assert recurrent_backward(given, weights, 4) == 2 * recurrent(given, weights, 4)
    assert grouped(torch.zeros(10, 6), torch.zeros(3, 6, 4), torch.zeros(3)) == 2.0 * 10 * 6 * 4
    assert grouped(torch.zeros(3, 10, 6), torch.zeros(3, 6, 4)) == 3 * 2.0 * 10 * 6 * 4


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions_count_each_weight_once_a_position(transposed: bool, groups: int) -> None:
    kind: Any = nn.ConvTranspose2d if transposed else nn.Conv2d
    net, given = kind(4, 8, 3, groups=groups, padding=1, stride=2), torch.randn(2, 4, 10, 10, requires_grad=True)
    positions = 10 * 10 if transposed else 5 * 5
    assert whole(lambda: net(given).sum().backward()) == 3 * 2.0 * net.weight.numel() * 2 * positions


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_checkpoint_computes_once_more_is_counted_apart(reentrant: bool) -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2))
    first, last = LINEAR, 2.0 * 3 * 4 * 2
    given = torch.randn(3, 8, requires_grad=True)
    found = counted(lambda: checkpoint(net, given, use_reentrant=reentrant).sum().backward())
    assert sum(found.flop.values()) == 3 * (first + last)
    # Without reentrance, what comes after the last tensor that is needed is not computed again.
    assert found.recomputed == (first + last if reentrant else first)


def test_a_gradient_penalty_is_work_of_the_model() -> None:
    net, given = nn.Linear(8, 4, bias=False), torch.randn(3, 8, requires_grad=True)

    def step() -> None:
        (gradient,) = torch.autograd.grad(net(given).sum(), given, create_graph=True)
        gradient.square().sum().backward()

    found = counted(step)
    assert found.recomputed == 0.0
    assert sum(found.flop.values()) == 3 * LINEAR  # forward, gradient of the input, and of that by the weights


def test_an_optimizers_own_products_are_not_the_models() -> None:
    net = nn.Linear(8, 4, bias=False)

    class Orthogonal(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for parameter in self.param_groups[0]["params"]:
                parameter -= 1e-3 * parameter @ parameter.T @ parameter.grad

    optimizer, counter = Orthogonal(net.parameters(), {}), FlopCounter()
    counter.watch()
    for _ in range(2):
        net(torch.randn(3, 8)).sum().backward()
        counter.updating()
        optimizer.step()
    counter.leave()
    assert sum(counter.flop.values()) == 2 * 2 * LINEAR


def test_what_runs_with_gradients_on_before_the_update_does_not_make_it_the_models() -> None:
    net, counter = nn.Linear(8, 4, bias=False), FlopCounter()
    counter.watch()
    net(torch.randn(3, 8)).sum().backward()
    counter.updating()
    assert net.weight.grad is not None
    net.weight.grad @ net.weight.grad.T  # as a clipping of the user's own would, with gradients on
    with torch.no_grad():
        net.weight @ net.weight.T
    counter.leave()
    assert sum(counter.flop.values()) == 2 * LINEAR


def test_operators_without_a_formula_are_named() -> None:
    found = counted(lambda: torch.linalg.cholesky_ex(torch.eye(3)))
    assert found.missing == {"aten.linalg_cholesky_ex"}
    assert uncounted("flash_attn._flash_attn_forward") == "flash_attn._flash_attn_forward"
    for light in (
        "aten.lgamma",
        "aten.linalg_vector_norm",
        "aten.add",
        "aten._thnn_fused_lstm_cell",
        "c10d.allreduce_",
        "aten._embedding_bag",
    ):
        assert uncounted(light) == ""


def test_what_breaks_in_counting_does_not_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = FlopCounter()

    def broken(*_: Any, **__: Any) -> float:
        raise ValueError("no such shape")

    monkeypatch.setattr(counter, "_formulas", {torch.ops.aten.mm: broken})
    counter.watch()
    product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert counter.leave()
    assert product.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert isinstance(counter.problem, ValueError)


def test_a_mode_of_the_users_own_stays_where_it_is() -> None:
    class Theirs(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    counter = FlopCounter()
    counter.watch()
    with Theirs() as theirs:
        assert not counter.leave()
        assert _get_current_dispatch_mode_stack()[-1] is theirs
        torch.ones(2, 2) @ torch.ones(2, 2)
    assert counter.leave()
    assert not counter.flop
