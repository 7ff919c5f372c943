"""`groundwire verify`: each link of the chain from the record to the report, broken one at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from groundwire.audit.derivatives import Relation
from groundwire.audit.errors import RecordError
from groundwire.audit.model import digest_of
from groundwire.audit.reporting import make_report
from groundwire.audit.verified import Fit, Part, exit_code
from groundwire.audit.verify_command import verify as command
from groundwire.audit.verifying import verify
from released_material import checkpoint, document, edited, export, released_run, state
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    found = released_run(tmp_path)
    make_report(str(found))
    make_report(str(found), markdown=True)
    return found


def parts(run: Path, **options: object) -> dict[str, Part]:
    return {part.what: part for part in verify(str(run), **options)}  # type: ignore[arg-type]


def misfits(run: Path) -> set[str]:
    return {what for what, part in parts(run).items() if part.fit is not Fit.FITS}


def resealed(run: Path, before: str, after: str) -> None:
    edited(run, "audit.json", before, after)
    found = document(run)
    (run / "audit.json").write_text(json.dumps(found | {"digest": digest_of(found)}))


def test_a_run_as_it_was_left_fits(run: Path) -> None:
    found = verify(str(run))
    assert {part.fit for part in found} == {Fit.FITS}
    assert exit_code(found) == 0
    assert len(found) == 7


def test_an_edited_number_is_found_in_the_audit(run: Path) -> None:
    edited(run, "audit.json", '"steps": 50', '"steps": 51')
    assert {"audit.json", "record → audit.json"} <= misfits(run)
    assert exit_code(verify(str(run))) == 1


def test_an_audit_that_was_sealed_again_does_not_follow_from_the_record(run: Path) -> None:
    resealed(run, '"steps": 50', '"steps": 51')
    found = parts(run)
    assert found["audit.json"].fit is Fit.FITS
    assert found["record → audit.json"].told == "judged again, the record gives another run.steps"
    assert found["audit.json → report.html"].fit is Fit.DIFFERS
    assert found["audit.json → report.md"].fit is Fit.DIFFERS


def test_an_audit_of_another_version_cannot_be_told(run: Path) -> None:
    resealed(run, '"edition": "2026.11"', '"edition": "2026.01"')
    assert parts(run)["record → audit.json"].fit is Fit.UNKNOWN
    assert exit_code([parts(run)["record → audit.json"]]) == 3


def test_a_damaged_record_is_found(run: Path) -> None:
    edited(run, "events.jsonl", '"kind":"tick"', '"kind":"tock"')
    assert "record" in misfits(run)
    assert exit_code(verify(str(run))) == 1


def test_a_report_that_names_no_audit_cannot_be_told(run: Path) -> None:
    edited(run, "report.md", f"`{document(run)['digest']}`", "`none`")
    assert misfits(run) == {"audit.json → report.md"}
    assert exit_code(verify(str(run))) == 3
    (run / "report.md").unlink()
    assert misfits(run) == {"audit.json → report.md"}
    assert exit_code(verify(str(run))) == 0  # nobody asked for a page


def test_a_checkpoint_written_again_is_found_and_one_that_is_gone_is_named(run: Path, tmp_path: Path) -> None:
    checkpoint(tmp_path / "last.ckpt", 51)
    (tmp_path / "best.ckpt").unlink()
    found = parts(run)
    assert found[str(tmp_path / "last.ckpt")].fit is Fit.DIFFERS
    assert found[str(tmp_path / "best.ckpt")].fit is Fit.GONE
    assert exit_code(verify(str(run))) == 1


def test_the_released_file_is_told(run: Path, tmp_path: Path) -> None:
    same = export(tmp_path / "same.safetensors", state(20))
    other = export(tmp_path / "other.safetensors", state(21))
    assert parts(run, checkpoint=same)["--checkpoint"].fit is Fit.FITS
    assert parts(run, checkpoint=other)["--checkpoint"].fit is Fit.DIFFERS
    edited(run, "audit.json", '"steps": 50', '"steps": 51')
    assert parts(run, checkpoint=same)["--checkpoint"].fit is Fit.UNKNOWN


def test_declarations_are_named_and_changed_ones_found(run: Path, tmp_path: Path) -> None:
    from groundwire.audit.binding import bind

    name, _ = bind(str(run), export(tmp_path / "m.safetensors", state(3)), relation=Relation.MERGED)
    assert parts(run)[name].fit is Fit.FITS
    edited(run, name, '"merged"', '"exported"')
    assert misfits(run) == {name}


def test_digests_that_the_run_had_no_time_for_are_taken_later(tmp_path: Path) -> None:
    run = released_run(tmp_path, files=False, tensors=False)
    make_report(str(run), markdown=False)
    same = export(tmp_path / "same.safetensors", state(50))
    assert parts(run, checkpoint=same)["--checkpoint"].fit is Fit.UNKNOWN
    found = parts(run, checkpoint=same, complete=True)
    assert found["digests"].told == "of 2 checkpoints taken and added to audit.json"
    assert found["--checkpoint"].fit is Fit.FITS
    assert found["audit.json → report.html"].fit is Fit.FITS
    assert all(each["file_sha256"] and each["tensors_sha256"] for each in document(run)["checkpoints"])
    assert "digests" not in parts(run, complete=True)


def test_digests_of_tensors_are_added_where_the_bytes_are_the_same(tmp_path: Path) -> None:
    run = released_run(tmp_path, tensors=False)
    checkpoint(tmp_path / "best.ckpt", 20, other=True)
    found = parts(run, complete=True)
    assert "of 1 checkpoint taken" in found["digests"].told
    best, last = document(run)["checkpoints"]
    assert best["tensors_sha256"] is None
    assert last["tensors_sha256"] is not None


@pytest.mark.parametrize("how", ["later", "of another step", "no checkpoint"])
def test_no_digest_is_taken_of_what_may_be_another_file(tmp_path: Path, how: str) -> None:
    run = released_run(tmp_path, files=False, tensors=False)
    path = tmp_path / "last.ckpt"
    if how == "later":
        os.utime(path, (4e9, 4e9))
    elif how == "of another step":
        checkpoint(path, 49)
    else:
        path.write_bytes(b"PK\x03\x04")
    parts(run, complete=True)
    best, last = document(run)["checkpoints"]
    assert best["file_sha256"] is not None
    assert last["file_sha256"] is None


def test_a_changed_completion_does_not_count(tmp_path: Path) -> None:
    run = released_run(tmp_path, files=False, tensors=False)
    parts(run, complete=True)
    (name, *_) = sorted(path.relative_to(run).as_posix() for path in (run / "checkpoints").iterdir())
    edited(run, name, '"taken": "2', '"taken": "3')
    found = parts(run)
    assert found[name].fit is Fit.DIFFERS
    assert found["record → audit.json"].fit is Fit.DIFFERS


def test_a_changed_audit_is_not_written_over(tmp_path: Path) -> None:
    run = released_run(tmp_path, files=False)
    edited(run, "audit.json", '"steps": 50', '"steps": 51')
    with pytest.raises(RecordError, match="restore it first"):
        verify(str(run), complete=True)


def test_the_command_says_what_digests_do_not_protect_against(run: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [str(run)])
    assert done.exit_code == 0
    assert "fits" in done.stdout
    assert "not signed" in done.stderr
    told = json.loads(CliRunner().invoke(app, [str(run), "--format", "json"]).stdout)
    assert told["exit_code"] == 0
    assert {part["fit"] for part in told["parts"]} == {"fits"}
