"""Windows hold every token, batches every window, and neither more than they may."""

from __future__ import annotations

from itertools import pairwise

from groundwire.audit.scorers.windows import OVERLAP, PADDING, Window, batches, windows
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 5000), st.integers(1, 600))
def test_windows_hold_every_token_and_overlap(tokens: int, room: int) -> None:
    found = windows(7, tokens, room)
    assert {window.text for window in found} == {7}
    assert (found[0].start, found[-1].stop) == (0, tokens)
    if tokens <= room:
        assert len(found) == 1
        return
    assert {window.length for window in found} == {room}
    shared = [one.stop - other.start for one, other in pairwise(found)]
    assert min(shared) >= min(OVERLAP, room // 4)
    assert all(one.start < other.start for one, other in pairwise(found))


def test_a_text_that_fits_is_one_window_and_one_token_more_is_two() -> None:
    assert len(windows(0, 510, 510)) == 1
    assert [(one.start, one.stop) for one in windows(0, 511, 510)] == [(0, 510), (1, 511)]


@given(st.lists(st.integers(0, 510), max_size=200), st.integers(1, 4096), st.one_of(st.none(), st.integers(1, 20)))
def test_batches_hold_every_window_once_within_their_limits(
    lengths: list[int], budget: int, most: int | None
) -> None:
    planned = [Window(text=text, start=0, stop=length) for text, length in enumerate(lengths)]
    found = list(batches(planned, special=2, budget=budget, most=most))
    assert sorted(window.text for batch in found for window in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(window.length for window in batch)
        assert len(batch) == 1 or len(batch) * (longest + 2) <= budget
        assert most is None or len(batch) <= most
        assert sum(longest - window.length for window in batch) <= budget * PADDING
