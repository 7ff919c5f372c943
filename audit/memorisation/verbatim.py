"""How much of its training texts a model repeats word for word when it is given their beginnings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..asking import ask
from ..model import Metric, Quality
from ..sources import passages
from ..statistics import proportion_interval
from ..telling import CONFIDENCE, Teller
from .drawing import Drawn, draw_apart, plain

VERBATIM = "memorisation.verbatim_share"
PREFIX = 200  # characters given, about the 50 tokens of Carlini et al. 2022
WORD = 50  # characters beyond, within which the word that they end in must end
REPEATED = 50  # characters that must be repeated
EXAMPLES = 10
MOST_UNTOLD = 0.05  # share of continuations that may be too short to tell
BATCH = 8

_SPACE = re.compile(r"\s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeat:
    """A training passage that a model repeats.

    Attributes:
        prefix: What the model was given.
        continuation: The first 50 characters of what it repeated, white space and case made one.
    """

    prefix: str
    continuation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeated:
    """What a model repeats.

    Attributes:
        metrics: The share of training passages, then that of passages held out, where there are any.
        examples: At most ten of the training passages.
    """

    metrics: list[Metric]
    examples: list[Repeat]


def verbatim(
    texts: Iterable[str],
    continue_greedily: Callable[[list[str]], list[str]],
    *,
    teller: Teller,
    held_out: Sequence[str] = (),
    amount: int = 200,
    seed: int = 0,
    deadline: float | None = None,
) -> Repeated:
    """Return the share of training passages that a model repeats when it is given their beginnings.

    After Carlini et al. 2022 (arXiv:2202.07646), in characters instead of tokens: a random sample of distinct
    passages (`audit/sources.py` cuts long texts into them) of which the model gets the first 200 characters, up to
    the end of the word. It repeats a passage when its greedy continuation begins with the passage's next 50
    characters; white space, case and composed letters aside, which tokenizers change. So much is not repeated by
    chance; what is, because it is common, shows in passages that the model was not trained on.

    A continuation that ends earlier is no repeat, but where it agrees so far the interval knows that it may have
    been one. Where most end earlier there is no value.

    Args:
        texts: Training texts, read once.
        continue_greedily: Maps prompts to as many continuations, by the most likely token each time.
        teller: Makes the metrics.
        held_out: Texts that were not trained on; passages that stand in the training texts too are left out.
        amount: Passages asked of each kind at most.
        seed: Of the sample.
        deadline: `time.monotonic()` after which the model is not called again.

    Raises:
        GenerateError: The model could not be asked.
        UsageError: A text is no string, or `amount` is less than 1.
    """
    own = replace(teller, quality=Quality.MEASURED)
    trained, strange, shared = draw_apart(_begun(texts), _begun(held_out), amount, seed=seed)
    share, examples = _share(trained, continue_greedily, own, "training", deadline)
    metrics = [share]
    if len(held_out):
        apart = own.about(texts="held out")
        note = f", {shared} left out that stand in the training texts" if shared else ""
        metrics.append(_share(strange, continue_greedily, apart, "held-out", deadline, note)[0])
    return Repeated(metrics=metrics, examples=examples)


def _begun(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield beginnings of passages that are long enough, with what they go on with."""
    for _, passage in passages(texts):
        space = _SPACE.search(passage, PREFIX, PREFIX + WORD)
        end = space.start() if space else PREFIX  # scripts without white space
        rest = plain(passage[end:])
        if len(rest) >= REPEATED:
            yield passage[:end], rest[:REPEATED].rstrip()


def _share(
    drawn: Drawn, go_on: Callable[[list[str]], list[str]], teller: Teller, kind: str, deadline: float | None,
    note: str = "",
) -> tuple[Metric, list[Repeat]]:  # fmt: skip
    if not drawn:
        reason = f"no {kind} passage has {PREFIX + REPEATED} characters: give longer texts{note}"
        return teller.none([VERBATIM], reason)[0], []
    answers = ask(go_on, list(drawn), k=1, batch=BATCH, deadline=deadline)
    asked = list(drawn.items())[: len(answers.prompts)]
    told = [_Told.of(texts[0], *pair) for texts, pair in zip(answers.continuations, asked, strict=True)]
    short = sum(one.short for one in told)
    method = (
        f"greedy continuations of {len(asked)} {kind} passages from {PREFIX} characters on: the next {REPEATED} are"
        f" theirs, white space and case aside{_missing(len(asked), len(drawn), short)}{note}"
    )
    metric = _metric(replace(teller, undecided=_doubt(told, len(drawn))), told, method)
    found = [one.repeat for one in told if one.repeat and metric.value is not None]
    return metric, found[:EXAMPLES]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """An answer compared with what is true."""

    repeat: Repeat | None
    short: bool
    agrees: bool

    @classmethod
    def of(cls, answer: str, prefix: str, continuations: Sequence[str]) -> _Told:
        """Compare an answer with the continuations that its prefix has among the passages."""
        text = plain(answer).removeprefix(plain(prefix)).lstrip()  # some models' answers begin with the prefix
        true = next((each for each in continuations if text.startswith(each)), None)
        return cls(
            repeat=None if true is None else Repeat(prefix=prefix, continuation=true),
            short=true is None and any(len(text) < len(each) for each in continuations),
            agrees=true is None and any(each.startswith(text) for each in continuations),
        )


def _metric(teller: Teller, told: Sequence[_Told], method: str) -> Metric:
    n, short = len(told), sum(one.short for one in told)
    if n == 0:
        own = replace(teller, nothing="none of the passages was answered in time: allow more")
        return own.metric(VERBATIM, None, None, 0, method=method)
    if 2 * short > n:
        reason = (
            f"{short} of {n} continuations end before {REPEATED} characters, too early to tell:"
            f" generate at least {REPEATED} tokens"
        )
        return replace(teller, nothing=reason).metric(VERBATIM, None, None, n, method=method)
    again = sum(one.repeat is not None for one in told)
    untold = sum(one.agrees for one in told)
    low, _ = proportion_interval(again, n, CONFIDENCE)
    _, high = proportion_interval(again + untold, n, CONFIDENCE)
    return teller.metric(VERBATIM, again / n, (low, high), n, method=method)


def _doubt(told: Sequence[_Told], drawn: int) -> str | None:
    """Return why no limit can be judged by a share, None where one can."""
    if len(told) < drawn:
        return f"there was time for {len(told)} of {drawn} passages: allow more (max_seconds)"
    untold = sum(one.agrees for one in told)
    agree = f"{untold} of {len(told)} continuations agree as far as they go, but end before {REPEATED} characters"
    return agree if untold > MOST_UNTOLD * len(told) else None


def _missing(asked: int, drawn: int, short: int) -> str:
    late = f", time for {asked} of {drawn}" if asked < drawn else ""
    return late + (f", {short} end earlier and are no repeats" if short else "")
