"""Digests of weights: the same for a checkpoint and for the safetensors file that was exported from it.

The digest of a tensor is the sha256 of its dtype, its shape and its elements in order, little-endian, bit for bit:
NaN payloads and negative zeros count. The digest of weights is the sha256 of the sorted digests of their tensors,
each distinct one once. Names do not count, nor how often a content is stored: exporters keep tied tensors once or
twice. Two layers of one shape that changed places are therefore not told apart.

Files are read, not mapped: one that another process cuts short would end a process that has it mapped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import GroundwireError
from .checkpoint import read_checkpoint
from .extent import ITEM_BYTES, Extent, RefusalError
from .files import weight_files
from .safetensors_file import read_safetensors
from .zipped import LEGACY, MAGIC

EDITION = b"groundwire tensors 1\n"
CHUNK_BYTES = 8 * 2**20
MOST_UNFOLDED = 4  # times the file's size: what tensors that share elements may come to in all
GGUF = b"GGUF"

Between = Callable[[], None]


class WeightsError(GroundwireError):
    """Weights cannot be told from their file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LightningWeights:
    """What a checkpoint that a run wrote holds.

    Attributes:
        sha256: Digest of its tensors.
        step: Optimizer steps that had been taken when it was written.
    """

    sha256: str
    step: int | None


def _nothing() -> None:
    """Do nothing between two chunks."""


def tensors_sha256(path: Path, *, trusted: bool = False, between: Between = _nothing) -> str:
    """Return the digest of the weights at a path, whatever container and names they have.

    Args:
        path: A checkpoint, a safetensors file, an index of several, or a folder of Hugging Face.
        trusted: Whether the run itself wrote the file, so that classes it names are passed over.
        between: Called between chunks; what it raises ends the reading.

    Raises:
        WeightsError: They cannot be told: damaged, another format, or loading the file may run something.
    """
    return _combined(sha256 for _, sha256 in tensor_digests(path, trusted=trusted, between=between))


def tensor_digests(path: Path, *, trusted: bool = False, between: Between = _nothing) -> Iterator[tuple[str, str]]:
    """Yield name and sha256 of each tensor at a path; a tied tensor under each of its names.

    Raises:
        WeightsError: They cannot be told.
    """
    with _told(path):
        for part, names in weight_files(path).items():
            with part.open("rb") as file:
                extents, _ = _extents(file, trusted=trusted)
                _refuse_other_names(extents, names, part)
                yield from _digests(file, extents, between)


def lightning_weights(path: Path, *, between: Between = _nothing) -> LightningWeights:
    """Return digest and step of a checkpoint that the run itself wrote.

    Raises:
        WeightsError: It cannot be told.
    """
    with _told(path), path.open("rb") as file:
        extents, step = _extents(file, trusted=True)
        return LightningWeights(sha256=_combined(sha256 for _, sha256 in _digests(file, extents, between)), step=step)


def file_sha256(path: Path, *, between: Between = _nothing) -> str:
    """Return the sha256 of a file's bytes.

    Raises:
        WeightsError: It cannot be read.
    """
    digest = hashlib.sha256()
    with _told(path), path.open("rb") as file:
        for chunk in _chunks(file, 0, os.fstat(file.fileno()).st_size, between):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say of a file why it cannot be read, in one sentence."""
    try:
        yield
    except RefusalError as error:
        raise WeightsError(f"Cannot tell the weights in {path}: {error}.") from error
    except FileNotFoundError as error:
        raise WeightsError(f"There is no file {error.filename or path}.") from error
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        raise WeightsError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def _extents(file: BinaryIO, *, trusted: bool) -> tuple[list[Extent], int | None]:
    size = os.fstat(file.fileno()).st_size
    head = file.read(len(LEGACY))
    if head.startswith(LEGACY):
        raise RefusalError(
            "it is in torch's format of before 1.6: load it with torch, and write it again with torch.save"
        )
    if head.startswith(GGUF):
        raise RefusalError("it is GGUF, a conversion: declare it with `groundwire bind`, and audit it on its own")
    if not head.startswith(MAGIC):
        return read_safetensors(file, size), None
    contents = read_checkpoint(file, size, trusted=trusted)
    if sum(extent.size for extent in _distinct(contents.extents)) > MOST_UNFOLDED * size:
        raise RefusalError("its tensors say to be far larger than the file")
    return contents.extents, contents.step


def _refuse_other_names(extents: list[Extent], names: frozenset[str] | None, part: Path) -> None:
    if names is not None and names != {extent.name for extent in extents}:
        raise RefusalError(f"{part.name} holds other tensors than the index says")


def _place(extent: Extent) -> tuple[object, ...]:
    return extent.start, extent.dtype, extent.shape, extent.stride


def _distinct(extents: list[Extent]) -> list[Extent]:
    """Return the tensors, those that are tied once."""
    return list({_place(extent): extent for extent in extents}.values())


def _digests(file: BinaryIO, extents: list[Extent], between: Between) -> Iterator[tuple[str, str]]:
    known: dict[tuple[object, ...], str] = {}
    for extent in extents:
        if _place(extent) not in known:
            known[_place(extent)] = _digest(file, extent, between)
        yield extent.name, known[_place(extent)]


def _digest(file: BinaryIO, extent: Extent, between: Between) -> str:
    digest = hashlib.sha256(f"{extent.dtype} {','.join(map(str, extent.shape))}\n".encode())
    if extent.stride is not None:
        digest.update(_in_order(file, extent, between))
    else:
        for chunk in _chunks(file, extent.start, extent.size, between):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: BinaryIO, start: int, size: int, between: Between) -> Iterator[memoryview]:
    """Yield the bytes of a part of a file, through one buffer."""
    buffer = memoryview(bytearray(min(size, CHUNK_BYTES)))
    file.seek(start)
    while size > 0:
        between()
        found = file.readinto(buffer[: min(size, CHUNK_BYTES)])  # type: ignore[attr-defined]
        if not found:
            raise RefusalError("it ends before its content does")
        yield buffer[:found]
        size -= found


def _in_order(file: BinaryIO, extent: Extent, between: Between) -> bytes:
    """Return the elements of a tensor that does not lie in order, in order."""
    import numpy as np

    item = ITEM_BYTES[extent.dtype]
    whole = np.frombuffer(b"".join(map(bytes, _chunks(file, extent.start, extent.span, between))), dtype=np.uint8)
    strides = (*(step * item for step in extent.stride or ()), 1)
    return np.lib.stride_tricks.as_strided(whole, (*extent.shape, item), strides, writeable=False).tobytes()


def _combined(digests: Iterator[str]) -> str:
    """Return one digest of a set of tensors."""
    return hashlib.sha256(EDITION + "\n".join(sorted(set(digests))).encode()).hexdigest()
