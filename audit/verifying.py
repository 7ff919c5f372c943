"""What `groundwire verify` does: recompute the chain from the record to the report, and the checkpoints' digests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import completing, derivatives
from .artefact import audited
from .derivatives import Derivative
from .differences import differences
from .environment import machine
from .errors import GroundwireError, RecordError
from .file_names import is_file
from .formats import count
from .judge import judge
from .load import NAME, load_audit
from .model import Audit, Checkpoint, RunStatus, dump
from .record import Record
from .reporting import make_report
from .sealed import read_sealed
from .storage import Folder, open_folder
from .tensors import WeightsError, file_sha256
from .verified import Fit, Part

PAGES = ("report.html", "report.md")
_NAMED = re.compile(r"Digest of audit\.json: (?:<code class=\"digest\">|`)(none|[0-9a-f]{64})")


def verify(url: str, checkpoint: Path | None = None, *, complete: bool = False) -> list[Part]:
    """Return what fits, what does not and what is gone of a run.

    Args:
        url: Path or fsspec URL of a run folder.
        checkpoint: Also say whether this file holds weights that were audited.
        complete: First take the digests of checkpoints that the run had no time for, and judge the record anew.

    Raises:
        RecordError: The run cannot be read, or `complete` cannot be done because its audit was changed.
    """
    audit, intact = load_audit(url)
    folder = open_folder(url)
    done = list(_complete(folder, audit, intact=intact)) if complete else []
    audit, intact = load_audit(url) if done else (audit, intact)
    found = [*done, *_chain(folder, audit, intact=intact), *_checkpoints(audit), *_declared(folder)]
    if checkpoint is not None:
        found.append(_released(folder, audit, checkpoint, intact=intact))
    return found


def _chain(folder: Folder, audit: Audit, *, intact: bool) -> Iterator[Part]:
    told = f"digest {audit.digest[:12]}" if intact else "its digest does not fit its content: it was changed"
    try:
        record = Record.open(folder.url)
    except GroundwireError as error:
        yield Part(what="record", fit=Fit.UNKNOWN, told=str(error))
    else:
        yield _record(record)
        yield Part(what=NAME, fit=Fit.FITS if intact else Fit.DIFFERS, told=told)
        yield _judged(record, audit)
    for name in PAGES:
        yield _page(folder, name, audit)


def _record(record: Record) -> Part:
    notes = f"; {record.notes[0]}" if record.notes else ""
    if record.damage:
        more = f", and {len(record.damage) - 1:,} more" if len(record.damage) > 1 else ""
        return Part(what="record", fit=Fit.DIFFERS, told=f"{record.damage[0]}{more}")
    if record.run.status is RunStatus.RUNNING:
        return Part(what="record", fit=Fit.UNKNOWN, told=f"the run has not said how it ended{notes}")
    return Part(what="record", fit=Fit.FITS, told=f"every checksum{notes}")


def _judged(record: Record, audit: Audit) -> Part:
    """Hold the audit against what the record gives when it is judged again."""
    what = f"record → {NAME}"
    fresh, stored = (json.loads(dump(each)) for each in (judge(record), audit))
    different = next(differences(stored, fresh), "")
    if not different:
        return Part(what=what, fit=Fit.FITS, told="judged again, the record gives the same audit")
    versions = _version(audit.environment), _version(machine())
    if audit.edition != fresh["edition"] or versions[0] != versions[1]:
        told = f"judged by groundwire {versions[0]}, this is {versions[1]}, which gives another {different}"
        return Part(what=what, fit=Fit.UNKNOWN, told=told)
    return Part(what=what, fit=Fit.DIFFERS, told=f"judged again, the record gives another {different}")


def _version(environment: Any) -> str:
    packages = environment.get("packages") if isinstance(environment, dict) else None
    return (
        str(packages.get("groundwire", "of unknown version")) if isinstance(packages, dict) else "of unknown version"
    )


def _page(folder: Folder, name: str, audit: Audit) -> Part:
    """Hold the digest that a report names against that of the audit; its words are not compared."""
    what = f"{NAME} → {name}"
    if not folder.exists(name):
        return Part(what=what, fit=Fit.GONE, told="no such file", optional=True)
    named = _NAMED.findall(folder.read(name).decode("utf-8", "replace"))[-1:]
    if named == [audit.digest]:
        return Part(what=what, fit=Fit.FITS, told="it names this audit's digest; its words are not compared")
    way = f"`groundwire report {folder.url}` renders it anew"
    if named in ([], ["none"]):
        return Part(what=what, fit=Fit.UNKNOWN, told=f"it does not name the audit it was made from: {way}")
    return Part(what=what, fit=Fit.DIFFERS, told=f"it was made from another audit: {way}")


def _checkpoints(audit: Audit) -> Iterator[Part]:
    for each in audit.checkpoints:
        yield _checkpoint(each)
    if not audit.checkpoints:
        yield Part(what="checkpoints", fit=Fit.GONE, told="the run wrote none", optional=True)


def _checkpoint(checkpoint: Checkpoint) -> Part:
    path = Path(checkpoint.path)
    if not is_file(path):
        return Part(what=str(path), fit=Fit.GONE, told="no such file on this machine", optional=True)
    if checkpoint.file_sha256 is None:
        return Part(what=str(path), fit=Fit.UNKNOWN, told="its digest was not recorded: --complete", optional=True)
    try:
        same = file_sha256(path) == checkpoint.file_sha256
    except WeightsError as error:
        return Part(what=str(path), fit=Fit.UNKNOWN, told=str(error))
    told = f"sha256 {checkpoint.file_sha256[:12]}" if same else "it has been written again since the run"
    return Part(what=str(path), fit=Fit.FITS if same else Fit.DIFFERS, told=told)


def _declared(folder: Folder) -> Iterator[Part]:
    """Yield what was added after the run and is not what was written; declarations that fit are named."""
    for name, made in read_sealed(folder, derivatives.FOLDER, Derivative):
        told = f"{made.file}: {made.told}" if made else "it was changed, and does not count"
        yield Part(what=name, fit=Fit.FITS if made else Fit.DIFFERS, told=told)
    for name, later in read_sealed(folder, completing.FOLDER, completing.Completion):
        told = f"digests of {later.path}, taken {later.taken[:10]}" if later else "it was changed, and does not count"
        yield Part(what=name, fit=Fit.FITS if later else Fit.DIFFERS, told=told)


def _released(folder: Folder, audit: Audit, path: Path, *, intact: bool) -> Part:
    if not intact:
        told = "the audit was changed, so that its digests of checkpoints say nothing"
        return Part(what="--checkpoint", fit=Fit.UNKNOWN, told=told)
    found = audited(audit, path, derivatives.derivatives_of(folder))
    fits = {"match": Fit.FITS, "differs": Fit.DIFFERS, "unknown": Fit.UNKNOWN}
    return Part(what="--checkpoint", fit=fits[found.outcome], told=found.told)


def _complete(folder: Folder, audit: Audit, *, intact: bool) -> Iterator[Part]:
    """Take missing digests, and judge the record anew, so that the audit has them."""
    if not intact:
        raise RecordError(f"{NAME} in {folder.url} has been changed, its digest does not fit: restore it first.")
    taken = 0
    for checkpoint, hindrance in completing.complete(folder, audit):
        taken += not hindrance
        if hindrance:
            yield Part(what=checkpoint.path, fit=Fit.UNKNOWN, told=f"no digest was taken: {hindrance}", optional=True)
    if taken:
        folder.write(NAME, dump(judge(Record.open(folder.url))).encode())
        for name in filter(folder.exists, PAGES):
            make_report(folder.url, markdown=name.endswith(".md"))
        yield Part(what="digests", fit=Fit.FITS, told=f"of {count(taken, 'checkpoint')} taken and added to {NAME}")
