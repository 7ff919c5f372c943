"""A record survives kills, resumes, ranks and flipped bytes, and says what it lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from groundwire.audit.errors import RecordError
from groundwire.audit.model import RunStatus
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.runfile import NAME
from groundwire.audit.series import ChunkEncoder, Rows, decode
from groundwire.audit.storage import open_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from run_material import STEPS, attempt, close_run, make_run, run_file, write_steps

STEPS_FILE = "series/steps-a001-r0-p1.arrow"


@pytest.mark.parametrize("remote", [False, True])
def test_what_was_written_is_read(tmp_path: Path, remote: bool) -> None:
    url = f"memory://{tmp_path.name}/run" if remote else str(tmp_path / "run")
    make_run(url)
    record = Record.open(url)
    loss = record.series("train.loss")
    assert loss.step.tolist() == list(range(1, 51))
    assert loss.value == pytest.approx([1 / step for step in range(1, 51)], rel=1e-6)
    assert loss.unit == "loss"
    assert record.columns("logged") == ("val_loss",)
    assert record.series("logged", "val_loss").value.tolist() == [pytest.approx(1.2)]
    assert len(record.events("tick")) == 5
    assert (record.notes, record.damage) == ((), ())


@pytest.mark.slow
@pytest.mark.parametrize("name", [STEPS_FILE, "series/index-a001-r0.jsonl", "events.jsonl"])
def test_a_file_cut_anywhere_loses_only_what_was_cut(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path, finished=False)
    whole = folder.read(name)
    for length in range(0, len(whole), 7):
        (tmp_path / name).write_bytes(whole[:length])
        record = Record.open(tmp_path)
        steps = record.series("train.loss").step.tolist()
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) % 10 == 0
        assert not record.damage
    (tmp_path / name).write_bytes(whole[:-2])
    assert Record.open(tmp_path).notes


@pytest.mark.slow
@pytest.mark.parametrize("name", [STEPS_FILE, "series/index-a001-r0.jsonl", "events.jsonl", NAME])
def test_every_flipped_byte_of_a_finished_run_is_noticed(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path)
    whole = folder.read(name)
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        flipped = bytearray(whole)
        flipped[place] ^= 0x10
        (tmp_path / name).write_bytes(flipped)
        try:
            found = Record.open(tmp_path).damage
        except RecordError as error:
            found = (str(error),)
        assert any(name in message for message in found), place


@pytest.mark.parametrize("name", [STEPS_FILE, "series/index-a001-r0.jsonl", "events.jsonl"])
def test_a_finished_run_with_a_missing_end_is_damaged(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path)
    (tmp_path / name).write_bytes(folder.read(name)[:-300])
    assert any(name in message for message in Record.open(tmp_path).damage)


@pytest.mark.parametrize("name", [STEPS_FILE, "series/index-a001-r0.jsonl", "events.jsonl"])
def test_a_finished_run_with_a_missing_file_is_damaged(tmp_path: Path, name: str) -> None:
    make_run(tmp_path)
    (tmp_path / name).unlink()
    assert any(name in message for message in Record.open(tmp_path).damage)


def test_a_damaged_chunk_costs_no_other(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    flipped = bytearray(folder.read(STEPS_FILE))
    flipped[len(flipped) // 2] ^= 1
    (tmp_path / STEPS_FILE).write_bytes(flipped)
    assert len(Record.open(tmp_path).series("train.loss")) == 40


def test_a_line_torn_by_a_kill_is_followed_by_whole_ones(tmp_path: Path) -> None:
    folder = make_run(tmp_path, finished=False)
    whole = folder.read("events.jsonl")
    (tmp_path / "events.jsonl").write_bytes(whole[:-20])
    folder.write(NAME, run_file(attempt(), attempt(2, first_step=50)).text())
    second = Recorder(folder, attempt=2, rank=0)
    second.event("tick", step=60)
    second.flush_events()
    record = Record.open(tmp_path)
    assert [event["step"] for event in record.events("tick")] == [10, 20, 30, 40, 60]
    assert not record.damage
    assert record.notes


def test_steps_trained_twice_count_as_the_last_attempt_took_them(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write(NAME, run_file(attempt(), attempt(2, first_step=25)).text())
    write_steps(Recorder(folder, attempt=1, rank=0), range(1, 41), loss=1.0)
    write_steps(Recorder(folder, attempt=2, rank=0), range(26, 51), loss=2.0)
    record = Record.open(tmp_path)
    loss = record.series("train.loss")
    assert loss.step.tolist() == list(range(1, 51))
    assert loss.value.tolist() == [1.0] * 25 + [2.0] * 25
    assert [event["step"] for event in record.events("tick")] == [10, 20, 35, 45, 50]
    assert len(record.events("tick", replayed=True)) == 7


def test_ranks_and_micro_batches_average_into_the_loss_only(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write(NAME, run_file(world_size=2).text())
    for rank, loss in enumerate((1.0, 4.0)):
        recorder = Recorder(folder, attempt=1, rank=rank)
        recorder.rows("steps", Rows.of(("train.loss",), [(1, 1, -1, 0.1)], [[loss]]))
        recorder.rows("steps", Rows.of(STEPS, [(2, 1, 0, 0.2)], [[loss + 1, 0.1, 10.0 + rank]]))
    record = Record.open(tmp_path)
    assert record.series("train.loss").value.tolist() == [3.0]
    assert record.series("gradient.norm").value.tolist() == [10.0]


def test_values_that_are_not_finite_survive(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write(NAME, run_file().text())
    recorder = Recorder(folder, attempt=1, rank=0)
    values = [[np.nan, 0.1, np.inf], [1.0, 0.1, -np.inf]]
    recorder.rows("steps", Rows.of(STEPS, [(1, 1, 0, 0.0), (2, 2, 0, 0.0)], values))
    record = Record.open(tmp_path)
    assert np.isnan(record.series("train.loss").value[0])
    assert record.series("gradient.norm").value.tolist() == [np.inf, -np.inf]


def test_logged_names_may_be_anything(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write(NAME, run_file().text())
    recorder = Recorder(folder, attempt=1, rank=0)
    names = ("step", "value:x", "train/loss.é", "time")
    recorder.rows("logged", Rows.of(names, [(1, 1, 0, 0.0)], [[1.0, 2.0, 3.0, 4.0]]))
    recorder.rows("logged", Rows.of(("step",), [(2, 2, 0, 0.0)], [[5.0]]))
    record = Record.open(tmp_path)
    assert record.columns("logged") == names
    assert record.series("logged", "step").value.tolist() == [1.0, 5.0]
    assert record.series("logged", "train/loss.é").value.tolist() == [3.0]


def test_a_million_steps_take_no_more_than_twenty_megabytes() -> None:
    encoder, rng, size = ChunkEncoder(STEPS), np.random.default_rng(0), 0
    for start in range(0, 20_000, 1000):
        step = np.arange(start, start + 1000)
        values = np.stack([rng.normal(2, 0.1, 1000), 1e-3 * np.cos(step / 1e4), rng.lognormal(0, 0.3, 1000)], axis=1)
        keys = [(int(s), int(s), 0, float(s) * 0.013 + float(rng.normal(0, 0.001))) for s in step]
        size += len(encoder.encode(Rows.of(STEPS, keys, values)))
    assert size * 50 <= 20e6


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2**31 - 1), st.floats(width=32)), max_size=20))
def test_any_row_comes_back_as_it_was(rows: list[tuple[int, float]]) -> None:
    encoder = ChunkEncoder(("x",))
    written = Rows.of(("x",), [(step, step, 0, 0.0) for step, _ in rows], [[value] for _, value in rows])
    read = decode([encoder.schema(), encoder.encode(written)])
    assert read.step.tolist() == [step for step, _ in rows]
    assert np.array_equal(read.values[:, 0], np.asarray([v for _, v in rows], dtype=np.float32), equal_nan=True)


def test_a_run_that_stopped_recording_and_went_on_is_damaged(tmp_path: Path) -> None:
    folder = make_run(tmp_path, finished=False)
    folder.write(NAME, run_file(attempt(status=RunStatus.FINISHED, steps=99)).text())
    assert Record.open(tmp_path).damage == ("attempt 1: recording stopped before the run ended",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not whole JSON"),
        (b'{"schema_ver', "is not whole JSON"),
        (b"[]", "was not written by Groundwire"),
        (b'{"name": "x"}', "was not written by Groundwire"),
        (b'{"schema_version": 99}', "upgrade groundwire"),
        (b'{"schema_version": 1}', "is not a valid run file"),
        (b"\xff\xfe", "is not whole JSON"),
    ],
)
def test_a_bad_run_file_is_one_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(RecordError, match=told) as caught:
        Record.open(tmp_path)
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_runs_say_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is not a run folder"):
        Record.open(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="is not a run folder"):
        Record.open(tmp_path)
    make_run(tmp_path / "runs" / "a")
    with pytest.raises(RecordError, match=r"holds runs but is none itself: give one, the last is .*runs/a"):
        Record.open(tmp_path / "runs")
    with pytest.raises(RecordError, match="Install the fsspec package"):
        Record.open("nosuch://bucket/run")


def test_a_disk_that_fills_takes_the_half_written_chunk_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.audit import storage

    folder = open_folder(tmp_path)
    folder.append("file", b"whole")

    def full(file: object, content: bytes) -> None:
        file.write(content[:3])  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_write_all", full)
    with pytest.raises(OSError, match="No space left"):
        folder.append("file", b"more")
    assert folder.read("file") == b"whole"


def test_closing_counts_what_was_written(tmp_path: Path) -> None:
    folder = make_run(tmp_path, finished=False)
    recorder = Recorder(open_folder(tmp_path / "other"), attempt=1, rank=0)
    close_run(folder, recorder, 50)
    assert Record.open(tmp_path).run.status is RunStatus.FINISHED
    assert json.loads(folder.read(NAME))["status"] == "finished"
