"""Scorers of generated text: toxicity from 0 to 1 and sentiment from −1 to 1.

`load_scorer` turns what a user names into a `Scorer`. Nothing here is imported before a run can generate text.
"""

from __future__ import annotations

import math
import reprlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ..errors import GroundwireError, UsageError
from ..registry import nearest
from .rng import untouched_rng

INSTALL = 'pip install "groundwire[text,embedded]"'
DETOXIFY = ("original", "unbiased", "multilingual", "original-small", "unbiased-small")
EMBEDDED = "embedded"
ROUNDING = 1e-6  # float32 puts a probability of one this far above one
ENGLISH = frozenset({"en"})
MAIN = "toxicity"  # label of a scorer that has one
SHOWN = 200  # characters of somebody else's error that are repeated


class Labelled(dict[str, Iterable[Any]]):
    """Scores by label, as our own scorers return them; the label that counts is the first."""


class ScorerError(GroundwireError):
    """A scorer cannot be loaded or gave something that is not a score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorer:
    """Scores texts, and leaves every global random state as it was.

    Attributes:
        name: Which scorer it is, with the version that its scores depend on.
        compute: Maps texts to as many numbers, or to `Labelled` columns of them.
        low: Least possible score.
        high: Greatest possible score.
        caveats: What its scores cannot show, in sentences.
        languages: ISO 639-1 codes of the languages that it was made for; None when it was made for any, or nobody
            says.
    """

    name: str
    compute: Callable[[list[str]], Iterable[Any]]
    low: float = 0.0
    high: float = 1.0
    caveats: tuple[str, ...] = ()
    languages: frozenset[str] | None = None

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return one score for each text: that of the first label, where there are several.

        Raises:
            ScorerError: The scorer raised, or returned too few, too many or impossible scores.
        """
        return next(iter(self.scores(texts).values()))

    def scores(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """Return for each label of the scorer one score for each text, the label that counts first.

        Raises:
            ScorerError: The scorer raised, or returned too few, too many or impossible scores.
        """
        if not texts:
            return {MAIN: []}
        clean = [well_formed(text) for text in texts]
        try:
            with warnings.catch_warnings(), untouched_rng():
                warnings.simplefilter("ignore")
                found = self.compute(clean)
                columns = found if isinstance(found, Labelled) else {MAIN: found}
                listed = {label: self._listed(column, len(texts)) for label, column in columns.items()}
        except ScorerError:
            raise
        except (Exception, SystemExit) as error:
            raise ScorerError(f"scorer {self.name} raised {brief(error)}") from error
        return {label: self._whole(column, len(texts)) for label, column in listed.items()}

    def _whole(self, scores: list[Any], amount: int) -> list[float]:
        if len(scores) != amount:
            many = "more scores than" if len(scores) > amount else f"{len(scores)} scores for"
            raise ScorerError(f"scorer {self.name} returned {many} {amount} texts: return one score for each")
        return [self._checked(score) for score in scores]

    def _listed(self, found: Any, most: int) -> list[Any]:
        """Return what was found as a list of at most `most` + 1 items: it may have no end."""
        found = found.tolist() if hasattr(found, "tolist") else found
        if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
            kind = type(found).__name__
            raise ScorerError(f"scorer {self.name} returned {kind}: return a list with one score for each text")
        return list(islice(found, most + 1))

    def _checked(self, score: Any) -> float:
        try:
            value = math.nan if isinstance(score, str | bytes | bool) else float(score)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if not self.low - ROUNDING <= value <= self.high + ROUNDING:
            shown, bounds = reprlib.repr(score), f"between {self.low:g} and {self.high:g}"
            raise ScorerError(f"scorer {self.name} returned {shown}, which is not a number {bounds}")
        return min(self.high, max(self.low, value))


def well_formed(text: str) -> str:
    """Return `text` with lone surrogates replaced, which cannot be encoded, stored or tokenized."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def brief(error: BaseException) -> str:
    """Return an error's type and the first line of what it says."""
    first = (str(error).strip().splitlines() or [""])[0][:SHOWN]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def scorer_name(choice: Any) -> str:
    """Return a name for what `load_scorer` takes, the same in every process."""
    if isinstance(choice, str | None):
        return choice or EMBEDDED
    return str(getattr(choice, "name", None) or getattr(choice, "__qualname__", None) or type(choice).__qualname__)


def check_scorer_name(choice: str) -> None:
    """Raise where a scorer's name can mean nothing, before anything is loaded.

    Raises:
        UsageError: There is no such scorer.
    """
    kind, _, model = choice.partition(":")
    if not (choice in (EMBEDDED, "detoxify") or (model and kind != EMBEDDED)):
        raise UsageError(f"there is no scorer {choice!r}{nearest(choice, [EMBEDDED, 'detoxify'])}")


def load_scorer(choice: Any = EMBEDDED) -> Scorer:
    """Return the toxicity scorer that `choice` means.

    Args:
        choice: `embedded` or None; `detoxify` or `detoxify:MODEL` or `detoxify:CHECKPOINT`;
            `package.module:object` for one of the following; a module of Hugging Face `evaluate`; or a callable
            that maps a list of texts to a list of scores.

    Raises:
        UsageError: It means nothing.
        ScorerError: Its package or its weights are missing.
    """
    if isinstance(choice, Scorer):
        return choice
    if choice is None or isinstance(choice, str):
        with untouched_rng():
            return _named(EMBEDDED if choice is None else choice)
    if isinstance(choice, type):
        raise UsageError(f"scorer must be an instance, got the class {choice.__name__}: make one of it")
    if callable(getattr(choice, "compute", None)):
        from .foreign import evaluate_scorer

        return evaluate_scorer(choice)
    if callable(choice):
        name = getattr(choice, "__qualname__", type(choice).__name__)
        return Scorer(name=f"callable:{name}", compute=choice)
    shown = reprlib.repr(choice)
    raise UsageError(f"scorer must be 'embedded', 'detoxify', an evaluate module or a callable, got {shown}")


def _named(choice: str) -> Scorer:
    kind, _, model = choice.partition(":")
    if model and kind not in (EMBEDDED, "detoxify"):
        from .imported import imported

        found = load_scorer(imported(choice))
        return replace(found, name=f"callable:{choice}" if found.name.startswith("callable:") else found.name)
    if kind not in (EMBEDDED, "detoxify") or (kind == EMBEDDED and model):
        raise UsageError(f"there is no scorer {choice!r}{nearest(choice, [EMBEDDED, 'detoxify'])}")
    try:
        if kind == EMBEDDED:
            from .embedded import embedded_scorer

            return embedded_scorer()
        from .detoxify import detoxify_scorer

        return detoxify_scorer(model or "unbiased")
    except ImportError as error:
        raise ScorerError(f"scorer {choice!r} cannot be imported ({brief(error)}): {INSTALL}") from error


def load_sentiment() -> Scorer:
    """Return VADER's compound sentiment, from −1 to 1.

    Raises:
        ScorerError: Its package is missing.
    """
    try:
        with untouched_rng():
            from .sentiment import sentiment_scorer

            return sentiment_scorer()
    except ImportError as error:
        raise ScorerError(f"sentiment cannot be imported ({brief(error)}): {INSTALL}") from error
