"""What stands where a text was taken out of a record: its length and, where that gives nothing away, its digest."""

from __future__ import annotations

import hashlib
import re

SHORT = 20  # characters; whoever can guess so short a text can find it by its digest
BAR = "█"  # stands for a word where words are counted

_MARK = re.compile(r"\[redacted: [\d,]+ characters?(, sha256 [0-9a-f]{64})?\]")
_BARS = re.compile(f"{BAR}( {BAR})*")


def mark(text: str) -> str:
    """Return what stands for a text: how long it was and, of one with 20 characters or more, the sha256 of its UTF-8.

    A mark and an empty text stay as they are, so that marking twice is marking once.
    """
    if not text or is_mark(text):
        return text
    many = "" if len(text) == 1 else "s"
    digest = "" if len(text) < SHORT else f", sha256 {sha256(text)}"
    return f"[redacted: {len(text):,} character{many}{digest}]"


def bars(text: str) -> str:
    """Return a bar for each word of a text, so that its words can still be counted."""
    return " ".join(BAR for _ in text.split())


def is_mark(text: str) -> bool:
    """Return whether a text is what `mark` or `bars` leave, and nothing else."""
    return _MARK.fullmatch(text) is not None or _BARS.fullmatch(text) is not None


def sha256(text: str) -> str:
    """Return the digest of a text; lone surrogates count as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
