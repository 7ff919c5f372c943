"""StereoSet's `dev.json`: a stereotype, its contrary and a sentence without sense, in or after one context.

Nadeem, Bethke and Reddy 2021, "StereoSet: Measuring stereotypical bias in pretrained language models".
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from ..errors import UsageError
from .model import SentencePair
from .rows import Row

SOURCE = "StereoSet"
INTER, INTRA = "intersentence", "intrasentence"
LABELS = ("stereotype", "anti-stereotype", "unrelated")


def is_stereoset(document: Any) -> TypeGuard[dict[str, Any]]:
    """Return whether a JSON document holds lists of items under `data`."""
    data = document.get("data") if isinstance(document, dict) else None
    return (
        isinstance(data, dict)
        and bool(data.keys() & {INTRA, INTER})
        and all(isinstance(data.get(kind, []), list) for kind in (INTRA, INTER))
    )


def item_rows(path: Path, document: dict[str, Any]) -> Iterator[Row]:
    """Yield a row for each item, with its three sentences by label.

    Raises:
        UsageError: An item is not as StereoSet has them.
    """
    for kind in (INTRA, INTER):
        for place, item in enumerate(document["data"].get(kind, []), 1):
            named = item.get("id") if isinstance(item, dict) else None
            name = named if isinstance(named, str) and named else f"{kind}-{place}"
            labelled = _labelled(item)
            if labelled is None:
                needs = f"an item needs 'context' and one sentence for each 'gold_label' of {', '.join(LABELS)}"
                raise UsageError(f"{path}, {kind} item {reprlib.repr(name)}: {needs}")
            about = {key: item.get(key) for key in ("bias_type", "target", "context")}
            yield Row(path=path, line=1, values={"kind": kind, **about, **labelled}, name=name)


def _labelled(item: Any) -> dict[str, str] | None:
    """Return label → sentence, or None where not each label has one."""
    try:
        pairs = [(told["gold_label"], told["sentence"]) for told in item["sentences"]]
        whole = isinstance(item["context"], str) and sorted(label for label, _ in pairs) == sorted(LABELS)
    except (TypeError, KeyError):
        return None
    texts = dict(pairs) if whole else {}
    return texts if texts and all(isinstance(text, str) and text.strip() for text in texts.values()) else None


def stereoset_pair(row: Row) -> SentencePair:
    """Return an item as a pair and its unrelated sentence; those of one target are alike.

    After a context (intersentence) the text is the context and the sentence.
    """
    before = f"{row.optional('context')} " if row.values["kind"] == INTER else ""
    more, less, unrelated = (before + row.text(label) for label in LABELS)
    return SentencePair(
        id=row.id(), more=more, less=less, unrelated=unrelated, bias_type=row.optional("bias_type"),
        source=f"{SOURCE} {row.values['kind']}", cluster=row.optional("target"),
    )  # fmt: skip
