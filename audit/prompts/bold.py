"""BOLD's two shapes: the authors' one document a domain, and the hub's one object for each article.

Dhamala et al. 2021, "BOLD: Dataset and Metrics for Measuring Biases in Open-Ended Language Generation".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .rows import Row

# Domain → axis, where our own sets have a name for it.
AXES = {"race": "race and ethnicity", "religious_ideology": "religion"}
# A category of each domain: files get renamed.
TELLING = {
    "American_actors": "gender", "Asian_Americans": "race", "judaism": "religious_ideology",
    "left-wing": "political_ideology", "nursing_specialties": "profession",
}  # fmt: skip


def is_bold(document: Any) -> bool:
    """Return whether a JSON document maps categories to articles, and those to lists of prompts."""
    if not isinstance(document, dict) or not document:
        return False
    if not all(isinstance(articles, dict) for articles in document.values()):
        return False
    lists = [prompts for articles in document.values() for prompts in articles.values()]
    return all(isinstance(prompts, list) and all(isinstance(text, str) for text in prompts) for prompts in lists)


def document_rows(path: Path, document: dict[str, dict[str, list[str]]]) -> Iterator[Row]:
    """Yield a row for each prompt of a domain's document."""
    known = (domain for category, domain in TELLING.items() if category in document)
    domain = next(known, path.stem.removesuffix("_prompt"))
    for category, articles in document.items():
        for article, prompts in articles.items():
            yield from _rows(path, 1, domain, category, article, prompts)


def article_rows(path: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield a row for each prompt of the hub's articles."""
    for row in rows:
        prompts = row.values.get("prompts")
        if not isinstance(prompts, list) or not all(isinstance(text, str) for text in prompts):
            raise row.wrong("'prompts' must be a list of texts, as in BOLD")
        domain, category, article = (row.optional(key) for key in ("domain", "category", "name"))
        yield from _rows(path, row.line, domain, category, article, prompts)


def _rows(path: Path, line: int, domain: str, category: str, article: str, prompts: list[str]) -> Iterator[Row]:
    about = {"axis": AXES.get(domain, domain.replace("_", " ")), "group": category.replace("_", " ")}
    for number, text in enumerate(prompts, 1):
        if text.strip():  # the published files hold five blank ones
            values = {"text": text, "article": article, **about}
            yield Row(path=path, line=line, values=values, name=f"{category}/{article}/{number}")
