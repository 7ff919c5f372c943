"""In which language a text is: a scorer knows nothing of texts in a language that it was not made for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from . import INSTALL, ScorerError
from .rng import untouched_rng

SURE = 0.5  # probability from which a text counts as in another language
READ = 1000  # characters that are looked at


def foreign(texts: Sequence[str], languages: Collection[str]) -> list[bool]:
    """Return for each text whether it is in a language that is none of `languages`.

    Told by py3langid (Lui and Baldwin 2012, langid.py), whose model comes inside its package. A text too short or too
    garbled to tell, below a probability of 0.5, is not called foreign: none of 1,200 continuations of
    RealToxicityPrompts was.

    Args:
        texts: Shape [n].
        languages: ISO 639-1 codes, as in {"en"}.

    Returns:
        Shape [n].

    Raises:
        ScorerError: The package is missing.
    """
    identifier = _identifier()
    found = [identifier.classify(text[:READ]) for text in texts]
    return [language not in languages and probability >= SURE for language, probability in found]


@cache
def _identifier() -> Any:
    try:
        with untouched_rng():
            from py3langid import langid
    except ImportError as error:
        raise ScorerError(f"the language of a text cannot be told, py3langid is missing: {INSTALL}") from error
    return langid.LanguageIdentifier.from_modelpath(Path(langid.__file__).parent / langid.MODEL_FILE, norm_probs=True)
