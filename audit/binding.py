"""What `groundwire bind` does: declare that a file was made of the audited weights, which it no longer holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from .artefact import audited
from .derivatives import FOLDER, Derivative, Relation
from .errors import RecordError, UsageError
from .file_names import is_file
from .load import load_audit
from .sealed import write_sealed
from .storage import open_folder
from .tensors import WeightsError, file_sha256, tensors_sha256

LONGEST_NOTE = 1000  # characters


def bind(url: str, path: Path, *, relation: Relation, note: str = "") -> tuple[str, Derivative]:
    """Declare a derivative of a run's weights, and return where that is written.

    Raises:
        UsageError: The file cannot be read, or holds the audited weights themselves.
        RecordError: The run cannot be read or written, or its audit was changed.
    """
    if len(note) > LONGEST_NOTE:
        raise UsageError(f"--note has {len(note):,} characters, at most {LONGEST_NOTE:,} are kept.")
    audit, digest_ok = load_audit(url)
    if not digest_ok:
        raise RecordError(f"The audit of {url} has been changed, its digest does not fit: nothing is bound to it.")
    _refuse_no_file(path)
    found = audited(audit, path)
    if found.outcome == "match":
        raise UsageError(f"{found.told[:-1]}: there is nothing to declare, the audit is of these weights.")
    made = _declared(audit.run.id, path, relation, note)
    folder = open_folder(url)
    return write_sealed(folder, FOLDER, made), made


def _refuse_no_file(path: Path) -> None:
    if not is_file(path):
        kind = "a folder" if path.is_dir() else "no file that is there"
        raise UsageError(f"{path} is {kind}: give one file of weights; of weights in parts, bind the index.")


def _declared(run: str, path: Path, relation: Relation, note: str) -> Derivative:
    try:
        sha256 = file_sha256(path)
    except WeightsError as error:
        raise UsageError(str(error)) from error
    try:
        tensors: str | None = tensors_sha256(path)
    except WeightsError:
        tensors = None  # another format, as GGUF: its bytes identify it
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Derivative(
        run=run,
        file=path.name,
        file_sha256=sha256,
        tensors_sha256=tensors,
        relation=relation,
        note=note,
        declared=now,
    )


def bound_text(name: str, made: Derivative) -> str:
    """Return what is said of a declaration: that it is one, and that it measures nothing."""
    return (
        f"{made.file} is declared to be {made.told}, in {name}; the gate of this run will not let it through:"
        " audit it as it is (groundwire generate --model, or import its scores into its own run), and gate that audit"
    )
