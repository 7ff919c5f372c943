"""Writes a record: one attempt and one rank of a run, as it goes."""

from __future__ import annotations

from typing import Any

from .runfile import now
from .series import Chunk, ChunkEncoder, Rows, sealed_line
from .storage import Folder

EVENT_LIMIT = 200_000  # characters of one text in an event


def series_file(table: str, attempt: int, rank: int, part: int) -> str:
    """Return the name of a series file."""
    return f"series/{table}-a{attempt:03d}-r{rank}-p{part}.arrow"


def index_file(attempt: int, rank: int) -> str:
    """Return the name of the list of chunks that an attempt's series files consist of."""
    return f"series/index-a{attempt:03d}-r{rank}.jsonl"


def events_file(rank: int) -> str:
    """Return the name of a rank's events."""
    return "events.jsonl" if rank == 0 else f"events-rank{rank}.jsonl"


class Recorder:
    """Appends to the files of one attempt and rank; nothing that it has written is ever rewritten.

    Raises, in every method:
        OSError: The folder cannot be written. What was written before stays readable.
    """

    def __init__(self, folder: Folder, *, attempt: int, rank: int) -> None:
        self.folder, self.attempt, self.rank = folder, attempt, rank
        self.events = 0
        self.chunks = 0
        self._parts: dict[tuple[str, tuple[str, ...]], tuple[str, ChunkEncoder]] = {}
        self._lines: list[bytes] = []
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        """Begin on a line of its own after an attempt that was killed while it wrote."""
        name = events_file(self.rank)
        if self.attempt > 1 and self.folder.exists(name) and not self.folder.read(name).endswith(b"\n"):
            self.folder.append(name, b"\n")

    def rows(self, table: str, rows: Rows) -> None:
        """Write rows of a table; rows with other columns go to a part of their own."""
        if not len(rows):
            return
        file, encoder = self._part(table, tuple(map(_text, rows.columns)))
        self._chunk(file, encoder.encode(rows))

    def _part(self, table: str, columns: tuple[str, ...]) -> tuple[str, ChunkEncoder]:
        if (table, columns) not in self._parts:
            encoder = ChunkEncoder(columns)
            file = series_file(table, self.attempt, self.rank, len(self._parts) + 1)
            self._chunk(file, encoder.schema())
            self._parts[table, columns] = file, encoder
        return self._parts[table, columns]

    def _chunk(self, file: str, content: bytes) -> None:
        """Write the chunk first and its index line after it, so that the index never promises too much."""
        chunk = Chunk.of(file, self.folder.append(file, content), content)
        entry = {
            "n": self.chunks + 1,
            "file": file,
            "start": chunk.start,
            "size": chunk.size,
            "crc32": chunk.crc32,
        }
        self.folder.append(index_file(self.attempt, self.rank), sealed_line(entry))
        self.chunks += 1

    def event(self, kind: str, *, step: int | None = None, **data: Any) -> None:
        """Note something discrete; it is written at the next `flush_events`."""
        self.events += 1
        head = {"n": self.events, "kind": kind, "attempt": self.attempt, "rank": self.rank, "time": now()}
        self._lines.append(sealed_line(head | {"step": step} | plain(data)))

    def flush_events(self) -> None:
        """Write the events noted so far."""
        if self._lines:
            self.folder.append(events_file(self.rank), b"".join(self._lines))
            self._lines.clear()


def plain(value: Any) -> Any:
    """Return `value` as strict JSON can hold it: no NaN, no endless or ill-formed texts, string keys."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {_text(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _text(value)


def _text(value: Any) -> str:
    """Return text without lone surrogates, as names of files have them that are not UTF-8."""
    return str(value)[:EVENT_LIMIT].encode("utf-8", "backslashreplace").decode()
