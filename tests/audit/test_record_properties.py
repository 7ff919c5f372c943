"""Any record comes back as it was written; cut, flipped or overwritten anywhere, it says so and still opens."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import fsspec
import numpy as np
import pytest
from groundwire.audit.errors import RecordError
from groundwire.audit.model import RunStatus
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder, events_file, index_file
from groundwire.audit.runfile import NAME, now
from groundwire.audit.series import NO_STEP, Rows
from groundwire.audit.storage import Folder, open_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_material import STEPS, attempt, run_file

few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
MEGABYTE = 1 << 20
BY_NAME = "logged"  # the table whose columns vary
TABLES = {"steps": STEPS, "overfitting": ("overfitting.train_loss", "overfitting.val_loss")}
_numbers = count()


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that one attempt and rank wrote at once, with an event after them."""

    attempt: int
    rank: int
    table: str
    rows: Rows
    note: Any


@dataclass(frozen=True, eq=False)
class Script:
    """What a run writes: for each attempt the one that it resumes and the step at which, and the batches in order."""

    begins: list[tuple[int | None, int]]
    ranks: int
    batches: list[Batch]


@dataclass(frozen=True, eq=False)
class Written:
    """A batch and the ends, in bytes, of what holds it."""

    batch: Batch
    file: str
    end: int
    index_end: int
    events_end: int


notes = st.none() | st.text(max_size=5) | st.lists(st.integers() | st.floats(allow_nan=False), max_size=2)


@st.composite
def batches(draw: st.DrawFn, number: int, rank: int, step: int) -> list[Batch]:
    """Draw what one rank wrote in one attempt; steps ascend, those of one batch of the table of steps may repeat."""
    written: list[Batch] = []
    for table in draw(st.lists(st.sampled_from([*TABLES, BY_NAME]), max_size=4)):
        columns = TABLES.get(table) or tuple(draw(st.lists(st.text(max_size=4), min_size=1, max_size=3, unique=True)))
        keys, values = [], []
        for _ in range(draw(st.integers(1, 3))):
            step += draw(st.integers(int(table != "steps" or not keys), 2) | st.just(10**6))
            optimizer = draw(st.sampled_from([0, 0, 1, 127, NO_STEP]))
            keys.append((draw(st.integers(0, 2**31 - 1)), step, optimizer, draw(st.floats(0, 1e6, width=32))))
            values.append([draw(st.floats(width=32)) for _ in columns])
        written.append(Batch(number, rank, table, Rows.of(columns, keys, values), draw(notes)))
    return written


@st.composite
def scripts(draw: st.DrawFn, attempts: int = 3) -> Script:
    """Draw a run in which each attempt goes on from a step that some earlier one has written."""
    ranks = draw(st.integers(1, 2))
    begins: list[tuple[int | None, int]] = []
    found: list[Batch] = []
    for number in range(1, draw(st.integers(1, attempts)) + 1):
        resumed = draw(st.integers(1, number - 1)) if number > 1 else None
        first = begins[resumed - 1][1] if resumed else 0
        written = [b.rows.step[-1] for b in found if (b.attempt, b.table) == (resumed, "steps")]
        begins.append((resumed, draw(st.integers(first, int(max(written, default=first))))))
        for rank in range(ranks):
            found += draw(batches(number, rank, begins[-1][1]))
    return Script(begins, ranks, found)


def write(folder: Folder, script: Script, *, closed: bool) -> list[Written]:
    """Write a run of which all attempts were closed, the last as finished, or all were killed."""
    attempts, written = [], []
    for number, (resumed, step) in enumerate(script.begins, start=1):
        recorders = [Recorder(folder, attempt=number, rank=rank) for rank in range(script.ranks)]
        written += [_write(recorders[batch.rank], batch) for batch in script.batches if batch.attempt == number]
        more: dict[str, Any] = {}
        if closed:
            for recorder in recorders:
                recorder.event("cost", seconds=0.1, chunks=recorder.chunks)
                recorder.flush_events()
            status = RunStatus.FINISHED if number == len(script.begins) else RunStatus.INTERRUPTED
            counts = {"events": recorders[0].events, "chunks": recorders[0].chunks}
            more = {"status": status, "ended": now(), "steps": 9, "epochs": 1} | counts
        attempts.append(attempt(number, first_step=step, resumes=resumed, world_size=script.ranks, **more))
    folder.write(NAME, run_file(*attempts, world_size=script.ranks).text())
    return written


def _write(recorder: Recorder, batch: Batch) -> Written:
    recorder.rows(batch.table, batch.rows)
    recorder.event("note", step=int(batch.rows.step[-1]), said=batch.note)
    recorder.flush_events()
    index = recorder.folder.read(index_file(batch.attempt, batch.rank))
    last = json.loads(index.splitlines()[-1])
    events_end = len(recorder.folder.read(events_file(batch.rank)))
    return Written(batch, last["file"], last["start"] + last["size"], len(index), events_end)


@contextmanager
def new_folder(*, remote: bool = False) -> Iterator[Folder]:
    with tempfile.TemporaryDirectory() as path:
        url = f"memory://record-properties/{next(_numbers)}" if remote else path
        yield open_folder(url)
        if remote and fsspec.filesystem("memory").exists(url):
            fsspec.filesystem("memory").rm(url, recursive=True)


def _counts(script: Script, number: int, step: float) -> bool:
    """Return whether this step of an attempt led to the last weights."""
    asked, until = len(script.begins), np.inf
    while asked != number:
        resumed, first_step = script.begins[asked - 1]
        if resumed is None:
            return False
        asked, until = resumed, min(until, first_step)
    return bool(step <= until)


def series_of(script: Script, found: list[Batch], table: str, column: str) -> dict[int, tuple[float, ...]]:
    """Return value, time and, but of a mean, optimizer by step, computed row by row."""
    rows: dict[int, list[tuple[int, int, float, float]]] = {}
    for batch in found:
        if batch.table == table and column in batch.rows.columns:
            values = batch.rows.values[:, batch.rows.columns.index(column)]
            arrays = (batch.rows.step, batch.rows.optimizer, batch.rows.time_s, values)
            for step, optimizer, time_s, value in zip(*(array.tolist() for array in arrays), strict=True):
                if _counts(script, batch.attempt, step):
                    rows.setdefault(step, []).append((batch.rank, optimizer, value, time_s))
    if column == "train.loss":
        return {step: (sum(v for *_, v, _ in of) / len(of), max(t for *_, t in of)) for step, of in rows.items()}
    stepped = {step: [row for row in of if row[1] != NO_STEP] for step, of in rows.items()}
    lowest = {step: [row for row in of if row[0] == min(of)[0]] for step, of in stepped.items() if of}
    return {step: (of[-1][2], of[-1][3], of[-1][1]) for step, of in lowest.items()}


def assert_holds(record: Record, script: Script, rows: list[Batch], events: list[Batch]) -> None:
    """Assert that a record holds these batches' rows and those batches' events, and no others."""
    names = dict.fromkeys(c for batch in script.batches if batch.table == BY_NAME for c in batch.rows.columns)
    wanted = [(table, column, column, None) for table, columns in TABLES.items() for column in columns]
    for table, column, name, by in wanted + [(BY_NAME, name, BY_NAME, name) for name in names]:
        expected = series_of(script, rows, table, column)
        series = record.series(name, by)
        assert series.step.tolist() == sorted(expected)
        arrays = (series.value, series.time_s, series.optimizer)[: 2 if column == "train.loss" else 3]
        wanted_rows = np.reshape([expected[step] for step in sorted(expected)], (-1, len(arrays)))
        assert np.array_equal(np.stack(arrays, axis=1), wanted_rows, equal_nan=True)
    for replayed in (False, True):
        said = [(e["attempt"], e["rank"], e["step"], e["said"]) for e in record.events("note", replayed=replayed)]
        noted = [(b.attempt, b.rank, int(b.rows.step[-1]), _told(b.note)) for b in events]
        assert sorted(map(repr, said)) == sorted(
            repr(note) for note in noted if replayed or _counts(script, note[0], note[2])
        )


def _told(note: Any) -> Any:
    """Return a note as JSON holds it."""
    return [str(item) if item in (np.inf, -np.inf) else item for item in note] if isinstance(note, list) else note


@pytest.mark.slow
@few
@given(scripts(), st.booleans(), st.booleans())
def test_whatever_was_written_is_read(script: Script, closed: bool, remote: bool) -> None:
    with new_folder(remote=remote) as folder:
        write(folder, script, closed=closed)
        record = Record.open(folder.url)
    assert (record.notes, record.damage) == ((), ())
    names = {name for batch in script.batches if batch.table == BY_NAME for name in batch.rows.columns}
    assert set(record.columns(BY_NAME)) == names
    assert_holds(record, script, script.batches, script.batches)


def _surviving(written: list[Written], name: str, length: int) -> tuple[list[Written], list[Written]]:
    """Return the batches whose rows, and those whose events, were whole before the cut."""
    rows, events = [], []
    for one in written:
        number, rank = one.batch.attempt, one.batch.rank
        # A line is whole without its line break.
        if {one.file: one.end, index_file(number, rank): one.index_end - 1}.get(name, 0) <= length:
            rows.append(one)
        if {events_file(rank): one.events_end - 1}.get(name, 0) <= length:
            events.append(one)
    return rows, events


@pytest.mark.slow
@few
@given(scripts().filter(lambda script: script.batches), st.data())
def test_a_killed_run_cut_anywhere_keeps_what_was_whole_and_says_so(script: Script, data: st.DataObject) -> None:
    with new_folder() as folder:
        written = write(folder, script, closed=False)
        name = data.draw(st.sampled_from([name for name in folder.names() if name != NAME]))
        whole = folder.read(name)
        for length in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=5, unique=True)):
            folder.write(name, whole[:length])
            record = Record.open(folder.url)
            rows, events = _surviving(written, name, length)
            assert_holds(record, script, [one.batch for one in rows], [one.batch for one in events])
            # What a later attempt went on from must have been there.
            assert all("were not written" in told for told in record.damage)
            lines = whole[:length].splitlines(keepends=True)
            torn = bool(lines) and not lines[-1].endswith(b"\n") and whole[length : length + 1] != b"\n"
            if torn or name.endswith(".arrow"):
                assert any(name in note for note in record.notes)
            listed = b"".join(lines[: len(lines) - torn])
            for lost in (one for one in written if one not in rows and one.file.encode() in listed):
                assert any(lost.file in note for note in record.notes)


@pytest.mark.slow
@few
@given(scripts(attempts=1), st.data())
def test_a_finished_run_cut_anywhere_is_damaged(script: Script, data: st.DataObject) -> None:
    with new_folder() as folder:
        write(folder, script, closed=True)
        for name in folder.names():
            whole = folder.read(name)
            # The last byte of a file of lines ends the line and holds nothing.
            length = data.draw(st.integers(0, len(whole) - 1 - (not name.endswith(".arrow"))))
            folder.write(name, whole[:length])
            assert any(name in told for told in told_of(folder)), (name, length)
            folder.write(name, whole)


@settings(few, max_examples=20)
@given(st.data())
def test_a_run_file_cut_anywhere_is_one_sentence(data: st.DataObject) -> None:
    whole = run_file(attempt(), attempt(2, first_step=3)).text()
    with new_folder() as folder:
        folder.write(NAME, whole[: data.draw(st.integers(0, len(whole) - 2))])
        with pytest.raises(RecordError, match=rf"{NAME} is not whole JSON") as caught:
            Record.open(folder.url)
    assert "\n" not in str(caught.value)


def told_of(folder: Folder, *, notes: bool = False) -> tuple[str, ...]:
    """Return what is said of a damaged run; a run that cannot be opened is refused in one sentence."""
    try:
        record = Record.open(folder.url)
        return record.damage + record.notes if notes else record.damage
    except RecordError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 400
        return (str(error),)


@pytest.mark.slow
@settings(few, max_examples=100)
@given(scripts(), st.data())
def test_any_flipped_bit_of_a_closed_run_is_noticed(script: Script, data: st.DataObject) -> None:
    with new_folder() as folder:
        write(folder, script, closed=True)
        assert told_of(folder) == ()
        for name in folder.names():
            whole = folder.read(name)
            for bit in data.draw(st.lists(st.integers(0, 8 * len(whole) - 1), min_size=1, max_size=3)):
                flipped = bytearray(whole)
                flipped[bit // 8] ^= 1 << bit % 8
                folder.write(name, bytes(flipped))
                assert any(name in told for told in told_of(folder)), (name, bit)
            folder.write(name, whole)


ODD = (b"\n", b'{"n":1,"crc":"00000000"}\n', b',"crc":"', b"\x00", b" ", b"[", b'{"a":', b"1", b'"', b"\xff\xfe")
RUBBISH = st.sampled_from(ODD) | st.binary(min_size=1, max_size=200)


@pytest.fixture(scope="module")
def both_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Folder]:
    """Return a run that is closed and one whose attempts were killed."""
    rows = {number: Rows.of(STEPS, [(number, number, 0, 0.5)], [[1.0, 0.1, np.nan]]) for number in (1, 2)}
    found = [Batch(number, rank, "steps", rows[number], "") for number in rows for rank in (0, 1)]
    folders = {closed: open_folder(tmp_path_factory.mktemp("run")) for closed in (True, False)}
    for closed, folder in folders.items():
        write(folder, Script([(None, 0), (1, 1)], 2, found), closed=closed)
    return folders


@pytest.mark.slow
@settings(few, max_examples=80)
@given(data=st.data(), closed=st.booleans(), rubbish=RUBBISH, size=st.integers(MEGABYTE, 2 * MEGABYTE))
def test_megabytes_of_rubbish_are_refused_or_noticed(
    both_runs: dict[bool, Folder], data: st.DataObject, closed: bool, rubbish: bytes, size: int
) -> None:
    folder = both_runs[closed]
    name = data.draw(st.sampled_from(folder.names()))
    whole = folder.read(name)
    folder.write(name, rubbish * (size // len(rubbish)))
    try:
        assert any(name in told for told in told_of(folder, notes=not closed))
    finally:
        folder.write(name, whole)
