"""Whatever happens to the files of a record, it is read as far as it goes and says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import RecordError
from groundwire.audit.model import RunStatus
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder, plain
from groundwire.audit.runfile import NAME, now
from groundwire.audit.series import sealed_line
from groundwire.audit.storage import Folder, open_folder
from hypothesis import given
from hypothesis import strategies as st
from run_material import attempt, run_file, write_steps

SERIES, INDEX, EVENTS = "series/steps-a001-r{rank}-p1.arrow", "series/index-a001-r{rank}.jsonl", "events.jsonl"
FILES = (SERIES.format(rank=0), INDEX.format(rank=0), EVENTS)
STEPS = 8


def small_run(url: str | Path, *, closed: bool, ranks: int = 1) -> Folder:
    """Write a run of two chunks of four steps and as many events a rank."""
    folder = open_folder(url)
    folder.write(NAME, run_file(world_size=ranks).text())
    recorders = [Recorder(folder, attempt=1, rank=rank) for rank in range(ranks)]
    for recorder in recorders:
        write_steps(recorder, range(1, STEPS + 1), flush=4)
    if closed:
        counts = {"events": recorders[0].events, "chunks": recorders[0].chunks}
        ended = attempt(status=RunStatus.FINISHED, ended=now(), steps=STEPS, epochs=1, **counts)
        folder.write(NAME, run_file(ended, world_size=ranks).text())
    return folder


def steps_of(record: Record) -> list[int]:
    return record.series("train.loss").step.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_running_record_cut_at_any_length_keeps_whole_batches_and_lines(tmp_path: Path, name: str) -> None:
    whole = small_run(tmp_path, closed=False).read(name)
    for length in range(len(whole)):
        (tmp_path / name).write_bytes(whole[:length])
        record = Record.open(tmp_path)
        steps, ticks = steps_of(record), [event["step"] for event in record.events("tick")]
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) % 4 == 0
        assert ticks == [4, 8][: len(ticks)]
        assert len(ticks if name != EVENTS else steps) == {EVENTS: STEPS}.get(name, 2)  # the other files lost nothing
        assert not record.damage
        dropped = not whole[:length].endswith(b"\n") and length and whole[length : length + 1] != b"\n"
        if name != FILES[0] and dropped:
            assert any(name in note for note in record.notes), length


def test_a_running_record_on_a_store_without_its_last_segment_loses_only_that() -> None:
    folder = small_run("memory://damage/segments", closed=False)
    folder._fs.rm_file(f"{folder._root}/{FILES[0]}.000003")  # type: ignore[attr-defined]
    record = Record.open(folder.url)
    assert steps_of(record) == list(range(1, 5))
    assert any("is cut off and was dropped" in note for note in record.notes)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_closed_record_cut_at_any_length_is_damaged(tmp_path: Path, name: str) -> None:
    whole = small_run(tmp_path, closed=True).read(name)
    for length in range(len(whole) - 1):  # the last byte of the lines' files only ends the line
        (tmp_path / name).write_bytes(whole[:length])
        assert any(name in message for message in Record.open(tmp_path).damage), length


def _damage(folder: Path) -> tuple[tuple[str, ...], list[int]]:
    try:
        record = Record.open(folder)
    except RecordError as error:
        return (str(error),), []
    return record.damage, steps_of(record)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FILES, NAME])
def test_any_changed_byte_of_a_closed_record_is_noticed_and_costs_one_batch(tmp_path: Path, name: str) -> None:
    whole = small_run(tmp_path, closed=True).read(name)
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        if name == NAME and _same(flipped, whole):
            continue
        (tmp_path / name).write_bytes(flipped)
        damage, steps = _damage(tmp_path)
        assert any(name in message for message in damage), place
        if name == EVENTS:
            assert len(steps) == STEPS
        elif name == FILES[0]:
            assert len(steps) in {0, 4}  # without the first piece the columns are not known


def _same(changed: bytes, whole: bytes) -> bool:
    """Return whether the JSON still means the same, as when 1e-05 becomes 1E-05."""
    try:
        return json.loads(changed) == json.loads(whole)
    except ValueError:
        return False


@pytest.mark.parametrize("name", [SERIES.format(rank=1), INDEX.format(rank=1), "events-rank1.jsonl"])
def test_damage_to_another_rank_is_noticed(tmp_path: Path, name: str) -> None:
    small_run(tmp_path, closed=True, ranks=2)
    assert Record.open(tmp_path).damage == ()
    content = bytearray((tmp_path / name).read_bytes())
    content[-5] ^= 1
    (tmp_path / name).write_bytes(content)
    assert any(name in message for message in Record.open(tmp_path).damage)


@pytest.mark.parametrize("rank", [0, 1])
def test_series_that_no_index_lists_are_noticed(tmp_path: Path, rank: int) -> None:
    small_run(tmp_path, closed=True, ranks=2)
    (tmp_path / INDEX.format(rank=rank)).unlink()
    assert any(INDEX.format(rank=rank) in message for message in Record.open(tmp_path).damage)


def test_a_line_torn_before_a_resumed_attempt_that_closed_is_no_damage(tmp_path: Path) -> None:
    folder = small_run(tmp_path, closed=False)
    (tmp_path / EVENTS).write_bytes(folder.read(EVENTS)[:-9])
    second = Recorder(folder, attempt=2, rank=0)
    write_steps(second, range(5, 17), flush=4)
    closed = attempt(2, first_step=4, status=RunStatus.FINISHED, ended=now(), steps=16, events=second.events,
                     chunks=second.chunks)  # fmt: skip
    folder.write(NAME, run_file(attempt(), closed).text())
    record = Record.open(tmp_path)
    assert (record.damage, steps_of(record)) == ((), list(range(1, 17)))
    assert len(record.notes) == 1
    assert [e["step"] for e in record.events("tick")] == [4, 8, 12, 16]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"attempts": []}, "is not a valid run file"),
        ({"world_size": 0}, "is not a valid run file"),
        ({"id": 3}, "is not a valid run file"),
        ({"schema_version": 2}, "upgrade groundwire"),
    ],
)
def test_a_run_file_without_sense_is_one_sentence(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    folder = small_run(tmp_path, closed=True)
    folder.write(NAME, json.dumps(json.loads(folder.read(NAME)) | change).encode())
    with pytest.raises(RecordError, match=told) as caught:
        Record.open(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_run_file_nested_too_deep_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"[" * 100_000)
    with pytest.raises(RecordError, match="is not whole JSON"):
        Record.open(tmp_path)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner),
    max_leaves=8,
)


@pytest.mark.slow
@given(anything)
def test_anything_becomes_what_json_can_hold_and_no_more_changes(value: Any) -> None:
    found = plain(value)
    text = json.dumps(found, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert json.loads(text) == found == plain(found)


@pytest.mark.parametrize(
    "line",
    [{"n": 1, "kind": "tick", "attempt": "x"}, {"n": None, "kind": "tick"}, {"n": 1, "kind": "tick", "step": "x"},
     {"file": "a"}, {"n": 1}],
)  # fmt: skip
@pytest.mark.parametrize("name", [EVENTS, "series/index-a001-r0.jsonl"])
def test_sealed_lines_of_something_else_are_damage_and_no_traceback(
    tmp_path: Path, name: str, line: dict[str, object]
) -> None:
    small_run(tmp_path, closed=True)
    (tmp_path / name).write_bytes(sealed_line(line))
    record = Record.open(tmp_path)
    assert name in " ".join(record.damage)
    record.events("tick")


def test_two_million_empty_lines_are_one_message(tmp_path: Path) -> None:
    small_run(tmp_path, closed=True)
    (tmp_path / EVENTS).write_bytes(b"\n" * 200_000)
    assert len(Record.open(tmp_path).damage) == 2


def test_a_run_file_without_a_digest_is_not_intact(tmp_path: Path) -> None:
    small_run(tmp_path, closed=True)
    document = json.loads((tmp_path / NAME).read_text())
    del document["digest"]
    document["environment"] = {"x": float("nan")}
    (tmp_path / NAME).write_text(json.dumps(document))
    assert Record.open(tmp_path).damage == ("run.json: its digest does not fit its content",)


@pytest.mark.parametrize("depth", [500, 900, 991, 2000])
def test_a_run_file_of_brackets_is_one_sentence(tmp_path: Path, depth: int) -> None:
    (tmp_path / NAME).write_text('{"schema_version": 1, "x": ' + "[" * depth + "]" * depth + "}")
    with pytest.raises(RecordError):
        Record.open(tmp_path)


def test_series_that_the_index_of_a_killed_run_lost_are_noted(tmp_path: Path) -> None:
    small_run(tmp_path, closed=False)
    (tmp_path / "series/index-a001-r0.jsonl").write_bytes(b"")
    assert "its index does not list it" in " ".join(Record.open(tmp_path).notes)
