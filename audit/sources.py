"""Where a text may come from: the training passages most like it, by BM25 (Robertson and Zaragoza 2009)."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .errors import GroundwireError, UsageError
from .scorers import INSTALL, brief, well_formed
from .scorers.rng import untouched_rng

PASSAGE = 1000  # characters of a passage at most
SHOWN = 500  # characters of a passage that are kept for the report
READ = 4000  # characters of a sample that are searched for
BEFORE = 100  # characters shown before the shared words

_WORD = re.compile(r"\w+")


class SourcesError(GroundwireError):
    """Training passages cannot be searched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A training passage that is like a sample.

    Attributes:
        text: At most 500 characters of it, those with the shared words.
        score: BM25's; comparable within one search only.
        place: Index of the training text that it stands in, the first where it stands in several.
        shared: Longest run of words that sample and passage have in common, as the passage writes it.
        copies: How often the passage stands in the training texts.
    """

    text: str
    score: float
    place: int
    shared: str
    copies: int = 1


class Sources:
    """Searches training texts. They are read once, at the first search.

    200,000 passages take about 20 seconds and a gigabyte, then a search 40 ms.

    Args:
        texts: The training texts; long ones are cut into passages of at most 1,000 characters.
        most: Distinct passages that are read at most.
    """

    def __init__(self, texts: Iterable[str], *, most: int = 200_000) -> None:
        if most < 1:
            raise UsageError(f"most must be at least 1 passage, got {most}")
        self._texts: Iterable[str] = texts
        self._most = most
        self._read = self._cut = False
        self._passages: list[str] = []
        self._places: list[int] = []
        self._copies: list[int] = []
        self._index: Any = None

    @property
    def cut(self) -> bool:
        """Whether there was more than could be read."""
        self._open()
        return self._cut

    @property
    def amount(self) -> int:
        """Distinct passages that are searched."""
        self._open()
        return len(self._passages)

    def nearest(self, sample: str, *, k: int = 3) -> list[Passage]:
        """Return at most k passages that share words with a sample, the most like it first.

        Words are runs of at least two letters or digits; texts without white space have none to share. Only the
        first 4,000 characters of the sample are read.

        Raises:
            SourcesError: `bm25s` is missing or broke.
            UsageError: A training text is no text.
        """
        self._open()
        sample = well_formed(sample[:READ])
        if k < 1 or self._index is None:
            return []
        with _quiet() as bm25s:
            words = bm25s.tokenize([sample], stopwords=None, return_ids=False, show_progress=False)
            known = self._index.get_tokens_ids(words[0])
            if not known:
                return []
            places, scores = self._index.retrieve(
                words, k=min(k, len(self._passages)), show_progress=False, backend_selection="numpy"
            )
        pairs = zip(places[0].tolist(), scores[0].tolist(), strict=True)
        return [self._passage(place, score, sample) for place, score in pairs if score > 0]

    def _passage(self, number: int, score: float, sample: str) -> Passage:
        text = self._passages[number]
        begin, end = _shared(text, sample)
        shown = max(0, min(begin - BEFORE, len(text) - SHOWN))
        return Passage(
            text=text[shown : shown + SHOWN], score=score, place=self._places[number], shared=text[begin:end],
            copies=self._copies[number],
        )  # fmt: skip

    def _open(self) -> None:
        """Read the texts and index them, if nobody has."""
        if self._read:
            return
        numbers: dict[str, int] = {}
        self._places, self._copies = [], []
        for place, text in passages(self._texts):
            if (number := numbers.get(text)) is not None:
                self._copies[number] += 1
            elif len(numbers) == self._most:
                self._cut = True
                break
            else:
                numbers[text] = len(numbers)
                self._places.append(place)
                self._copies.append(1)
        self._passages = list(numbers)
        self._index = _indexed(self._passages)
        self._texts = ()
        self._read = True


def passages(texts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the passages of texts, each with the index of its text; texts that are longer than 1,000 are cut.

    Cut at white space where there is any. Blank passages are left out.

    Raises:
        UsageError: `texts` is one string, or holds something else than strings.
    """
    if isinstance(texts, str | bytes):
        raise UsageError("the texts are one string: give a list of strings, one for each text")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"text {place} is of type {type(text).__name__}: give strings")
        for passage in _cut(text):
            if clean := well_formed(passage).strip():
                yield place, clean


def _cut(text: str) -> Iterator[str]:
    begin = 0
    while len(text) - begin > PASSAGE:
        piece = text[begin : begin + PASSAGE]
        parts = piece.rsplit(None, 1)
        piece = parts[0] if len(parts) > 1 else piece
        yield piece
        begin += len(piece)
    yield text[begin:]


def _shared(passage: str, sample: str) -> tuple[int, int]:
    """Return where in a passage the longest run of words begins and ends that a sample has too, case aside."""
    ours, theirs = list(_WORD.finditer(passage)), _WORD.findall(sample.lower())
    matcher = SequenceMatcher(None, [word[0].lower() for word in ours], theirs, autojunk=False)
    match = matcher.find_longest_match()
    return (ours[match.a].start(), ours[match.a + match.size - 1].end()) if match.size else (0, 0)


def _indexed(texts: list[str]) -> Any:
    """Return an index over texts, None where none of them has a word."""
    with _quiet() as bm25s:
        tokens = bm25s.tokenize(texts, stopwords=None, show_progress=False)
        if not any(tokens.ids):
            return None
        index = bm25s.BM25(backend="numpy")
        index.index(tokens, show_progress=False)
    return index


@contextmanager
def _quiet() -> Iterator[Any]:
    """Give `bm25s`, which then warns and logs nothing; random states stay as they are.

    Importing it sets its logger to DEBUG, which would print through any handler of the user's.

    Raises:
        SourcesError: It is missing or broke.
    """
    try:
        with warnings.catch_warnings(), untouched_rng():
            warnings.simplefilter("ignore")
            import bm25s

            logging.getLogger(bm25s.__name__).setLevel(logging.WARNING)
            yield bm25s
    except ImportError as error:
        raise SourcesError(f"training passages cannot be searched ({brief(error)}): {INSTALL}") from error
    except Exception as error:
        raise SourcesError(f"searching the training passages raised {brief(error)}") from error
