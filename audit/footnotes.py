"""What several rows of a table say alike, said once below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from string import ascii_lowercase

JOINT = "; "
OFTEN, LONG = 3, 24  # rows that say it, and characters from which it is worth a note


def footnoted(texts: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the texts with marks in the place of clauses that several share, and what the marks stand for."""
    counts = Counter(clause for text in texts for clause in dict.fromkeys(text.split(JOINT)))
    shared = [clause for clause, rows in counts.items() if rows >= OFTEN and len(clause) >= LONG]
    marks = dict(zip(shared, ascii_lowercase, strict=False))
    return [_marked(text, marks) for text in texts], [(mark, clause) for clause, mark in marks.items()]


def _marked(text: str, marks: dict[str, str]) -> str:
    clauses = text.split(JOINT)
    noted = [f"({marks[clause]})" for clause in clauses if clause in marks]
    return " ".join(filter(None, (JOINT.join(c for c in clauses if c not in marks), " ".join(noted))))
