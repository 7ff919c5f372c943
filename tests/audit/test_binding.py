"""`groundwire bind`: a derivative is declared, sealed, named by whoever asks for it, and never let through."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from groundwire.audit.artefact import audited
from groundwire.audit.bind_command import As
from groundwire.audit.bind_command import bind as command
from groundwire.audit.binding import bind
from groundwire.audit.derivatives import Relation, derivatives_of
from groundwire.audit.errors import RecordError, UsageError
from groundwire.audit.load import load_audit
from groundwire.audit.storage import open_folder
from released_material import edited, export, released_run, state
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


def quantised(folder: Path) -> Path:
    return export(folder / "int8.safetensors", {name: (t * 10).to(torch.int8) for name, t in state(50).items()})


def test_a_derivative_is_named_and_still_differs(tmp_path: Path) -> None:
    run, small = released_run(tmp_path), quantised(tmp_path)
    name, made = bind(str(run), small, relation=Relation.QUANTISED, note="int8")
    assert (run / name).is_file()
    assert made.told.startswith("quantised from the weights of run 20261121T0059-7f3a, on ")
    found = audited(load_audit(str(run))[0], small, derivatives_of(open_folder(run)))
    assert found.outcome == "differs"
    assert "is declared to be quantised" in found.told
    assert "audit it" in found.told


def test_a_format_that_cannot_be_read_is_bound_by_its_bytes(tmp_path: Path) -> None:
    run, gguf = released_run(tmp_path), tmp_path / "a.gguf"
    gguf.write_bytes(b"GGUF" + bytes(40))
    _, made = bind(str(run), gguf, relation=Relation.QUANTISED)
    assert made.tensors_sha256 is None
    audit, told = load_audit(str(run))[0], derivatives_of(open_folder(run))
    assert audited(audit, gguf, told).outcome == "differs"
    gguf.write_bytes(b"GGUF" + bytes(41))
    assert audited(audit, gguf, told).outcome == "unknown"


def test_a_declaration_that_was_changed_does_not_count(tmp_path: Path) -> None:
    run = released_run(tmp_path)
    name, _ = bind(str(run), quantised(tmp_path), relation=Relation.QUANTISED)
    edited(run, name, '"quantised"', '"exported"')
    assert derivatives_of(open_folder(run)) == []


def test_a_declaration_of_the_future_is_refused(tmp_path: Path) -> None:
    run = released_run(tmp_path)
    name, _ = bind(str(run), quantised(tmp_path), relation=Relation.QUANTISED)
    edited(run, name, '"schema_version": 1', '"schema_version": 99')
    with pytest.raises(RecordError, match="upgrade groundwire"):
        derivatives_of(open_folder(run))


def test_the_audited_weights_need_no_declaration(tmp_path: Path) -> None:
    run = released_run(tmp_path)
    with pytest.raises(UsageError, match="nothing to declare"):
        bind(str(run), export(tmp_path / "same.safetensors", state(50)), relation=Relation.EXPORTED)
    assert not (run / "derivatives").exists()


def test_nothing_is_bound_to_a_changed_audit_or_from_nothing(tmp_path: Path) -> None:
    run, small = released_run(tmp_path), quantised(tmp_path)
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="give one file"):
            bind(str(run), path, relation=Relation.MERGED)
    with pytest.raises(UsageError, match="--note has"):
        bind(str(run), small, relation=Relation.MERGED, note="x" * 1001)
    edited(run, "audit.json", '"steps": 50', '"steps": 51')
    with pytest.raises(RecordError, match="has been changed"):
        bind(str(run), small, relation=Relation.MERGED)


def test_the_command_prints_where_it_is_written(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    run = released_run(tmp_path)
    done = CliRunner().invoke(app, [str(run), str(quantised(tmp_path)), "--as", "merged", "--note", "with LoRA"])
    assert done.exit_code == 0
    assert (run / done.stdout.strip()).is_file()
    assert "merged from the weights" in done.stderr
    assert [each.value for each in As] == [each.value for each in Relation]
