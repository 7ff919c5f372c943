"""Examples and tokens are counted as the batch shows them, and never guessed."""

from __future__ import annotations

from collections import UserDict
from itertools import pairwise
from typing import Any

import pytest
import torch
from groundwire.callbacks import tokens
from groundwire.callbacks.budget import MOST, Course
from groundwire.callbacks.tokens import BY_IDS, BY_IDS_WITH_MASK, BY_MASK, BY_SHAPE, BY_USER, TokenCounter
from hypothesis import given
from hypothesis import strategies as st

IDS = torch.zeros(2, 5, dtype=torch.int64)
MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])


def after(*batches: Any, given: Any = None) -> TokenCounter:
    counter = TokenCounter(given)
    for batch in batches:
        counter.add(batch)
    counter.settle()
    return counter


@pytest.mark.parametrize(
    ("batch", "samples", "count", "how"),
    [
        ({"input_ids": IDS, "attention_mask": MASK}, 2, 7, BY_MASK),
        (UserDict({"input_ids": IDS, "attention_mask": MASK.bool()}), 2, 7, BY_MASK),
        ({"input_ids": IDS}, 2, 10, BY_IDS),
        ({"input_ids": IDS, "attention_mask": torch.zeros(2, 1, 5, 5)}, 2, 10, BY_IDS_WITH_MASK),
        ({"input_ids": IDS, "attention_mask": MASK.float()}, 2, 10, BY_IDS_WITH_MASK),
        ({"input_ids": IDS, "attention_mask": MASK * 3}, 2, 7, BY_MASK),
        ({"a": {"input_ids": IDS}, "b": [{"input_ids": IDS}]}, 2, 20, BY_IDS),
        ((IDS, IDS), 2, 10, BY_SHAPE),
        (IDS.int(), 2, 10, BY_SHAPE),
    ],
)
def test_tokens_are_found(batch: Any, samples: int, count: int, how: str) -> None:
    found = after(batch, batch)
    assert (found.samples, found.tokens, found.how) == (2 * samples, 2 * count, how)


TABLE = [IDS, torch.zeros(2)]  # categories, and what they are to predict
NO_TEXT = [
    torch.randn(2, 5), IDS.byte(), IDS.bool(), [torch.zeros(2, 3, 4).long()], IDS[0], TABLE, [IDS, IDS[:, 0]],
    [IDS, {"numbers": torch.randn(2, 5)}],
]  # fmt: skip


@pytest.mark.parametrize("batch", NO_TEXT)
def test_what_are_no_tokens_is_not_counted_as_such(batch: Any) -> None:
    found = after(batch)
    assert found.tokens is None
    assert "tokens=" in found.no_tokens
    assert found.samples == len(batch[0] if isinstance(batch, list) else batch)


@pytest.mark.parametrize("batch", [object(), None, "text", [], {}, {"a": 1}, torch.tensor(3)])
def test_a_batch_that_shows_nothing_is_unknown_and_breaks_nothing(batch: Any) -> None:
    found = after(IDS, batch, IDS)
    assert (found.samples, found.tokens) == (None, None)
    assert found.no_samples and found.no_tokens


def test_the_users_own_count_comes_first() -> None:
    assert after({"input_ids": IDS}, given=lambda batch: 3).tokens == 3
    found = after(object(), object(), given=lambda batch: torch.tensor([4]))
    assert (found.tokens, found.how, found.samples) == (8, BY_USER, None)


@pytest.mark.parametrize("bad", [2.5, None, -1, True, "three"])
def test_a_count_that_is_none_makes_tokens_unknown(bad: Any) -> None:
    found = after(IDS, given=lambda batch: bad)
    assert found.tokens is None
    assert repr(bad) in found.no_tokens


def test_a_count_that_raises_makes_tokens_unknown() -> None:
    def broken(batch: Any) -> int:
        raise KeyError("length")

    found = after(IDS, given=broken)
    assert found.tokens is None and "KeyError" in found.no_tokens


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_what_waits_on_the_device_is_summed_whenever_it_is_fetched(ones: list[int]) -> None:
    counter = TokenCounter()
    for number, count in enumerate(ones):
        mask = torch.arange(5)[None].expand(2, 5) < count
        counter.add({"input_ids": IDS, "attention_mask": mask})
        if number % 3 == 0:
            counter.settle()
    counter.settle()
    assert counter.tokens == 2 * sum(ones)


def test_few_sums_wait_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PENDING", 3)
    counter = TokenCounter()
    for _ in range(10):
        counter.add({"input_ids": IDS, "attention_mask": MASK})
        assert len(counter._waiting) < 4
    counter.settle()
    assert counter.tokens == 70


@given(st.integers(1, 5000))
def test_few_readings_are_kept_and_they_lie_evenly(readings: int) -> None:
    course = Course(0, 10**6, validates=False)
    for step in range(1, readings + 1):
        course.add(step, 0.001 * step, 0.0)
    kept = [step for step, *_ in course._points]
    assert len(kept) <= MOST
    assert kept[0] == 1
    assert len({after - before for before, after in pairwise(kept)}) <= 1
    assert readings < MOST or len(kept) >= MOST // 2


def test_a_forecast_of_many_readings_is_from_the_latest() -> None:
    course = Course(0, 10_000, validates=False)
    for step in range(1, 4002):
        course.add(step, 0.001 * step, 0.0)
    made = course.forecast()
    assert made is not None
    assert made["at_step"] == 4001
    assert made["value"] == pytest.approx(10.0)
