"""Equal examples get equal digests, others do not, and what comes twice is counted right, however little is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from groundwire.callbacks.digests import Digests, digests
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
def test_rows_are_told_apart_by_all_they_hold(dtype: torch.dtype) -> None:
    rows = torch.arange(256).reshape(-1, 1).expand(-1, 9).clone()
    rows[:, 1:] = (rows[:, :1] >> torch.arange(8)) & 1  # bits: all different, and small numbers
    values = rows[:, 1:].to(dtype)
    found = digests(values)
    assert found is not None
    assert found.unique().numel() == 256
    assert torch.equal(found, digests(values.clone()))
    assert torch.equal(found[[5, 3]], digests(values[[5, 3]]))


def test_order_targets_and_further_tensors_count() -> None:
    x = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]])
    alone, with_targets = digests(x), digests((x, torch.tensor([0, 0, 1])))
    assert alone is not None and with_targets is not None
    assert alone.unique().numel() == 2
    assert with_targets.unique().numel() == 3
    swapped = digests((torch.ones(1, 2), torch.zeros(1, 2)))
    assert not torch.equal(swapped, digests((torch.zeros(1, 2), torch.ones(1, 2))))


def test_padding_does_not_count() -> None:
    short = {
        "input_ids": torch.tensor([[7, 8]]),
        "attention_mask": torch.ones(1, 2),
        "labels": torch.tensor([[7, 8]]),
    }
    padded = {
        "input_ids": torch.tensor([[7, 8, 50256]]),
        "attention_mask": torch.tensor([[1, 1, 0]]),
        "labels": torch.tensor([[7, 8, -100]]),
    }
    unmasked = padded | {"attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    short["attention_mask"] = short["attention_mask"].long()
    assert torch.equal(digests(short), digests(padded))
    assert not torch.equal(digests(short), digests(unmasked))


def test_large_examples_are_told_apart_by_a_part_of_them() -> None:
    images = torch.rand(4, 3, 200, 200)
    found = digests([images, torch.zeros(4)])
    assert found is not None
    assert found.unique().numel() == 4


@pytest.mark.parametrize("batch", [None, "text", torch.tensor(1.0), {}, torch.zeros(0, 3)])
def test_batches_without_examples_have_no_digests(batch: object) -> None:
    assert digests(batch) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.lists(st.integers(0, 19), min_size=1, max_size=60))
def test_twins_repeats_and_what_is_shared_are_counted(train: list[int], val: list[int]) -> None:
    one, other = Digests(), Digests()
    for place, number in enumerate(train):
        one.add(torch.tensor([number]), place % 2)
    other.add(torch.tensor(val))
    one.settle()
    other.settle()
    assert one.twins() == sum(train.count(number) > 1 for number in train)
    across, within = one.repeats()
    by_worker = [set(train[0::2]), set(train[1::2])]
    assert across == len(by_worker[0] & by_worker[1])
    assert within == len(train) - sum(map(len, by_worker))
    assert other.shared(one) == sum(number in train for number in val)


def test_few_are_kept_of_many_and_shares_stay() -> None:
    rng = np.random.default_rng(0)
    numbers = torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, 20_000))
    train, val = Digests(most=1000), Digests()
    train.add(numbers)
    train.add(numbers[:5000])
    val.add(numbers[15_000:])
    train.settle()
    val.settle()
    assert len(train) <= 1000
    assert train.divisor == 32
    assert train.twins() / len(train) == pytest.approx(0.4, abs=0.06)
    assert val.shared(train) == len(val) > 100
