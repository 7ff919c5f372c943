"""Passages drawn at random: the same ones whatever their order, in one reading, with memory for a few."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice

from ..errors import UsageError

SPARE = 4  # times as many are drawn outside, for those that turn out to stand inside too

Pairs = Iterable[tuple[str, str]]
Drawn = dict[str, list[str]]


def draw(pairs: Pairs, amount: int, *, seed: int) -> Drawn:
    """Return `amount` distinct keys at random, each with its distinct values.

    Bottom-k sampling: those whose keyed hashes are smallest (Cohen and Kaplan 2007, PODC). Every key has the same
    chance, however often it is given.

    Args:
        pairs: Keys and values, any number.
        amount: Keys wanted, at least 1.
        seed: Another one draws others.

    Raises:
        UsageError: `amount` is less than 1.
    """
    if amount < 1:
        raise UsageError(f"amount must be at least 1, got {amount}")
    kept: dict[tuple[bytes, str], set[str]] = {}
    highest = b"\xff" * 9  # above every hash
    for key, value in pairs:
        place = (_hash(key, seed), key)
        if place[0] > highest:
            continue
        kept.setdefault(place, set()).add(value)
        if len(kept) >= 2 * amount:
            kept = dict(islice(sorted(kept.items()), amount))
            highest = max(place[0] for place in kept)
    return {key: sorted(values) for (_, key), values in islice(sorted(kept.items()), amount)}


def draw_apart(inside: Pairs, outside: Pairs, amount: int, *, seed: int) -> tuple[Drawn, Drawn, int]:
    """Return `amount` keys of each, and how many of those outside were left out because they stand inside too.

    Raises:
        UsageError: `amount` is less than 1.
    """
    others = draw(outside, SPARE * max(amount, 0), seed=seed) if amount >= 1 else {}
    shared: set[str] = set()

    def watched() -> Iterator[tuple[str, str]]:
        for key, value in inside:
            if key in others:
                shared.add(key)
            yield key, value

    ours = draw(watched(), amount, seed=seed)
    apart = ((key, values) for key, values in others.items() if key not in shared)
    return ours, dict(islice(apart, amount)), len(shared)


def plain(text: str) -> str:
    """Return `text` as tokenizers may give it back: runs of white space as one space, letters small and composed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _hash(key: str, seed: int) -> bytes:
    return blake2b(key.encode("utf-8", "replace"), digest_size=8, key=str(seed).encode()[:64]).digest()
