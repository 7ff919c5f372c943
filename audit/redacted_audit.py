"""audit.json without raw text: it says that it was redacted and from which digest, and is sealed anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import RecordError
from .load import NAME, parse_audit
from .model import SCHEMA_VERSION, digest_of
from .redacted_events import EVENTS, Lines
from .redaction_work import Work, amounts
from .runfile import NAME as RUN
from .runfile import now
from .storage import join

WHAT = "raw text"  # which nobody can check any more

Row = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Redacted:
    """What became of an audit.

    Attributes:
        before: Its digest; empty where there was none, or it did not fit.
        stored: The digest that it is stored with now.
        statement: What is to be added to the record as not checked; None where it stands there already.
    """

    before: str = ""
    stored: str = ""
    statement: Row | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of a redaction, and whether the record has yet to say it."""

    row: Row | None
    adds: bool = False


def redact_audit(work: Work, lines: Sequence[Lines]) -> Redacted:
    """Redact the audit of a run whose events were looked at before.

    Raises:
        RecordError: It was written by a newer version.
    """
    content = work.folder.read(NAME) if work.folder.exists(NAME) else None
    if content is None or not _readable(content, join(work.folder.url, NAME)):
        said = _statement(work, lines, {}, digest="", changed=content is not None)
        if content is not None:
            work.put(NAME, None, "removed: it is no whole audit, `groundwire report` makes it again")
        return Redacted(statement=said.row if said.adds else None)
    document = json.loads(content)
    with work.counted(NAME) as put:
        clean = work.scrubber.audit(document)
        old = str(document.get("digest", ""))
        intact = old == digest_of(document)
        said = _statement(work, lines, document, digest=old if intact else "", changed=clean != document)
        if said.row:
            _insert(clean, said.row, lines)
        if clean != document:
            clean["digest"] = digest_of(clean) if intact else ""
            put(_text(clean))
    if not intact:
        work.notes.append(f"{NAME} had been changed, its digest did not fit; it still does not")
    before, stored = old if intact else "", str(clean["digest"])
    return Redacted(before=before, stored=stored, statement=said.row if said.adds else None)


def _readable(content: bytes, where: str) -> bool:
    try:
        parse_audit(content, where)
    except RecordError:
        if _version(content) > SCHEMA_VERSION:
            raise
        return False
    return True


def _version(content: bytes) -> int:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return 0
    version = found.get("schema_version") if isinstance(found, dict) else None
    return version if isinstance(version, int) else 0


def _text(document: Mapping[str, Any]) -> bytes:
    """Return an audit as it is stored, with the digest that it has."""
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _statement(
    work: Work, lines: Sequence[Lines], document: Mapping[str, Any], *, digest: str, changed: bool
) -> _Said:
    """Return what the audit and the record are to say of the redaction.

    The audit says it first: where only the audit does, an attempt was stopped, whose words count.
    """
    record = next((_row(event) for event in reversed(_unchecked(lines)) if event.get("what") == WHAT), None)
    audit = next((_row(row) for row in document.get("not_checked") or () if row.get("what") == WHAT), None)
    if audit is not None and audit != record:
        return _Said(audit, adds=True)
    if not changed and not any(name == RUN or EVENTS.match(name) for name in work.files):
        return _Said(record)
    return _Said({"what": WHAT, "reason": _reason(work.scrubber.counts, digest)}, adds=True)


def _row(said: Mapping[str, Any]) -> Row:
    return {"what": WHAT, "reason": str(said.get("reason"))}


def _reason(counts: Mapping[str, int], digest: str) -> str:
    before = f"the audit before had the digest {digest}" if digest else "there was no sealed audit before"
    gone = amounts(counts) or "an audit that was not whole"
    return f"redacted on {now()[:10]}: {gone}; digests and counts are kept, {before}"


def _unchecked(lines: Sequence[Lines]) -> list[dict[str, Any]]:
    return [event for part in lines for event in part.events if event.get("kind") == "not_checked"]


def _insert(document: dict[str, Any], row: Row, lines: Sequence[Lines]) -> None:
    """Put a row where judging the record again puts it: after what the record itself says was not checked."""
    rows = list(document.get("not_checked") or ())
    place = next((place for place, old in enumerate(rows) if old.get("what") == WHAT), None)
    if place is None:
        told = {str(event.get("what")) for event in _unchecked(lines)}
        rows.insert(sum(old.get("what") in told for old in rows), row)
    else:
        rows[place] = row
    document["not_checked"] = rows
