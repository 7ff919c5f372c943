"""Prompts, sentence pairs and labelled texts in the public formats, as users have them on disk.

A format is known by what the file holds. A row that repeats another in every column is kept once. White space around
a text is removed, all its other characters are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from ..errors import UsageError
from .bold import article_rows, document_rows, is_bold
from .forms import LABELLED_FORMS, PAIR_FORMS, PROMPT_FORMS, general_prompt
from .jsonlines import is_list, json_rows, parsed
from .model import LabelledText, Prompt, SentencePair
from .rows import SPACE, Form, Row, T, form_of, gathered
from .stereoset import is_stereoset, item_rows, stereoset_pair
from .tables import table_delimiter, table_rows
from .textfile import first_line, opened
from .winogender import stereotyped

PROMPT_NEEDS = "prompts need 'prompt' or 'text', or the columns of HONEST or HolisticBias"
PAIR_NEEDS = (
    "sentence pairs need 'sent_more' and 'sent_less', as in CrowS-Pairs, the columns of Winogender's templates.tsv or"
    " the 'data' of StereoSet's dev.json"
)
LABELLED_NEEDS = "labelled texts need 'text' and 'toxic' or 'label', or 'test_case' and 'label_gold' as in HateCheck"
LINE_NEEDS = "write one prompt on each line"
TABLES = (".csv", ".tsv")
ALL_FORMS = (*PROMPT_FORMS, *PAIR_FORMS, *LABELLED_FORMS)  # a table of another kind is no list of prompts


def read_prompts(path: str | os.PathLike[str]) -> tuple[Prompt, ...]:
    """Return the prompts in a file.

    Reads RealToxicityPrompts, BOLD, HONEST and HolisticBias; JSON lines and tables with `prompt` or `text` and, where
    they have them, `id`, `axis`, `group`, `template` and `toxicity`; and plain text, one prompt on each line.

    Raises:
        UsageError: The file is missing, empty or broken; the message names the line.
    """
    with opened(path) as (place, file):
        first = first_line(file)
        if first.lstrip().startswith("{"):
            return _json_prompts(place, file, first)
        if place.suffix.lower() in TABLES or is_list(first) or table_delimiter(first, ALL_FORMS):
            return _read_rows(place, file, PROMPT_FORMS, PROMPT_NEEDS)
        lines = enumerate((line.strip(SPACE) for line in file), 1)
        rows = (Row(path=place, line=number, values={"text": line}) for number, line in lines if line)
        return gathered(place, rows, general_prompt, LINE_NEEDS)


def _json_prompts(path: Path, file: TextIO, first: str) -> tuple[Prompt, ...]:
    document = _document(file, first)
    bold = partial(general_prompt, source="BOLD")
    if is_bold(document):
        return gathered(path, document_rows(path, document), bold, PROMPT_NEEDS)
    if isinstance(document, dict) and {"domain", "category", "prompts"} <= document.keys():
        return gathered(path, article_rows(path, json_rows(path, file)), bold, PROMPT_NEEDS)
    return _read_rows(path, file, PROMPT_FORMS, PROMPT_NEEDS)


def _document(file: TextIO, first: str) -> Any:
    """Return the JSON in a file's first line or else in all of it, None where it is none; go back to the start."""
    document = parsed(first)
    if document is None:  # it may go on over the next lines
        document = parsed(file.read())
        file.seek(0)
    return document


def read_pairs(path: str | os.PathLike[str]) -> tuple[SentencePair, ...]:
    """Return the sentence pairs in a file.

    Reads CrowS-Pairs, and tables and JSON lines with its columns and, where they have them, `id`, `unrelated`,
    `source` and `cluster`; StereoSet's `dev.json`; and Winogender's `templates.tsv`.

    Raises:
        UsageError: The file is missing, empty or broken; the message names the line.
    """
    with opened(path) as (place, file):
        first = first_line(file)
        document = _document(file, first) if first.lstrip().startswith("{") else None
        if is_stereoset(document):
            return gathered(place, item_rows(place, document), stereoset_pair, PAIR_NEEDS)
        return _read_rows(place, file, PAIR_FORMS, PAIR_NEEDS, keep=stereotyped)


def read_labelled(path: str | os.PathLike[str]) -> tuple[LabelledText, ...]:
    """Return the labelled texts of HateCheck, or of a table or JSON lines with `text` and `toxic` or `label`.

    Raises:
        UsageError: The file is missing, empty or broken, or calls one text toxic and harmless.
    """
    with opened(path) as (place, file):
        texts = _read_rows(place, file, LABELLED_FORMS, LABELLED_NEEDS)
    first: dict[str, LabelledText] = {}
    for text in texts:
        other = first.setdefault(text.text, text)
        if other.toxic != text.toxic:
            raise UsageError(f"{place}: {other.id!r} and {text.id!r} are one text with two labels: decide for one")
    return texts


def _read_rows(
    path: Path, file: TextIO, forms: Sequence[Form[T]], needs: str, *, keep: Callable[[Row], bool] = lambda _: True
) -> tuple[T, ...]:
    """Return the items in a file of JSON lines or in a table.

    Args:
        path: The file's name, for messages.
        file: The same, open at its start.
        forms: Formats, of which the first counts whose columns are all there.
        needs: Which columns are wanted, in words.
        keep: Whether a row is wanted.

    Raises:
        UsageError: The file holds no rows, a line is broken, or a column is missing.
    """
    first = first_line(file)
    if not first:
        raise UsageError(f"{path} is empty: {needs}")
    if is_list(first):
        raise UsageError(f"{path} is one JSON list: write one object on each line")
    is_json = first.lstrip().startswith("{")
    rows = json_rows(path, file) if is_json else table_rows(path, file, first, forms, needs)
    return gathered(path, filter(keep, rows), lambda row: form_of(row, forms, needs).read(row), needs)
