"""Whether a file holds the weights that were audited: by its bytes, or by the content of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .derivatives import Derivative
from .errors import UsageError
from .formats import count
from .model import Audit, Checkpoint
from .tensors import WeightsError, file_sha256, tensors_sha256, weight_files

PART = re.compile(r"-\d+-of-\d+\.")  # model-00001-of-00002.safetensors
LATER = "`groundwire verify RUN --complete` takes them while the checkpoints are still there"

Match = Literal["match", "differs", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Audited:
    """What is known of a file.

    Attributes:
        outcome: `match` when it holds the weights of a checkpoint of the run, `unknown` when nobody can tell.
        told: The same in a sentence, with what to do.
        checkpoints: Those whose weights it holds; several may have the same.
    """

    outcome: Match
    told: str
    checkpoints: tuple[Checkpoint, ...] = ()


def audited(audit: Audit, path: Path, derivatives: Iterable[Derivative] = ()) -> Audited:
    """Return whether `path` holds weights that `audit` is of.

    Args:
        audit: A run's audit, whose digest fits.
        path: A checkpoint, a safetensors file, an index of several, or a folder of Hugging Face.
        derivatives: What has been declared to be made of the audited weights.

    Raises:
        UsageError: There is no such file.
    """
    if not path.exists():
        raise UsageError(f"There is no file {path}: give the weights that are released.")
    known = [each for each in audit.checkpoints if each.file_sha256 or each.tensors_sha256]
    if not known:
        return Audited(outcome="unknown", told=f"The audit holds no digest of a checkpoint: {LATER}.")
    try:
        found = {file_sha256(part) for part in _files(path)}
    except WeightsError as error:
        return Audited(outcome="unknown", told=str(error))
    same = _by_bytes(known, found)
    return _match(path, known, same, "byte for byte") if same else _by_tensors(path, known, found, tuple(derivatives))


def _by_tensors(
    path: Path, known: Sequence[Checkpoint], found: set[str], derivatives: Sequence[Derivative]
) -> Audited:
    try:
        tensors, hindrance = tensors_sha256(path), ""
    except WeightsError as error:
        tensors, hindrance = "", str(error)
    same = [each for each in known if tensors and each.tensors_sha256 == tensors]
    if same:
        return _match(path, known, same, "tensor for tensor")
    made = [each for each in derivatives if each.file_sha256 in found or (tensors and each.tensors_sha256 == tensors)]
    if made:
        own = "what was measured of the audited weights says nothing of it: audit it, and gate that audit"
        return Audited(outcome="differs", told=f"{path} is declared to be {made[-1].told}; {own}.")
    return Audited(outcome="unknown", told=hindrance) if hindrance else _other(path, known)


def _files(path: Path) -> list[Path]:
    """Return the files of the weights; of what is no such thing, the file itself, if it is one."""
    try:
        return list(weight_files(path))
    except ValueError as error:
        if path.is_file():
            return [path]
        raise WeightsError(f"Cannot tell the weights in {path}: {error}.") from error
    except OSError as error:
        raise WeightsError(f"Cannot read {path}: {error.strerror or error}.") from error


def _by_bytes(known: Sequence[Checkpoint], found: set[str]) -> list[Checkpoint]:
    """Return the checkpoints with these bytes, or the parts of one that together are these files."""
    whole = [each for each in known if {each.file_sha256} == found and not PART.search(each.path)]
    for step in () if whole else {each.step for each in known}:
        parts = [each for each in known if each.step == step and PART.search(each.path)]
        if {each.file_sha256 for each in parts} == found:
            return parts
    return whole


def _match(path: Path, known: Sequence[Checkpoint], same: Sequence[Checkpoint], how: str) -> Audited:
    """Return a match with these checkpoints, and with all that hold the same tensors, in the audit's order."""
    step = "" if same[0].step is None else f" (step {same[0].step:,})"
    told = f"{path} holds the audited weights of {same[0].path}{step}, {how}."
    tensors = {each.tensors_sha256 for each in same} - {None}
    alike = tuple(each for each in known if each in same or each.tensors_sha256 in tensors)
    return Audited(outcome="match", told=told, checkpoints=alike)


def _other(path: Path, known: Sequence[Checkpoint]) -> Audited:
    compared = [each for each in known if each.tensors_sha256]
    if not compared:
        told = (
            f"{path} is none of the audited checkpoints byte for byte, and digests of their tensors are not recorded"
        )
        return Audited(outcome="unknown", told=f"{told}: {LATER}.")
    told = f"{path} holds other weights than the {count(len(compared), 'checkpoint')} whose tensors were recorded"
    way = "give the one that was audited, or audit this one (merged, quantised and fine-tuned weights are others)"
    return Audited(outcome="differs", told=f"{told}: {way}.")
