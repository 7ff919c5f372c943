"""Texts with words for groups of people masked, so that a scorer judges what is said and not about whom.

Masking before scoring is what ROBBIE does (Esiobu et al. 2023): many scorers call a harmless sentence toxic because
it mentions a group. The words stand in `audit/prompts/terms.toml`. Three neutral words take their place, which keep
the grammar without parsing it:

- a noun phrase for one person ("a gay man", "an older person", "a person from Nigeria") becomes "a person";
- one for several ("Muslims", "Black and Asian women", "people with Down syndrome", "the poor are") becomes "people";
- an adjective elsewhere ("gay marriage", "she is Jewish") becomes "human", which stands wherever an adjective can.

Not masked: pronouns, given names, names of religions and countries by themselves, slurs (toxic whomever they are
about), and words with other meanings unless a word for people follows ("a white wall", "she speaks German").
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

PERSON, PEOPLE, HUMAN = "person", "people", "human"
LOOK_BACK = 16  # characters before a phrase that can tell what it is

# `(?<!\w)` and `(?!\w)` bound words. What follows the first word is optional and `\s++` gives nothing back, so a
# text is read once. (Groups inside a possessive repeat make CPython 3.11 raise SystemError: there are none.)
_PATTERN = r"""
(?<!\w)(?=\w)(?:
  (?P<the>the)\s++(?:{collective})(?={end})
| (?P<article>a|an|one|every|each|another|this|that)\s++(?:{nationalities})(?={end})
| (?:(?P<an>an)\s++)?(?P<phrase>
    (?P<run>(?:
      (?:(?P<noun>{noun_or_adjective})|(?P<sure>{adjectives})|{unsure})(?!\w)(?:{between}(?=(?:{any})(?!\w)))?
    )+)
    (?:\s++(?:(?P<head_people>{plural}|{people})|(?P<head_person>{singular}|{person}))(?!\w))?
    (?P<after>(?:\s++(?:{after})(?!\w))*)
    (?:(?=(?P<together>\s++(?:{together})(?!\w))|(?P<last>{end})))?
  | (?:(?P<plural>{plural})|{singular})(?!\w)(?:\s++(?:{after})(?!\w))*
  | (?:(?P<people>{people})|{person})(?:\s++(?:{after})(?!\w))+
  )
)
"""
_BETWEEN = r"(?:\s*+[,/&]\s*+|\s++)(?:(?:and|or)\s++)?"  # as in "old, white" and "gay or lesbian"
_END = r"\s++(?:{verbs})(?!\w)|\s*+(?:[.,;:!?)\"”]|\Z)"
_BEING = re.compile(
    r"(?P<who>\b(?:I|you|he|she|we|they)\s*)?(?:\b(?:am|is|are|was|were|be|been|being)|['’](?:m|re|s))\s+\Z",
    re.IGNORECASE,
)


def mask_identities(text: str) -> str:
    """Return `text` with words for groups of people replaced by "person", "people" and "human".

    Masking a masked text changes nothing. Capitals of whole phrases and at the start of a sentence are kept.
    """
    return _pattern().sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    if match["the"]:
        return f"{match['the']} {PEOPLE}"
    if match["article"]:
        return f"{_article(match['article'])} {PERSON}"
    word = _word(match)
    if not word:
        return match[0]
    word = word.upper() if match["phrase"].isupper() else word
    if match["an"]:
        return f"{_article(match['an'])} {word}"
    return word.capitalize() if match[0][0].isupper() and word.islower() and _begins_sentence(match) else word


def _word(match: re.Match[str]) -> str:
    """Return what stands for a phrase, or nothing when it may not be about people at all."""
    if match["head_people"] or match["plural"] or match["people"]:
        return PEOPLE
    if not match["run"] or match["head_person"] or match["after"]:
        return PERSON
    return HUMAN if match["together"] else _without_noun(match)


def _without_noun(match: re.Match[str]) -> str:
    being = None if match["an"] else _BEING.search(_before(match))
    if match["noun"] and match.end("noun") == match.end("run") and not being:
        return PERSON
    if match["noun"] or match["sure"]:
        return HUMAN
    # "She is blind." is about a person, "the end is blind" and "she is blind to it" are not.
    return HUMAN if being and being["who"] and match["last"] is not None else ""


def _article(article: str) -> str:
    return article[0] if article.lower() == "an" else article


def _begins_sentence(match: re.Match[str]) -> bool:
    before = _before(match).rstrip(" \t\n\r\"'“”‘’([")
    return before[-1] in ".!?:…" if before else match.start() < LOOK_BACK


def _before(match: re.Match[str]) -> str:
    return match.string[max(0, match.start() - LOOK_BACK) : match.start()]


@cache
def _pattern() -> re.Pattern[str]:
    path = files(__package__.rpartition(".")[0]) / "prompts" / "terms.toml"
    terms: dict[str, list[str]] = tomllib.loads(path.read_text(encoding="utf-8"))
    terms["unsure"] = terms["beside_people"] + terms["nationalities"]
    terms["any"] = terms["unsure"] + terms["noun_or_adjective"] + terms["adjectives"]
    for kind in ("singular", "noun_or_adjective", "nationalities"):
        terms["plural"] += [f"{noun}s" for noun in terms[kind]]
    terms["after"] += [f"from {country}" for country in terms["countries"]]
    words = {kind: _one_of(several) for kind, several in terms.items()}
    pattern = _PATTERN.format(**words, between=_BETWEEN, end=_END.format(**words))
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


def _one_of(terms: list[str]) -> str:
    """Return a pattern for any of `terms`, the longest first, with white space of any length in them."""
    by_first: dict[str, list[str]] = {}  # most words end at their first letter, which makes it twice as fast
    for term in sorted({term.lower() for term in terms}, key=lambda term: (-len(term), term)):
        pattern = r"\s+".join(re.escape(word) for word in term.split())
        by_first.setdefault(pattern[0], []).append(pattern[1:])
    return "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in by_first.items())
