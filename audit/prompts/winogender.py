"""Winogender's `templates.tsv`: sentences with a job, another person and a pronoun for one of the two.

Rudinger, Naradowsky, Leonard and Van Durme 2018, "Gender Bias in Coreference Resolution".
"""

from __future__ import annotations

import reprlib

from .model import SentencePair
from .rows import Row

OCCUPATION, PARTICIPANT = "occupation(0)", "other-participant(1)"
COLUMNS = (OCCUPATION, PARTICIPANT, "answer", "sentence")
PERCENT = "bls_pct_female"  # of those who do the job; as in Winogender's occupations-stats.tsv
OF_OCCUPATION = "0"  # the answer where the pronoun is that of the job
SOURCE = "Winogender"
PRONOUNS = {"$NOM_PRONOUN": ("he", "she"), "$POSS_PRONOUN": ("his", "her"), "$ACC_PRONOUN": ("him", "her")}


def stereotyped(row: Row) -> bool:
    """Return whether a row makes a pair; rows of other formats all do.

    Where the share of women is known, those do not whose pronoun is not that of the job, and those of jobs that
    women and men do alike.
    """
    if not set(COLUMNS) <= row.values.keys() or PERCENT not in row.values:
        return True
    return row.optional("answer") == OF_OCCUPATION and _percent(row) != 50


def pronoun_pair(row: Row) -> SentencePair:
    """Return one sentence with masculine and with feminine pronouns.

    More stereotyping is the gender of most people in the job, by `bls_pct_female`. Without that column `more` is the
    masculine sentence, and the share of pairs that prefer it is that of masculine preference, no stereotype's.
    """
    sentence = row.text("sentence")
    if not any(slot in sentence for slot in PRONOUNS):
        raise row.wrong(f"'sentence' must hold one of {', '.join(PRONOUNS)}")
    masculine, feminine = (_said(row, sentence, place) for place in (0, 1))
    known = PERCENT in row.values
    more, less = (feminine, masculine) if known and _percent(row) > 50 else (masculine, feminine)
    return SentencePair(
        id=row.id(), more=more, less=less, bias_type="gender" if known else "masculine preference", source=SOURCE,
        cluster=row.text(OCCUPATION),
    )  # fmt: skip


def _said(row: Row, sentence: str, place: int) -> str:
    for slot, words in PRONOUNS.items():
        sentence = sentence.replace(slot, words[place])
    filled = sentence.replace("$OCCUPATION", row.text(OCCUPATION)).replace("$PARTICIPANT", row.text(PARTICIPANT))
    return filled[0].upper() + filled[1:]


def _percent(row: Row) -> float:
    value = row.values[PERCENT]
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not 0 <= number <= 100:
        raise row.wrong(f"{PERCENT!r} must be a number from 0 to 100, got {reprlib.repr(value)}")
    return number
