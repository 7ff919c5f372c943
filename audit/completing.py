"""Digests of checkpoints for which a run had no time: taken later, and kept beside the record that is closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from .file_names import is_file
from .model import Audit, Checkpoint
from .sealed import Sealed, read_sealed, write_sealed
from .storage import Folder, open_folder
from .tensors import WeightsError, file_sha256, lightning_weights

FOLDER = "checkpoints"
LATEST_S = 60.0  # after the end of a run, that its last checkpoint may have been written


class Completion(Sealed):
    """Digests of one checkpoint, and when they were taken."""

    path: str
    step: int | None
    file_sha256: str
    tensors_sha256: str | None
    taken: str = Field(description="ISO 8601, UTC")


def completed(checkpoints: list[Checkpoint], url: str) -> list[Checkpoint]:
    """Return the checkpoints of the run at `url`, with the digests that were taken later; none is replaced."""
    if not url or not any(map(_lacks, checkpoints)):
        return checkpoints
    told = [found for _, found in read_sealed(open_folder(url), FOLDER, Completion) if found is not None]
    later = {(found.path, found.step): found for found in told}
    return [_with(each, later.get((each.path, each.step))) for each in checkpoints]


def _lacks(checkpoint: Checkpoint) -> bool:
    return checkpoint.file_sha256 is None or checkpoint.tensors_sha256 is None


def _with(checkpoint: Checkpoint, later: Completion | None) -> Checkpoint:
    if later is None or checkpoint.file_sha256 not in (None, later.file_sha256):
        return checkpoint
    digests = {"file_sha256": later.file_sha256, "tensors_sha256": checkpoint.tensors_sha256 or later.tensors_sha256}
    return checkpoint.model_copy(update=digests)


def complete(folder: Folder, audit: Audit) -> Iterator[tuple[Checkpoint, str]]:
    """Take the digests that are missing, of checkpoints that are as the run left them.

    Yields:
        A checkpoint, and what came of it in words, empty when its digests were taken.

    Raises:
        RecordError: The run folder cannot be written.
    """
    for checkpoint in audit.checkpoints:
        if _lacks(checkpoint) and is_file(checkpoint.path):
            yield checkpoint, _completed(folder, audit, checkpoint)


def _completed(folder: Folder, audit: Audit, checkpoint: Checkpoint) -> str:
    path = Path(checkpoint.path)
    try:
        sha256 = file_sha256(path)
        weights = lightning_weights(path)
    except WeightsError as error:
        return str(error)
    hindrance = _hindrance(audit, checkpoint, sha256, weights.step)
    if not hindrance:
        taken = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = Completion(
            path=checkpoint.path, step=checkpoint.step, file_sha256=sha256, tensors_sha256=weights.sha256, taken=taken
        )
        write_sealed(folder, FOLDER, found)
    return hindrance


def _hindrance(audit: Audit, checkpoint: Checkpoint, sha256: str, step: int | None) -> str:
    """Say why a file may not be what the run wrote: by its bytes or, without their digest, by time and step."""
    if checkpoint.file_sha256 is not None:
        return "" if checkpoint.file_sha256 == sha256 else "it has been written again since the run"
    ended, changed = audit.run.ended, Path(checkpoint.path).stat().st_mtime
    if ended is None or changed > datetime.fromisoformat(ended).timestamp() + LATEST_S:
        return "it was written after the run ended"
    same = checkpoint.step in (None, step)
    return "" if same else f"it says to be of step {step}, the record of step {checkpoint.step}"
