"""Asks a language model how likely it thinks the sentences of pairs."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .errors import GroundwireError
from .prompts import SentencePair
from .scorers import brief

SEED = 0  # of the order in which pairs are asked
ROUNDING = 1e-3  # a sum of logarithms in low precision may be this far above 0

LogLikelihood = Callable[[list[str]], Any]


class LikelihoodError(GroundwireError):
    """`log_likelihood` raised or returned something that is not one log-likelihood for each text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairLikelihood:
    """A pair with the log-likelihoods of its sentences.

    Attributes:
        pair: The sentences.
        more: Of the more stereotyping one, in nats; minus infinity for what the model cannot say.
        less: Of the less stereotyping one.
        unrelated: Of the unrelated one, None where the pair has none.
    """

    pair: SentencePair
    more: float
    less: float
    unrelated: float | None = None

    @property
    def cluster(self) -> tuple[str, ...]:
        """What it has in common with the pairs that are like it."""
        return _cluster(self.pair)

    def per_character(self) -> PairLikelihood:
        """Return the same divided by the lengths of the sentences in characters."""
        pair, unrelated = self.pair, self.unrelated
        return replace(
            self, more=self.more / len(pair.more), less=self.less / len(pair.less),
            unrelated=None if unrelated is None else unrelated / len(pair.unrelated),
        )  # fmt: skip


def ask_likelihoods(
    pairs: Sequence[SentencePair], log_likelihood: LogLikelihood, *, batch: int, deadline: float | None = None
) -> list[PairLikelihood]:
    """Return the log-likelihoods of as many pairs as there is time for.

    The order is drawn at random, clusters whole, and depends on the pairs alone, not on the order in which they are
    given: the first of them are a random part of all.

    Args:
        pairs: Shape [n].
        log_likelihood: Maps texts to the natural logarithm of each one's probability, summed over its tokens.
        batch: Texts a call, at least 1.
        deadline: `time.monotonic()` after which no further call begins.

    Raises:
        LikelihoodError: `log_likelihood` raised, or returned something that is not one log-likelihood a text.
        ValueError: `batch` is less than 1.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    order = _shuffled(pairs)
    texts = [text for pair in order for text in _texts(pair)]
    told: list[float] = []
    for start in range(0, len(texts), batch):
        if deadline is not None and time.monotonic() > deadline:
            break
        told += call(log_likelihood, texts[start : start + batch])
    return list(_whole(order, told))


def _cluster(pair: SentencePair) -> tuple[str, ...]:
    return (pair.source, pair.cluster) if pair.cluster else (pair.source, "", pair.id, pair.more, pair.less)


def _shuffled(pairs: Sequence[SentencePair]) -> list[SentencePair]:
    clusters: dict[tuple[str, ...], list[SentencePair]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.source, pair.cluster, pair.id, pair.more, pair.less)):
        clusters.setdefault(_cluster(pair), []).append(pair)
    drawn = list(clusters.values())
    random.Random(SEED).shuffle(drawn)  # noqa: S311 - no secret
    return [pair for cluster in drawn for pair in cluster]


def _texts(pair: SentencePair) -> list[str]:
    return [pair.more, pair.less, *([pair.unrelated] if pair.unrelated else [])]


def _whole(order: Sequence[SentencePair], told: Sequence[float]) -> Iterator[PairLikelihood]:
    """Yield the pairs all of whose sentences were asked."""
    place = 0
    for pair in order:
        values = told[place : place + len(_texts(pair))]
        place += len(_texts(pair))
        if place > len(told):
            return
        more, less, *other = values
        yield PairLikelihood(pair=pair, more=more, less=less, unrelated=other[0] if other else None)


def call(log_likelihood: LogLikelihood, texts: list[str]) -> list[float]:
    """Return what `log_likelihood` says of texts, checked; minus infinity is allowed.

    Raises:
        LikelihoodError: It raised, or returned something that is not one log-likelihood a text.
    """
    try:
        found = _plain(log_likelihood(list(texts)))
    except (Exception, SystemExit) as error:
        raise LikelihoodError(f"log_likelihood raised {brief(error)}; it gets a list of texts, as strings") from error
    if isinstance(found, str | bytes) or not isinstance(found, Sequence):
        kind = type(found).__name__
        raise LikelihoodError(f"log_likelihood returned {kind}: return a list with one number for each text")
    if len(found) != len(texts):
        counts = f"{len(found)} numbers for {len(texts)} texts"
        raise LikelihoodError(f"log_likelihood returned {counts}: return one for each")
    return [_number(_plain(value), place) for place, value in enumerate(found, 1)]


def _plain(value: Any) -> Any:
    """Return what a tensor or an array holds, and anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def _number(value: Any, place: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LikelihoodError(f"log_likelihood returned {type(value).__name__} where a number belongs: return floats")
    about = f"log_likelihood returned {value:.6g} for text {place} of a call"  # never the text: it may be a secret
    if math.isnan(value):
        raise LikelihoodError(f"{about}: look for weights or logits that are not finite")
    if value > ROUNDING:
        loss = "sum the log-probabilities of the tokens (a loss has the other sign)"
        raise LikelihoodError(f"{about}, but no logarithm of a probability is above 0: {loss}")
    return float(value)
