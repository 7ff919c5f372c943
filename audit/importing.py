"""What `groundwire import` does: read the files, bind them to a checkpoint, keep them, and judge the run anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .errors import RecordError, UsageError
from .formats import count, interval, number
from .imported import Import
from .imports import Scores, read_scores
from .judge import checkpoints_of, judge
from .load import NAME, load_audit
from .model import Checkpoint, Metric, dump
from .record import Record
from .reporting import make_report
from .storage import Folder, open_folder

MOST_SHOWN = 40  # metrics whose names are printed
PAGES = {"report.html": False, "report.md": True}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What the run has after an import.

    Attributes:
        fresh: Files that it did not have before.
        metrics: What was in the files.
        checkpoint: What they are bound to.
        rendered: Reports that were rendered anew.
    """

    fresh: int
    metrics: tuple[Metric, ...]
    checkpoint: Checkpoint | None
    rendered: tuple[str, ...]


def import_scores(url: str, files: Sequence[Path], *, checkpoint: Path | None, name: str | None) -> Kept:
    """Add the scores in files to a run, and judge it anew; a file that it has already changes nothing.

    Raises:
        UsageError: A file, the checkpoint or the name cannot be used; nothing is changed then.
        RecordError: The run cannot be read or written, or its audit was changed.
    """
    _check(url, files, name)
    found = [read_scores(file, name) for file in files]
    folder = open_folder(url)
    record = Record.open(folder.url)
    _refuse_changed(folder)
    bound = None if checkpoint is None else _checkpoint(checkpoint, record)
    fresh = _keep(folder, record, found, bound)
    _write(folder, NAME, dump(judge(Record.open(folder.url))).encode())
    rendered = [page for page in PAGES if folder.exists(page)]
    for page in rendered:
        make_report(folder.url, markdown=PAGES[page])
    metrics = tuple(metric for scores in found for metric in scores.metrics)
    return Kept(fresh=fresh, metrics=metrics, checkpoint=bound, rendered=tuple(rendered))


def _check(url: str, files: Sequence[Path], name: str | None) -> None:
    if not url.strip():
        raise UsageError("RUN is empty: give the folder that the training printed.")
    if name is not None and not name.strip():
        raise UsageError("--as is empty: give the name that is to stand before the metrics.")
    if name is not None and len(files) > 1:
        raise UsageError(f"--as names one file, got {len(files)}: import them one after the other.")


def _refuse_changed(folder: Folder) -> None:
    """Refuse to write over an audit that somebody has changed: the change would be forgotten."""
    if folder.exists(NAME) and not load_audit(folder.url)[1]:
        raise RecordError(
            f"{NAME} in {folder.url} has been changed, its digest does not fit: restore it, or remove it and let"
            " `groundwire report` judge the record again; then import."
        )


def _checkpoint(path: Path, record: Record) -> Checkpoint:
    """Return the checkpoint of a run that has the same bytes as a file."""
    sha256 = _sha256(path)
    known = [checkpoint for checkpoint in checkpoints_of(record) if checkpoint.file_sha256 is not None]
    same = [checkpoint for checkpoint in known if checkpoint.file_sha256 == sha256]
    if same:
        return same[0]
    if not known:
        raise UsageError(
            f"The record of {record.url} holds no digest of a checkpoint, so that nothing can be bound to {path}:"
            " import without --checkpoint to see the scores all the same."
        )
    raise UsageError(
        f"{path} (sha256 {sha256[:12]}) is none of the {len(known)} checkpoints whose digests the run recorded:"
        " give the checkpoint that was evaluated, as the run wrote it."
    )


def _sha256(path: Path) -> str:
    try:
        if path.is_dir():
            raise UsageError(f"The checkpoint {path} is a folder: give a checkpoint in one file.")
        if path.exists() and not path.is_file():
            raise UsageError(f"The checkpoint {path} is not a file that ends.")
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"Cannot read the checkpoint {path}: {reason}.") from error


def _keep(folder: Folder, record: Record, found: Sequence[Scores], bound: Checkpoint | None) -> int:
    """Write what the run does not have yet, and return how many files that were."""
    there = {each.name for each in record.imports}
    newest = max(record.imports, key=lambda each: each.imported).name if record.imports else ""
    fresh = 0
    for scores in found:
        each = Import(
            file=scores.file,
            file_sha256=scores.sha256,
            checkpoint_sha256=None if bound is None else bound.file_sha256,
            imported=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            metrics=list(scores.metrics),
        )
        if each.name != newest:  # again, too: the newest import counts
            _write(folder, each.name, each.text())
        fresh += each.name not in there
        there.add(each.name)
    return fresh


def _write(folder: Folder, name: str, content: bytes) -> None:
    try:
        folder.write(name, content)
    except OSError as error:
        raise RecordError(f"Cannot write {name} to {folder.url}: {error.strerror or error}.") from error


def kept_text(kept: Kept) -> tuple[str, str]:
    """Return the metrics as a policy names them, one a line, and what to say of the import in one sentence."""
    lines = [_line(metric) for metric in kept.metrics[:MOST_SHOWN]]
    left = len(kept.metrics) - MOST_SHOWN
    lines += [f"… and {left:,} more"] if left > 0 else []
    step = "" if kept.checkpoint is None or kept.checkpoint.step is None else f" (step {kept.checkpoint.step:,})"
    place = "bound to no checkpoint, so that no limit can pass by it: say --checkpoint"
    bound = place if kept.checkpoint is None else f"bound to {kept.checkpoint.path}{step}"
    news = f"{count(kept.fresh, 'file')} imported" if kept.fresh else "nothing new, the run has it already"
    pages = f"; {' and '.join(kept.rendered)} rendered anew, without a policy" if kept.rendered else ""
    return "".join(f"{line}\n" for line in lines), f"{news}; {bound}{pages}"


def _line(metric: Metric) -> str:
    labels = ", ".join(f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in metric.labels.items())
    spread = "" if metric.low is None else f" {interval(metric.low, metric.high)}"
    value = metric.reason if metric.value is None else number(metric.value, digits=4)
    return f"{metric.name}{f' {{{labels}}}' if labels else ''}  {value}{spread}"
