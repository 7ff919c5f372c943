"""Files of events, redacted line by line: what can be read is sealed anew, what cannot goes as a whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .redaction_work import Work
from .runfile import now
from .scrubbing import RAW, Scrubber
from .series import sealed_line, unsealed_lines
from .storage import Folder

MAIN = "events.jsonl"
EVENTS = re.compile(r"events[^/]*\.jsonl")
DAMAGED = "damaged line"
AFTERWARDS = 0  # instead of the number of an attempt
_GONE = b'{"redacted_line":'


@dataclass(frozen=True, slots=True)
class Lines:
    """One file of events, or one segment of it.

    Attributes:
        name: Of the file or segment.
        content: As it is.
        events: Its whole lines, read.
    """

    name: str
    content: bytes
    events: tuple[dict[str, Any], ...]

    @property
    def raw(self) -> bool:
        """Whether it holds raw text, by which pieces of it are found in other files."""
        return any(event.get("kind") in RAW for event in self.events)

    def redacted(self, scrubber: Scrubber, batches: Mapping[str, Mapping[str, Any]]) -> bytes:
        """Return the content without raw text; lines that hold none stay as they are, byte for byte."""
        lines = self.content.splitlines(keepends=True)
        return b"".join(_redacted(line, scrubber, batches) for line in lines)


def lines_of(folder: Folder, name: str) -> Iterator[Lines]:
    """Yield a file of events; on an object store the segments by which it grew, and a whole file beside them."""
    segments = [] if folder.local else list(_segments(folder, name))
    contents = {segment: folder.read(segment) for segment in segments}
    whole = folder.read(name)
    if not segments or whole != b"".join(contents.values()):
        contents[name] = whole
    for each, content in contents.items():
        found = (event for event in unsealed_lines(content) if event is not None)
        yield Lines(each, content, tuple(event for event in found if isinstance(event.get("n"), int)))


def _segments(folder: Folder, name: str) -> Iterator[str]:
    number = 1
    while folder.exists(segment := f"{name}.{number:06d}"):
        yield segment
        number += 1


def _redacted(line: bytes, scrubber: Scrubber, batches: Mapping[str, Mapping[str, Any]]) -> bytes:
    event = next(unsealed_lines(line), None)
    if event is None:
        return _damaged(line, scrubber)
    clean = scrubber.event(event, batches)
    return line if clean == event else sealed_line(clean)


def _damaged(line: bytes, scrubber: Scrubber) -> bytes:
    """Return what stays of a line that does not fit its checksum: it still fits none."""
    if line.startswith(_GONE) or not line.strip():
        return line
    scrubber.counts[DAMAGED] += 1
    kept = {"bytes": len(line), "sha256": hashlib.sha256(line).hexdigest()}
    return json.dumps({"redacted_line": kept}, separators=(",", ":")).encode() + b"\n"


def with_statement(work: Work, lines: Sequence[Lines], statement: Mapping[str, str]) -> None:
    """Say at the end of the events what went; as of no attempt, because run.json counts the lines of those."""
    parts = [part for part in lines if part.name.startswith(MAIN)]
    numbers = [event["n"] for part in parts for event in part.events if event.get("attempt") == AFTERWARDS]
    head = {"n": max(numbers, default=0) + 1, "kind": "not_checked", "attempt": AFTERWARDS, "rank": 0, "time": now()}
    name, before = _end(work, parts)
    torn = b"\n" if before and not before.endswith(b"\n") else b""
    told = ", ".join(filter(None, (work.told.get(name, ""), "says so at its end")))
    work.put(name, before + torn + sealed_line({**head, "step": None, **statement}), told)
    work.stated_in = name


def _end(work: Work, parts: Sequence[Lines]) -> tuple[str, bytes]:
    """Return the file in which the events end and what it holds; on an object store a segment of its own."""
    whole = [part for part in parts if part.name == MAIN]
    if whole or work.folder.local:
        return MAIN, work.files.get(MAIN) or (whole[0].content if whole else b"")
    return f"{MAIN}.{len(parts) + 1:06d}", b""
