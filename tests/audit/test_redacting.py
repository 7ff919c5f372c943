"""`groundwire redact`: no raw text stays, every number does, and a kill at any moment leaves a run that is whole."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import redaction_material as material
from groundwire.audit import storage
from groundwire.audit.errors import RecordError
from groundwire.audit.load import load_audit
from groundwire.audit.marks import SHORT, bars, is_mark, mark, sha256
from groundwire.audit.record import Record
from groundwire.audit.redact_command import sentence
from groundwire.audit.redacting import redact
from groundwire.audit.runfile import NAME, now
from groundwire.audit.scrubbing import WITHHELD
from groundwire.audit.storage import Folder, open_folder
from groundwire.audit.verified import Fit
from groundwire.audit.verifying import verify
from hypothesis import given
from hypothesis import strategies as st
from run_material import attempt, run_file

NUMBERS = itertools.count()


@pytest.fixture(params=["local", "memory://"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    place = tmp_path / "run" if request.param == "local" else f"memory://redacting/{next(NUMBERS)}/run"
    return material.raw_run(place)


@pytest.fixture
def local(tmp_path: Path) -> Folder:
    return material.raw_run(tmp_path / "run")


def numbers(folder: Folder) -> list[Any]:
    audit, _ = load_audit(folder.url)
    metrics = [(metric.key, metric.value, metric.low, metric.high, metric.n) for metric in audit.metrics]
    return [metrics, [(f.rule, f.severity, f.summary) for f in audit.findings], [r.outcome for r in audit.rules]]


def statements(folder: Folder) -> list[str]:
    events = Record.open(folder.url).events("not_checked", replayed=True)
    return [event["reason"] for event in events if event["what"] == "raw text"]


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=300))
def test_a_mark_gives_away_length_and_digest_and_stays_as_it_is(text: str) -> None:
    made = mark(text)
    assert mark(made) == made
    assert is_mark(made) or not text
    assert is_mark(text) or (sha256(text) in made) == (len(text) >= SHORT)
    assert len(bars(text).split()) == len(text.split())


def test_no_raw_text_stays_in_any_file(folder: Folder) -> None:
    assert len(material.raw(folder)) >= 6
    redact(folder.url)
    assert material.raw(folder) == []
    assert not folder.exists("batches/step-7-r0.pt")


def test_every_number_stays_and_the_run_verifies(folder: Folder) -> None:
    before, kept = numbers(folder), material.series(folder)
    redact(folder.url)
    assert numbers(folder) == before
    assert material.series(folder) == kept
    assert Record.open(folder.url).damage == ()
    assert [part for part in verify(folder.url) if part.fit is not Fit.FITS and not part.optional] == []


def test_digests_are_kept_where_they_give_nothing_away(local: Folder) -> None:
    redact(local.url)
    sample, source = (Record.open(local.url).events(kind)[0] for kind in ("sample", "source"))
    assert sample["continuations"] == [mark(f"{material.LONG}0"), mark(f"nothing of {material.SECRET}")]
    assert sha256(f"{material.LONG}0") in sample["continuations"][0]
    assert sample["template"] == f"[redacted: {len(material.SECRET)} characters]"
    assert source["passages"][0]["shared"] == "█ █ █ █"
    assert [source["passages"][0][key] for key in ("score", "place", "copies")] == [3.5, 0, 1]
    batch = Record.open(local.url).events("nonfinite")[0]
    assert batch["saved"] is None
    assert batch["saved_was"].keys() == {"bytes", "sha256"}
    assert batch["ids"][1] == 17


def test_the_audit_says_so_and_from_which_digest(folder: Folder) -> None:
    before, _ = load_audit(folder.url)
    found = redact(folder.url)
    after, fits = load_audit(folder.url)
    assert fits
    assert (found.before, found.after) == (before.digest, after.digest)
    said = [row.reason for row in after.not_checked if row.what == "raw text"]
    assert len(said) == 1
    assert before.digest in said[0]
    assert "10 continuations" in said[0]
    quoted = [item.sample for finding in after.findings for item in finding.evidence if item.sample]
    assert quoted
    assert all(is_mark(text) or text == WITHHELD for text in quoted)
    assert statements(folder) == said


def test_pages_are_made_anew_from_the_new_audit(local: Folder) -> None:
    redact(local.url)
    digest = load_audit(local.url)[0].digest
    for name in ("report.html", "report.md"):
        assert digest in local.read(name).decode()


def test_again_changes_nothing(folder: Folder) -> None:
    redact(folder.url)
    before = material.contents(folder)
    found = redact(folder.url)
    assert found.files == ()
    assert material.contents(folder) == before
    assert sentence(found, dry_run=False) == f"nothing in {folder.url} is left to redact"


def test_a_dry_run_changes_nothing_and_says_the_same(folder: Folder) -> None:
    before = material.contents(folder)
    planned = redact(folder.url, dry_run=True)
    assert material.contents(folder) == before
    done = redact(folder.url)
    assert planned.files == done.files
    assert planned.counts == done.counts
    assert "nothing was changed" in sentence(planned, dry_run=True)


def test_ranks_have_events_too(tmp_path: Path) -> None:
    folder = material.raw_run(tmp_path / "run", ranks=3)
    assert "events-rank2.jsonl" in material.raw(folder)
    redact(folder.url)
    assert material.raw(folder) == []
    assert {p.what: p.fit for p in verify(folder.url)}["record → audit.json"] is Fit.FITS


class Killed(BaseException):
    """The end of a process between two writes."""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["local", "memory://"])
def test_a_kill_at_any_write_leaves_a_run_that_can_be_read_and_redacted(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for allowed in itertools.count():
        place = tmp_path / str(allowed) / "run" if where == "local" else f"memory://kill/{next(NUMBERS)}/run"
        folder = material.raw_run(place)
        before = numbers(folder)
        finished = _redact_with(folder, allowed, monkeypatch)
        assert Record.open(folder.url).damage == ()
        assert load_audit(folder.url)[1]
        assert numbers(folder) == before
        redact(folder.url)
        assert material.raw(folder) == []
        assert {p.what: p.fit for p in verify(folder.url)}["record → audit.json"] is Fit.FITS
        assert len(statements(folder)) == 1
        if finished:
            break
    assert allowed >= 6


def _redact_with(folder: Folder, allowed: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Redact, and kill it at the write after so many; say whether it came to its end."""
    left = itertools.count(allowed, -1)

    def counted(method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if next(left) == 0:
                raise Killed
            return method(*arguments)

        return call

    with monkeypatch.context() as patch:
        for kind in (storage.LocalFolder, storage.RemoteFolder):
            for name in ("write", "remove"):
                patch.setattr(kind, name, counted(getattr(kind, name)))
        try:
            redact(folder.url)
        except Killed:
            return False
    return True


def test_what_a_cut_off_write_left_goes(local: Folder) -> None:
    (Path(local.url) / ".audit.json.12.tmp").write_text(material.SECRET)
    redact(local.url)
    assert material.raw(local) == []


def test_a_damaged_line_goes_as_a_whole_and_stays_damage(local: Folder) -> None:
    content = local.read("events.jsonl")
    local.write("events.jsonl", content.replace(b'"number 2"', b"x").replace(b"number 2", b"number X") + b'{"torn')
    damage = Record.open(local.url).damage
    assert damage
    found = redact(local.url)
    assert any("damaged line" in note for note in found.notes)
    assert material.raw(local) == []
    assert Record.open(local.url).damage == damage
    assert redact(local.url).files == ()


@pytest.mark.parametrize("name", ["audit.json", NAME])
def test_a_changed_file_is_redacted_and_not_sealed(local: Folder, name: str) -> None:
    local.write(name, local.read(name).replace(b"TinyGPT", b"HugeGPT"))
    found = redact(local.url)
    assert any(name in note for note in found.notes)
    assert material.raw(local) == []
    assert not json.loads(local.read(name))["digest"]
    assert redact(local.url).files == ()


def test_half_an_audit_goes(local: Folder) -> None:
    local.write("audit.json", local.read("audit.json")[:-200])
    redact(local.url)
    assert material.raw(local) == []
    assert load_audit(local.url)[1]  # made again for the page


def test_no_audit_is_needed(local: Folder) -> None:
    for name in ("audit.json", "report.html", "report.md"):
        local.remove(name)
    redact(local.url)
    assert material.raw(local) == []
    assert redact(local.url).files == ()


def test_a_running_run_is_refused(tmp_path: Path) -> None:
    folder = material.raw_run(tmp_path / "run", finished=False)
    with pytest.raises(RecordError, match="may still be running"):
        redact(folder.url)
    assert material.raw(folder)
    redact(folder.url, force=True)
    assert material.raw(folder) == []


def test_a_killed_run_of_this_machine_is_not_refused(tmp_path: Path) -> None:
    import socket

    folder = open_folder(tmp_path / "run")
    dead = attempt().model_copy(update={"host": socket.gethostname(), "pid": 2**22 - 1, "started": now()})
    folder.write(NAME, run_file(dead).text())
    assert redact(folder.url).files == ()


def test_other_folders_and_files_are_left_alone(local: Folder, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a run folder"):
        redact(str(tmp_path / "nothing"))
    (Path(local.url) / "notes.txt").write_text(material.SECRET)
    found = redact(local.url)
    assert any("notes.txt" in note for note in found.notes)
    assert material.raw(local) == ["notes.txt"]


def test_a_resumed_run_can_be_redacted_again(folder: Folder) -> None:
    from groundwire.audit.recorder import Recorder

    redact(folder.url)
    folder = open_folder(folder.url)
    recorder = Recorder(folder, attempt=2, rank=0)
    recorder.event(
        "sample", step=60, prompt="What is new?", continuations=[f"a new {material.SECRET}"], toxicity=[0.1]
    )
    recorder.flush_events()
    assert material.raw(folder)
    redact(folder.url)
    assert material.raw(folder) == []
    assert len(statements(folder)) == 2


def test_the_command_lists_files_and_ends_with_one_sentence(local: Folder) -> None:
    from groundwire.audit.cli import app
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["redact", local.url, "--dry-run"])
    assert done.exit_code == 0
    assert "events.jsonl: 8 prompts, 10 continuations" in done.stdout
    assert done.stderr.splitlines()[-1].endswith("nothing was changed")
    done = CliRunner().invoke(app, ["redact", local.url])
    assert "digests and counts are kept, audit.json has the new digest" in done.stderr.splitlines()[-1]
    assert material.SECRET not in done.output
