"""Takes raw text out of the documents of a run: what a model was asked and said, training text, what errors quote.

Where such text is expected it goes as a whole; everywhere else what repeats a piece of it goes too, as does what
follows the name of an exception. Numbers, names of groups, of layers and of metrics stay.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .marks import bars, is_mark, mark
from .model import BROKE

TRAINING = "training passage"
# Events whose texts are all raw, by what their keys hold.
RAW: Mapping[str, Mapping[str, str]] = {
    "sample": {"prompt": "prompt", "template": "prompt", "continuations": "continuation"},
    "repeated": {"prefix": TRAINING, "continuation": "continuation"},
    "source": {
        "prompt": "prompt",
        "sample": "continuation",
        "text": "training passage",
        "shared": "training passage",
    },
}
KEPT = frozenset({"kind", "time", "set", "provocation", "group", "axis", "personal"})  # names, in such events
COUNTED = "shared"  # its words are counted
WITHHELD = "(withheld: the sample holds personal data)"  # what the rules write instead of a sample

SHARED = 16  # characters that a text must have in common with a raw one to be taken for a piece of it
LONGEST = 200  # characters of a setting; more are text
MESSAGE, SETTING, OTHER = "exception message", "long setting", "other text"
IDENTITY, QUOTE, BATCH = "example's name", "quoted sample", "saved batch"

_RAISED = re.compile(
    r"(?:\b[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit)|\braised [A-Za-z_][\w.]*)(?:: |\()", re.ASCII
)
_NAMED = re.compile(r"\b[A-Z]\w*(?:: |\()", re.ASCII)


@dataclass
class Scrubber:
    """Takes texts out and counts them.

    Attributes:
        counts: How many texts of each kind were taken out.
    """

    counts: Counter[str] = field(default_factory=Counter)
    _heads: dict[str, list[str]] = field(default_factory=dict)
    _broken: dict[str, str] = field(default_factory=dict)

    def learn(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Remember raw texts in events, and why something broke: both may be repeated elsewhere."""
        for event in events:
            self._broken |= {why: cut for why, cut in map(_cut, _reasons(event)) if cut != why}
            names = RAW.get(str(event.get("kind")), {})
            for key, text in _texts(event):
                if names and key not in KEPT and len(text) >= SHARED and not is_mark(text):
                    known = self._heads.setdefault(text[:SHARED], [])
                    if text not in known:
                        known.append(text)

    def event(self, event: Mapping[str, Any], batches: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return an event without raw text.

        Args:
            event: As it was recorded.
            batches: What stays of the saved batches, by the name of their file.
        """
        kind = str(event.get("kind"))
        if kind in RAW:
            return {key: self._raw(value, key, RAW[kind]) for key, value in event.items()}
        if kind == "nonfinite":
            event = self._example(event, batches)
        return {key: value if key in ("kind", "time") else self.scrub(value) for key, value in event.items()}

    def audit(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return an audit without raw text; its digest stays as it was."""
        settings = {key: self.settings(document.get(key) or {}) for key in ("configuration", "environment")}
        findings = [self._finding(finding) for finding in document.get("findings") or ()]
        broken = [*(document.get("rules") or ()), *(document.get("monitors") or ()), *(document.get("metrics") or ())]
        self._broken |= {why: cut for why, cut in map(_cut, _reasons(broken)) if cut != why}
        rest = {key: value for key, value in document.items() if key != "digest"}
        clean = {key: self.scrub(value) for key, value in (rest | {"findings": findings} | settings).items()}
        return clean | {"digest": document.get("digest", "")}

    def settings(self, value: Any) -> Any:
        """Return settings without those that are long texts, and without what they repeat of raw ones."""
        if isinstance(value, str):
            return self._gone(value, SETTING) if len(value) > LONGEST else self.scrub(value)
        return _mapped(value, self.settings)

    def scrub(self, value: Any) -> Any:
        """Return a document without messages of exceptions and without pieces of raw texts."""
        if isinstance(value, str):
            return value if is_mark(value) or value == WITHHELD else self._pieces(self._message(value))
        return _mapped(value, self.scrub)

    def _raw(self, value: Any, key: str, names: Mapping[str, str]) -> Any:
        if key in KEPT:
            return value
        if isinstance(value, Mapping):
            return {inner: self._raw(item, inner, names) for inner, item in value.items()}
        if isinstance(value, list):
            return [self._raw(item, key, names) for item in value]
        if not isinstance(value, str):
            return value
        gone = self._gone(value, names.get(key, OTHER))
        return bars(value) if key == COUNTED and gone != value else gone

    def _gone(self, text: str, what: str) -> str:
        made = mark(text)
        if made != text:
            self.counts[what] += 1
        return made

    def _example(self, event: Mapping[str, Any], batches: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return an event that names a batch; numbers of examples are places in the data and stay."""
        ids = event.get("ids")
        found = [self._gone(each, IDENTITY) if isinstance(each, str) else each for each in ids or ()]
        made = {**event} | ({} if ids is None else {"ids": found})
        if event.get("saved"):
            made |= {"saved": None, "saved_was": batches.get(str(event["saved"]), {})}
        return made

    def _finding(self, finding: Mapping[str, Any]) -> dict[str, Any]:
        used: list[str] = []  # of two samples that begin alike, each is quoted once
        evidence = [
            {**item, "sample": self._quoted(item["sample"], used)} if item.get("sample") else item
            for item in finding.get("evidence") or ()
        ]
        return {**finding, "evidence": evidence}

    def _quoted(self, sample: str, used: list[str]) -> str:
        """Return the mark of a sample, of the whole of it where a finding quotes its beginning."""
        if sample == WITHHELD or is_mark(sample):
            return sample
        self.counts[QUOTE] += 1
        whole = [text for text in self._heads.get(sample[:SHARED], ()) if text.startswith(sample)]
        chosen = next((text for text in whole if text not in used), sample)
        used.append(chosen)
        return mark(chosen)

    def _message(self, text: str) -> str:
        """Return a text up to the message of the exception that it names."""
        for why, cut in self._broken.items():
            if why in text:
                self.counts[MESSAGE] += 1
                return text.replace(why, cut)
        found = _RAISED.search(text)
        if found is None or not text[found.end() :].strip():
            return text
        return text[: found.end()] + self._gone(text[found.end() :], MESSAGE)

    def _pieces(self, text: str) -> str:
        """Return a text with marks for what it has in common with raw ones."""
        place, parts = 0, []
        while self._heads and place + SHARED <= len(text):
            known = self._heads.get(text[place : place + SHARED])
            if known is None:
                place += 1
                continue
            shared, whole = max((_common(text, place, raw), raw) for raw in known)
            self.counts[OTHER] += 1
            parts += [text[:place], mark(whole)]
            text, place = text[place + shared :], 0
        return "".join([*parts, text])


def _cut(why: str) -> tuple[str, str]:
    """Return why something broke, and the same without the message of the exception, whatever its name is."""
    found = _NAMED.search(why)
    return why, why if found is None else why[: found.end()] + mark(why[found.end() :])


def _reasons(value: Any) -> Iterator[str]:
    """Yield why monitors, rules and measurements broke."""
    if isinstance(value, Mapping):
        broke = "error" in (value.get("status"), value.get("outcome")) or value.get("method") == BROKE
        if broke and isinstance(value.get("reason"), str):
            yield value["reason"]
        for item in value.values():
            yield from _reasons(item)
    elif isinstance(value, list):
        for item in value:
            yield from _reasons(item)


def _common(text: str, place: int, raw: str) -> int:
    """Return how many characters `text` from `place` on has in common with the beginning of `raw`."""
    pairs = zip(text[place : place + len(raw)], raw, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(raw), len(text) - place))


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of a document, each with the innermost key above it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _texts(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, key)


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: change(item) for key, item in value.items()}
    return [change(item) for item in value] if isinstance(value, list) else value
