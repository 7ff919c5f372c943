"""Attempts of one run: which steps count, what is missing between them, and who measured what."""

from __future__ import annotations

from pathlib import Path

from groundwire.audit.judge import judge
from groundwire.audit.measures import measure
from groundwire.audit.model import Metric, Quality, RunStatus
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.runfile import NAME, now
from groundwire.audit.storage import Folder, open_folder
from run_material import attempt, make_run, run_file, write_steps


def steps_of(path: Path) -> list[int]:
    return [int(step) for step in Record.open(path).series("train.loss").step]


def _attempts(path: Path, *steps: range, resumes: tuple[int | None, ...]) -> Folder:
    folder = open_folder(path)
    made = [
        attempt(number, first_step=part.start - 1, resumes=source)
        for number, (part, source) in enumerate(zip(steps, resumes, strict=True), start=1)
    ]
    folder.write(NAME, run_file(*made).text())
    for number, part in enumerate(steps, start=1):
        write_steps(Recorder(folder, attempt=number, rank=0), part, loss=float(number))
    return folder


def test_steps_of_an_attempt_that_led_nowhere_do_not_count(tmp_path: Path) -> None:
    _attempts(tmp_path, range(1, 101), range(51, 61), range(91, 121), resumes=(None, 1, 1))
    record = Record.open(tmp_path)
    loss = record.series("train.loss")
    assert loss.step.tolist() == list(range(1, 121))
    assert set(loss.value[:90]) == {1.0}
    assert set(loss.value[90:]) == {3.0}
    assert record.damage == ()


def test_steps_that_were_never_written_are_damage(tmp_path: Path) -> None:
    _attempts(tmp_path, range(1, 41), range(61, 81), resumes=(None, 1))
    assert Record.open(tmp_path).damage == ("attempt 1: steps 41 to 60 were not written",)


def test_an_attempt_that_never_stepped_is_no_gap(tmp_path: Path) -> None:
    _attempts(tmp_path, range(1, 41), range(41, 41), range(41, 61), resumes=(None, 1, 2))
    record = Record.open(tmp_path)
    assert (record.damage, steps_of(tmp_path)) == ((), list(range(1, 61)))


def test_a_broken_run_that_stopped_recording_before_is_damaged(tmp_path: Path) -> None:
    folder = make_run(tmp_path, finished=False)
    folder.write(NAME, run_file(attempt(status=RunStatus.CRASHED, ended=now(), steps=99)).text())
    assert Record.open(tmp_path).damage == ("attempt 1: recording stopped before the run ended",)


def _monitor(folder: Folder, number: int, name: str, rank: int = 0, **more: object) -> None:
    recorder = Recorder(folder, attempt=number, rank=rank)
    told = {"name": name, "status": "ran", "reason": None, "seconds": 1.0} | more
    recorder.event("monitor", **told)
    recorder.flush_events()


def test_a_monitor_that_was_absent_from_an_attempt_has_not_seen_the_run(tmp_path: Path) -> None:
    folder = _attempts(tmp_path, range(1, 41), range(41, 61), resumes=(None, 1))
    _monitor(folder, 1, "gradient")
    _monitor(folder, 2, "carbon")
    metric = next(m for m in measure(Record.open(tmp_path)) if m.name == "gradient.nonfinite_steps")
    assert (metric.value, metric.reason) == (None, "not measured in attempt 2")


def test_generations_of_an_earlier_attempt_are_of_other_weights(tmp_path: Path) -> None:
    folder = _attempts(tmp_path, range(1, 41), range(41, 61), resumes=(None, 1))
    said = Metric(name="generation.toxicity_probability", value=0.0, unit="", quality=Quality.MEASURED, method="x",
                  monitor="generation")  # fmt: skip
    for number in (1, 2):
        _monitor(folder, number, "generation")
    recorder = Recorder(folder, attempt=1, rank=0)
    recorder.event("generation", metrics=[said.model_dump(mode="json")])
    recorder.flush_events()
    metric = next(m for m in measure(Record.open(tmp_path)) if m.name == said.name)
    assert metric.value is None


def test_of_several_ranks_the_lowest_speaks_unless_one_broke(tmp_path: Path) -> None:
    folder = _attempts(tmp_path, range(1, 41), resumes=(None,))
    folder.write(NAME, run_file(attempt(world_size=2), world_size=2).text())
    for name, status in (("gradient", "off"), ("carbon", "error")):
        _monitor(folder, 1, name, rank=0, seconds=2.0)
        _monitor(folder, 1, name, rank=1, status=status, reason="only here", seconds=3.0)
    told = {monitor.name: monitor for monitor in judge(Record.open(tmp_path)).monitors}
    assert (told["gradient"].status, told["gradient"].seconds) == ("ran", 3.0)
    assert (told["carbon"].status, told["carbon"].reason) == ("error", "only here")
