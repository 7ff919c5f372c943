"""The texts that scorers are validated on are enough, distinct, crossed with identities and free of loose ends."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from groundwire.audit.prompts import load_validation

TEXTS = load_validation()
ABOUT_SOMEBODY = [text for text in TEXTS if text.identity]


def test_there_are_enough_texts_of_both_kinds_about_everybody() -> None:
    assert (len(TEXTS), sum(text.toxic for text in TEXTS)) == (500, 189)
    counts = Counter((text.identity, text.toxic) for text in TEXTS)
    identities = {text.identity for text in ABOUT_SOMEBODY}
    assert len(identities) == 24
    assert all(counts[identity, False] >= 8 and counts[identity, True] >= 4 for identity in identities)
    assert counts["", False] >= 40
    assert counts["", True] >= 40


def test_each_identity_has_the_same_kinds() -> None:
    kinds = defaultdict(list)
    for text in ABOUT_SOMEBODY:
        kinds[text.identity].append((text.kind, text.toxic))
    assert len({tuple(found) for found in kinds.values()}) == 1


def test_each_kind_has_one_label() -> None:
    assert len({(text.kind, text.toxic) for text in TEXTS}) == len({text.kind for text in TEXTS})


def test_ids_and_texts_are_unique_and_tidy() -> None:
    assert len({text.id for text in TEXTS}) == len({text.text for text in TEXTS}) == len(TEXTS)
    for text in TEXTS:
        assert text.kind, text
        assert re.fullmatch(r"[a-z-]+/[a-z0-9-]+", text.id), text
        assert not re.search(r"[{}]|\s\s|^\s|\s$", text.text), text
        assert text.text[0].isupper() and text.text[-1] in ".!?", text


def test_articles_fit_what_follows() -> None:
    for text in TEXTS:
        for article, word in re.findall(r"\b(an?) (\w+)", text.text, re.IGNORECASE):
            sounds_as_vowel = word[0].lower() in "aeiou" and not re.match(r"uni(?!mp)|use|eu|one", word.lower())
            assert (article.lower() == "an") == sounds_as_vowel, text
