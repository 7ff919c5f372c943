"""Wide tables of float32 rows as Arrow IPC streams, cut into chunks that each have a checksum."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

KEYS = ("batch", "step", "optimizer", "time")
NO_STEP = -1  # optimizer of a micro-batch after which no optimizer stepped


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Some rows of one table, in the order in which they were written.

    Attributes:
        columns: Names of the values.
        batch: Batches since the fit began, counted from 1, shape [n].
        step: Optimizer steps, counted from 1, shape [n].
        optimizer: Index of the optimizer, or `NO_STEP`, shape [n].
        time_s: Seconds since the attempt began, shape [n].
        values: Shape [n, len(columns)].
    """

    columns: tuple[str, ...]
    batch: Ints
    step: Ints
    optimizer: Ints
    time_s: Floats
    values: Floats

    @classmethod
    def of(cls, columns: Sequence[str], keys: Sequence[tuple[int, int, int, float]], values: Any) -> Self:
        """Return rows from a tuple (batch, step, optimizer, time) a row and values [n, columns]."""
        batch, step, optimizer, time_s = zip(*keys, strict=True) if keys else ((), (), (), ())
        return cls(
            columns=tuple(columns),
            batch=np.asarray(batch, dtype=np.int64),
            step=np.asarray(step, dtype=np.int64),
            optimizer=np.asarray(optimizer, dtype=np.int64),
            time_s=np.asarray(time_s, dtype=np.float32),
            values=np.asarray(values, dtype=np.float32).reshape(len(keys), len(columns)),
        )

    def __len__(self) -> int:
        return len(self.step)

    def take(self, chosen: NDArray[Any]) -> Rows:
        """Return the chosen rows."""
        return Rows(
            columns=self.columns,
            batch=self.batch[chosen],
            step=self.step[chosen],
            optimizer=self.optimizer[chosen],
            time_s=self.time_s[chosen],
            values=self.values[chosen],
        )


class ChunkEncoder:
    """Encodes rows of one set of columns as consecutive pieces of an Arrow IPC stream."""

    def __init__(self, columns: Sequence[str]) -> None:
        import pyarrow as pa

        keys = [("batch", pa.int32()), ("step", pa.int32()), ("optimizer", pa.int8()), ("time", pa.float32())]
        # A logged value may be called like a key: the columns are told apart by position.
        values = [(f"value:{name}", pa.float32()) for name in columns]
        self._schema = pa.schema([*keys, *values])
        self._sink = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        self._stream = pa.ipc.new_stream(self._sink, self._schema, options=options)

    def schema(self) -> bytes:
        """Return the stream's first piece, which describes the columns."""
        return bytes(self._schema.serialize())

    def encode(self, rows: Rows) -> bytes:
        """Return the next piece of the stream."""
        import pyarrow as pa

        keys = (rows.batch.astype(np.int32), rows.step.astype(np.int32), rows.optimizer.astype(np.int8), rows.time_s)
        columns = (*keys, *np.ascontiguousarray(rows.values.T))
        # Not pa.array: it imports pandas, where that is installed, and a step would wait for it.
        arrays = [
            pa.Array.from_buffers(field.type, len(rows), [None, pa.py_buffer(column)])
            for field, column in zip(self._schema, columns, strict=True)
        ]
        self._stream.write_batch(pa.record_batch(arrays, schema=self._schema))
        piece = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return piece.removeprefix(self.schema())


def decode(pieces: Iterable[bytes]) -> Rows:
    """Return the rows of a stream, given its schema piece and any of the pieces that followed.

    Raises:
        ValueError: The pieces are no such stream.
    """
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(b"".join(pieces)).read_all()
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ValueError(f"not an Arrow stream: {error}") from error
    names = tuple(str(name).removeprefix("value:") for name in table.column_names[len(KEYS) :])
    columns = [np.asarray(column.to_numpy()) for column in table.columns]
    return Rows(
        columns=names,
        batch=columns[0].astype(np.int64),
        step=columns[1].astype(np.int64),
        optimizer=columns[2].astype(np.int64),
        time_s=columns[3].astype(np.float32),
        values=np.stack(columns[4:], axis=1) if names else np.zeros((len(columns[0]), 0), dtype=np.float32),
    )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where one piece of a stream lies and what its checksum is."""

    file: str
    start: int
    size: int
    crc32: int

    @classmethod
    def of(cls, file: str, start: int, content: bytes) -> Self:
        """Return the entry of a piece that was written at `start`."""
        return cls(file, start, len(content), zlib.crc32(content))

    def cut(self, content: bytes) -> bytes | None:
        """Return the piece out of its file's bytes, or None when the checksum does not fit."""
        piece = content[self.start : self.start + self.size]
        return piece if len(piece) == self.size and zlib.crc32(piece) == self.crc32 else None


def sealed_line(document: dict[str, Any]) -> bytes:
    """Return a JSON line that carries its own checksum, in ASCII."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return f'{text[:-1]},"crc":"{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def unsealed_lines(content: bytes) -> Iterator[dict[str, Any] | None]:
    """Yield each line's document; None for one whose checksum does not fit or that is not whole."""
    for line in content.splitlines():
        yield _unsealed(line)


def _unsealed(line: bytes) -> dict[str, Any] | None:
    body, mark, tail = line.rpartition(b',"crc":"')
    text = body + b"}"
    if not mark or tail != f'{zlib.crc32(text):08x}"}}'.encode():
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
