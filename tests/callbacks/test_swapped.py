"""Inputs and targets are told apart in batches of any make, and exchanged without touching the batch."""

from __future__ import annotations

from collections import UserDict
from typing import Any, NamedTuple

import pytest
import torch
from groundwire.callbacks.swapped import with_one_target, with_other_inputs

X, Y = torch.arange(6.0).reshape(6, 1), torch.arange(6)


class Pair(NamedTuple):
    x: Any
    y: Any


@pytest.mark.parametrize("batch", [(X, Y), [X, Y], Pair(X, Y), ({"a": X, "name": list("abcdef")}, Y)], ids=repr)
def test_inputs_of_a_tuple_are_exchanged(batch: Any) -> None:
    (found,) = with_other_inputs(batch)
    assert type(found) is type(batch)
    inputs = found[0]["a"] if isinstance(found[0], dict) else found[0]
    assert not (inputs == X).any()
    assert sorted(inputs.flatten().tolist()) == X.flatten().tolist()
    assert found[1] is Y
    assert with_one_target(batch)[1].tolist() == [0] * 6
    assert X.flatten().tolist() == list(range(6))  # as it was


@pytest.mark.parametrize("kind", [dict, UserDict])
def test_inputs_of_a_mapping_are_all_but_its_targets(kind: Any) -> None:
    batch = kind({"input_ids": X.long().expand(6, 3), "attention_mask": X > 2, "labels": Y})
    (found,) = with_other_inputs(batch)
    assert type(found) is kind
    assert not (found["input_ids"] == batch["input_ids"]).any()
    moved = found["input_ids"][:, 0]
    assert torch.equal(found["attention_mask"][:, 0], moved > 2)  # with its example
    assert found["labels"] is Y
    one = with_one_target(batch)
    assert one["labels"].tolist() == [0] * 6
    assert one["input_ids"] is batch["input_ids"]


def test_of_three_items_the_inputs_are_the_first_or_the_first_two() -> None:
    weights = torch.ones(6)
    first, both = with_other_inputs((X, Y, weights))
    assert first[1] is Y
    assert not (both[1] == Y).any()
    assert first[2] is both[2] is weights


@pytest.mark.parametrize(
    "batch",
    [X, (X,), {"x": X}, (X[:2], Y[:2]), (Y, X, Y), "text", None,
     (X.long().expand(6, 4), X.long().expand(6, 4)),
     {"input_ids": X.long().expand(6, 4), "labels": X.long().expand(6, 4)}],
)  # fmt: skip
def test_what_cannot_be_told_apart_is_left_alone(batch: Any) -> None:
    assert with_other_inputs(batch) == []
