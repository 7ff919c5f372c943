"""Reads a record: everything that one run measured, whatever happened to the run or to its files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import registry, runfile
from .imported import Import, read_imports
from .model import RunStatus
from .recorder import events_file, index_file
from .runfile import RunFile
from .series import NO_STEP, Chunk, Rows, decode, unsealed_lines
from .storage import Folder, open_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """A quantity over optimizer steps, each step once.

    Attributes:
        name: Name in the registry.
        column: Layer or logged name, for series that have many.
        unit: Unit, from the registry.
        step: Optimizer steps, counted from 1, ascending, shape [n].
        value: Values, NaN and infinities included, shape [n].
        time_s: Seconds since the attempt began, shape [n].
        optimizer: Index of the optimizer that stepped, shape [n].
    """

    name: str
    column: str | None
    unit: str
    step: NDArray[np.int64]
    value: NDArray[np.float64]
    time_s: NDArray[np.float64]
    optimizer: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one table as one attempt and rank wrote them."""

    table: str
    attempt: int
    rank: int
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class Record:
    """A run folder, read."""

    url: str
    run: RunFile
    notes: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    imports: tuple[Import, ...] = ()
    _parts: tuple[_Part, ...] = ()
    _events: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    @classmethod
    def open(cls, url: str | os.PathLike[str]) -> Self:
        """Read the run folder at a path or fsspec URL.

        Raises:
            RecordError: It is missing, not a run folder, or written by a newer version.
        """
        folder = open_folder(url)
        run, intact = runfile.parse(runfile.read(folder), f"{folder.url}/{runfile.NAME}")
        reading = _Reading(folder, run)
        if not intact:
            reading.damage.append(f"{runfile.NAME}: its digest does not fit its content")
        reading.endings()
        names = folder.names()
        parts = tuple(reading.series(names))
        events = tuple(reading.events(names))
        reading.gaps(parts)
        reading.closings(events)
        imports, broken = read_imports(folder, names)
        return cls(
            url=folder.url,
            run=run,
            notes=tuple(reading.notes),
            damage=(*reading.damage, *broken),
            imports=tuple(imports),
            _parts=parts,
            _events=events,
        )

    @classmethod
    def of(cls, run: RunFile, tables: Mapping[str, Sequence[Rows]], events: Sequence[dict[str, Any]]) -> Self:
        """Return a record of what the latest attempt has in memory."""
        number = run.attempts[-1].number
        parts = (_Part(table, number, 0, rows) for table, found in tables.items() for rows in found)
        return cls(url="", run=run, _parts=tuple(parts), _events=tuple(events))

    def series(self, name: str, column: str | None = None) -> Series:
        """Return a series, empty when the run has none.

        Steps that were trained twice count once, as the last attempt took them. A training loss is the
        mean over the micro-batches and ranks of its step; everything else is that of the lowest rank.

        Raises:
            KeyError: No series of that name is registered.
        """
        quantity = registry.series(name)
        wanted = column if quantity.by else name
        parts = [part for part in self._kept(quantity.table) if wanted in part.rows.columns]
        merge = _mean_of_step if name == "train.loss" else _lowest_rank
        return Series(name=name, column=column, unit=quantity.unit, **merge(_Points.of(parts, str(wanted))))

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of a series that has many, in the order in which they first appeared."""
        table = registry.series(name).table
        return tuple(dict.fromkeys(c for part in self._parts if part.table == table for c in part.rows.columns))

    def _kept(self, table: str) -> Iterator[_Part]:
        """Yield a table's rows without the steps that a later attempt trained again."""
        for part in self._parts:
            if part.table == table:
                kept = part.rows.step <= self._last_steps.get(part.attempt, -1)
                yield part if kept.all() else _Part(table, part.attempt, part.rank, part.rows.take(kept))

    def events(self, kind: str, *, replayed: bool = False) -> list[dict[str, Any]]:
        """Return the events of one kind; with `replayed` also those at steps that were trained again."""
        found = (event for event in self._events if event.get("kind") == kind)
        return [e for e in found if replayed or (e.get("step") or 0) <= self._last_steps.get(e.get("attempt", 1), -1)]

    @cached_property
    def _last_steps(self) -> dict[int, float]:
        return self.run.lineage()


@dataclass
class _Reading:
    """One pass over a run folder, collecting what had to be dropped."""

    folder: Folder
    run: RunFile
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    _chunks: dict[tuple[int, int], int] = field(default_factory=dict)

    def _lost(self, attempt: int, message: str) -> None:
        """Say that something is missing: expected after a kill, damage after a clean end."""
        closed = any(a.number == attempt and a.chunks is not None for a in self.run.attempts)
        (self.damage if closed else self.notes).append(message)

    def endings(self) -> None:
        """Notice an attempt that said how it ended and had stopped recording before, as on a full disk."""
        for attempt in self.run.attempts:
            told = attempt.ended is not None or attempt.status is RunStatus.FINISHED
            if told and attempt.chunks is None:
                self.damage.append(f"attempt {attempt.number}: recording stopped before the run ended")

    def gaps(self, parts: tuple[_Part, ...]) -> None:
        """Notice steps that led to the weights of a later attempt and were never written."""
        later = None
        for number in self.run.lineage():
            attempt = next(a for a in self.run.attempts if a.number == number)
            if later is not None:
                steps = [p.rows.step.max(initial=0) for p in parts if p.attempt == number and p.table == "steps"]
                seen = max(map(int, steps), default=attempt.first_step)
                if seen < later.first_step:
                    lost = f"steps {seen + 1:,} to {later.first_step:,}"
                    self.damage.append(f"attempt {number}: {lost} were not written")
            later = attempt

    def closings(self, events: tuple[dict[str, Any], ...]) -> None:
        """Notice ranks of a finished attempt whose last word, with the number of their chunks, is missing."""
        closed = {(e.get("attempt"), e.get("rank")): e.get("chunks") for e in events if e.get("kind") == "cost"}
        for attempt in self.run.attempts:
            for rank in range(1, attempt.world_size if attempt.ended is not None else 1):
                told, seen = closed.get((attempt.number, rank)), self._chunks.get((attempt.number, rank), 0)
                name = index_file(attempt.number, rank)
                if told is None:
                    name = events_file(rank)
                    # Where a run breaks, no rank waits for the others.
                    expected = attempt.status is not RunStatus.FINISHED
                    told_of = self.notes if expected else self.damage
                    told_of.append(f"{name}: the last events of attempt {attempt.number} are missing")
                elif seen < told:
                    self.damage.append(f"{name}: {told - seen} of {told} entries missing")

    def series(self, names: list[str]) -> Iterator[_Part]:
        for attempt in self.run.attempts:
            for rank in range(self.run.world_size):
                name = index_file(attempt.number, rank)
                self._missing_index(name, names, attempt.number, rank)
                chunks = list(self._index(name, attempt.number)) if name in names else []
                self._chunks[attempt.number, rank] = len(chunks)
                self._unlisted(names, {chunk.file for chunk in chunks}, attempt.number, rank)
                if attempt.chunks and rank == 0 and len(chunks) != attempt.chunks:
                    self.damage.append(f"{name}: {attempt.chunks - len(chunks)} of {attempt.chunks} entries missing")
                for file in dict.fromkeys(chunk.file for chunk in chunks):
                    rows = self._rows(file, [c for c in chunks if c.file == file], attempt.number)
                    if rows is not None:
                        yield _Part(_table(file), attempt.number, rank, rows)

    def _missing_index(self, name: str, names: list[str], attempt: int, rank: int) -> None:
        """Notice series that no index lists; of rank 0 the number of chunks is known anyway."""
        mark = f"-a{attempt:03d}-r{rank}-p"
        if rank and name not in names and any(mark in found for found in names):
            self._lost(attempt, f"{name}: missing")

    def _unlisted(self, names: list[str], listed: set[str], attempt: int, rank: int) -> None:
        """Notice files of series that no line of the index names."""
        for name in names:
            if f"-a{attempt:03d}-r{rank}-p" in name and name.endswith(".arrow") and name not in listed:
                self._lost(attempt, f"{name}: its index does not list it")

    def _index(self, name: str, attempt: int) -> Iterator[Chunk]:
        for entry in self._lines(name, lambda _: attempt):
            try:
                yield Chunk(str(entry["file"]), int(entry["start"]), int(entry["size"]), int(entry["crc32"]))
            except (KeyError, TypeError, ValueError):
                self.damage.append(f"{name}: entry {entry['n']} is none of an index")

    def _rows(self, file: str, chunks: list[Chunk], attempt: int) -> Rows | None:
        try:
            content = self.folder.read(file)
        except OSError:
            self._lost(attempt, f"{file}: missing")
            return None
        pieces = [self._cut(chunk, content, attempt) for chunk in chunks]
        extra = len(content) - max(chunk.start + chunk.size for chunk in chunks)
        if extra > 0:
            self._lost(attempt, f"{file}: {extra} bytes after the last whole batch dropped")
        if not pieces or pieces[0] is None:
            return None
        try:
            return decode(piece for piece in pieces if piece is not None)
        except ValueError as error:
            self.damage.append(f"{file}: {error}")
            return None

    def _cut(self, chunk: Chunk, content: bytes, attempt: int) -> bytes | None:
        piece = chunk.cut(content)
        if piece is None and chunk.start + chunk.size > len(content):
            self._lost(attempt, f"{chunk.file}: the batch at byte {chunk.start} is cut off and was dropped")
        elif piece is None:
            end = chunk.start + chunk.size
            self.damage.append(f"{chunk.file}: bytes {chunk.start}–{end} do not fit their checksum and were dropped")
        return piece

    def events(self, names: list[str]) -> Iterator[dict[str, Any]]:
        for name in names:
            if name.startswith("events") and name.endswith(".jsonl"):
                found = list(self._lines(name, lambda event: int(event.get("attempt", 1))))
                if name == "events.jsonl":
                    self._count(name, found)
                yield from found
        if "events.jsonl" not in names:
            self._count("events.jsonl", [])

    def _count(self, name: str, found: list[dict[str, Any]]) -> None:
        for attempt in self.run.attempts:
            seen = sum(event.get("attempt") == attempt.number for event in found)
            if attempt.events is not None and seen < attempt.events:
                self.damage.append(f"{name}: {attempt.events - seen} of {attempt.events} lines missing")

    def _lines(self, name: str, attempt_of: Any) -> Iterator[dict[str, Any]]:
        """Yield the whole lines; a line missing between others is damage, one at the end of a kill is not."""
        expected: dict[int, int] = {}
        broken: list[int] = []
        for number, document in enumerate(unsealed_lines(self._content(name)), start=1):
            if document is None or not _ours(document):
                broken.append(number)
                continue
            attempt = attempt_of(document)
            if document["n"] != expected.get(attempt, 1):
                self.damage.append(f"{name}: a line before line {number} does not fit its checksum or is missing")
            expected[attempt] = document["n"] + 1
            yield document
        if broken:
            closed = all(a.chunks is not None for a in self.run.attempts)
            more = f" and {len(broken) - 1:,} more" if len(broken) > 1 else ""
            told = f"{name}: line {broken[0]}{more} is not whole and was dropped"
            (self.damage if closed else self.notes).append(told)

    def _content(self, name: str) -> bytes:
        try:
            return self.folder.read(name)
        except OSError as error:
            self.damage.append(f"{name}: cannot be read ({error.strerror or error})")
            return b""


def _ours(document: dict[str, Any]) -> bool:
    """Return whether a line has the numbers that every line has."""
    whole = all(isinstance(document.get(key, 1), int) for key in ("attempt", "rank"))
    return whole and isinstance(document.get("n"), int) and isinstance(document.get("step"), int | None)


def _table(file: str) -> str:
    return file.removeprefix("series/").rsplit("-a", 1)[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Points:
    """One column of several parts, end to end; all of shape [n]."""

    step: NDArray[np.int64]
    value: NDArray[np.float64]
    time_s: NDArray[np.float64]
    optimizer: NDArray[np.int64]
    rank: NDArray[np.int64]

    @classmethod
    def of(cls, parts: list[_Part], column: str) -> Self:
        values = [part.rows.values[:, part.rows.columns.index(column)] for part in parts]
        return cls(
            step=_joined([part.rows.step for part in parts], np.int64),
            value=_joined(values, np.float64),
            time_s=_joined([part.rows.time_s for part in parts], np.float64),
            optimizer=_joined([part.rows.optimizer for part in parts], np.int64),
            rank=_joined([np.full(len(part.rows), part.rank) for part in parts], np.int64),
        )


def _joined(arrays: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(arrays).astype(dtype) if arrays else np.zeros(0, dtype=dtype)


def _mean_of_step(points: _Points) -> dict[str, NDArray[Any]]:
    step, inverse, counts = np.unique(points.step, return_inverse=True, return_counts=True)
    total = np.bincount(inverse, weights=points.value, minlength=len(step)) if len(step) else points.value
    last = np.full(len(step), -np.inf)
    np.maximum.at(last, inverse, points.time_s)
    optimizer = np.full(len(step), NO_STEP)
    np.maximum.at(optimizer, inverse, points.optimizer)
    return {
        "step": step,
        "value": total / np.maximum(counts, 1),
        "time_s": last,
        "optimizer": optimizer,
    }


def _lowest_rank(points: _Points) -> dict[str, NDArray[Any]]:
    stepped = np.flatnonzero(points.optimizer != NO_STEP)
    order = stepped[np.lexsort((stepped, -points.rank[stepped], points.step[stepped]))]
    step = points.step[order]
    last = np.append(step[1:] != step[:-1], True) if len(step) else np.zeros(0, dtype=bool)
    chosen = order[last]  # of equal steps, the lowest rank's latest row
    return {
        "step": points.step[chosen],
        "value": points.value[chosen],
        "time_s": points.time_s[chosen],
        "optimizer": points.optimizer[chosen],
    }
