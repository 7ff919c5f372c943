"""What `groundwire redact` does: take raw text out of every file of a run, and keep digests, counts and numbers.

Each file is replaced in one step. The audit is the first, and says what goes; the raw text by which pieces of it are
found elsewhere goes last. So a run that is redacted again goes on where the first attempt was stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import runfile
from .errors import RecordError
from .formats import count
from .load import NAME as AUDIT
from .model import RunStatus
from .redacted_audit import redact_audit
from .redacted_events import DAMAGED, EVENTS, Lines, lines_of, with_statement
from .redaction_work import Work
from .runfile import RunFile, process_exists
from .scrubbing import BATCH
from .storage import LocalFolder, open_folder

PAGES = ("report.html", "report.md")
BATCHES = "batches"
_OURS = re.compile(
    r"(run|audit)\.json|report\.(html|md)|events[^/]*\.jsonl|(series|batches|imports|derivatives|checkpoints)/.+"
)
_NAMED = re.compile(r"Digest of audit\.json: (?:<code class=\"digest\">|`)(none|[0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Redaction:
    """What was taken out of a run, or would be.

    Attributes:
        url: Folder of the run.
        counts: Texts and files that are gone, by kind, wherever they stood.
        files: What is done to each file, in words.
        before: Digest of the audit as it was; empty where there was none, or it did not fit.
        after: Digest of the audit now.
        notes: What else has to be said: damage, files of others.
    """

    url: str
    counts: Mapping[str, int]
    files: tuple[tuple[str, str], ...]
    before: str = ""
    after: str = ""
    notes: tuple[str, ...] = ()


def redact(url: str, *, force: bool = False, dry_run: bool = False) -> Redaction:
    """Take raw text out of a run.

    Args:
        url: Path or fsspec URL of a run folder.
        force: Also of a run that may still be running.
        dry_run: Only say what would go.

    Raises:
        RecordError: It is no run folder, cannot be read or written, or may be running.
    """
    folder = open_folder(url)
    run, intact = runfile.parse(runfile.read(folder), f"{folder.url}/{runfile.NAME}")
    if not force and _may_run(run):
        raise RecordError(f"{folder.url} may still be running: wait for its end, or use --force if it was killed.")
    work = Work(folder=folder, run=run)
    if not intact:
        work.notes.append(f"{runfile.NAME} had been changed, its digest did not fit; it still does not")
    try:
        names = folder.names()
        lines = _events(work, names)
        _settings(work, intact=intact)
        done = redact_audit(work, lines)
        if done.statement:
            with_statement(work, lines, done.statement)
        _pages(work, names, done.stored)
        _left_overs(work, names)
        if not dry_run:
            _write(work)
    except OSError as error:
        again = "what is done stays done: redact it again when that is mended"
        raise RecordError(f"Cannot redact {folder.url}: {error.strerror or error}; {again}.") from error
    return Redaction(
        url=folder.url,
        counts=dict(work.scrubber.counts),
        files=tuple(work.told.items()),
        before=done.before,
        after=done.stored,
        notes=tuple(work.notes),
    )


def _may_run(run: RunFile) -> bool:
    """Return whether nobody has said that a run ended, and its process is not known to be gone."""
    last = run.attempts[-1]
    gone = last.host == socket.gethostname() and not process_exists(last.pid)
    return last.status is RunStatus.RUNNING and not gone


def _events(work: Work, names: Sequence[str]) -> list[Lines]:
    """Redact the events and what they name; return them as they were."""
    found = [part for name in names if EVENTS.fullmatch(name) for part in lines_of(work.folder, name)]
    batches = {name: _kept(work.folder.read(name)) for name in names if name.startswith(f"{BATCHES}/")}
    for lines in found:
        work.scrubber.learn(lines.events)
        work.raw |= {lines.name} if lines.raw else set()
    for lines in found:
        with work.counted(lines.name) as put:
            content = lines.redacted(work.scrubber, batches)
            if content != lines.content:
                put(content)
    if broken := work.scrubber.counts[DAMAGED]:
        work.notes.append(f"{count(broken, 'damaged line')} of the events could not be read and went as a whole")
    for name in batches:
        with work.counted(name) as put:
            work.scrubber.counts[BATCH] += 1
            put(None)
    return found


def _kept(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _settings(work: Work, *, intact: bool) -> None:
    """Redact long texts among the settings in run.json; a digest that did not fit still does not."""
    with work.counted(runfile.NAME) as put:
        parts = {part: getattr(work.run, part) for part in ("configuration", "environment")}
        clean = {part: work.scrubber.settings(found) for part, found in parts.items()}
        if clean != parts:
            text = work.run.model_copy(update=clean).text()
            put(text if intact else json.dumps(json.loads(text) | {"digest": ""}, indent=1).encode() + b"\n")


def _pages(work: Work, names: Sequence[str], digest: str) -> None:
    """Have the pages made anew that were made from another audit than the one that will lie beside them."""
    for name in PAGES:
        if name in names:
            named = _NAMED.findall(work.folder.read(name).decode("utf-8", "replace"))[-1:]
            if work.files or named != [digest or "none"]:
                work.put(name, b"", "made anew without samples, and without the verdict of a policy")


def _left_overs(work: Work, names: Sequence[str]) -> None:
    """Remove what writes that were cut off have left, and name what Groundwire did not write."""
    if isinstance(work.folder, LocalFolder):
        for path in sorted(work.folder.path.rglob(".*.tmp")):
            work.put(path.relative_to(work.folder.path).as_posix(), None, "removed: left by a write that was cut off")
    strange = [name for name in names if not _OURS.fullmatch(name)]
    if strange:
        more = f" and {count(len(strange) - 1, 'more file')}" if strange[1:] else ""
        work.notes.append(f"not of Groundwire's making, and left as it is: {strange[0]}{more}")


def _write(work: Work) -> None:
    for name in sorted(work.files, key=partial(_turn, work)):
        content = work.files[name]
        if name in PAGES:
            _render(work, name)
        elif content is None:
            work.folder.remove(name)
        else:
            work.folder.write(name, content)


def _turn(work: Work, name: str) -> int:
    """Return when a file is written: first the audit, then what learns from raw text, that text, and the rest."""
    order = (
        name == AUDIT,
        work.files[name] is not None and name not in work.raw | {work.stated_in, *PAGES},
        name in work.raw - {work.stated_in},
        name == work.stated_in,
        name not in PAGES,
        True,
    )
    return order.index(True)


def _render(work: Work, name: str) -> None:
    """Make a page anew; the old one must not stay, whatever breaks."""
    from .reporting import make_report

    try:
        make_report(work.folder.url, markdown=name.endswith(".md"), samples="none")
    except Exception as error:  # noqa: BLE001 - the old page holds samples
        work.folder.remove(name)
        work.notes.append(f"{name} could not be made anew ({type(error).__name__}) and was removed")
