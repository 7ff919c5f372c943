"""`groundwire import`, then the gate: a score counts for the weights that it was measured on, and for no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gate_material import Gated, Release, seal
from groundwire.audit.cli import app
from groundwire.audit.imported import STRANGE, UNBOUND, Import, metrics_of
from groundwire.audit.load import load_audit
from groundwire.audit.model import Checkpoint, Metric, Quality
from groundwire.audit.record import Record
from import_material import CHECKPOINTS, HARNESS, harness, run_with_checkpoints, written
from typer.testing import CliRunner

LIMIT = 'schema = 1\n[limits.task]\nmetric = "imported.task.acc"\nmin = {}\n'


class Imports:
    """A run with two checkpoints, and the commands that import scores and gate it."""

    def __init__(self, folder: Path, release: Release) -> None:
        self.folder, self.run, self._release = folder, run_with_checkpoints(folder), release
        self.audit, self.policy = self.run / "audit.json", folder / "policy.toml"

    def add(self, score: float, *options: object, file: str = "results_1.json", error: float = 0.01) -> Gated:
        row = {"acc,none": score, "acc_stderr,none": error}
        return self.add_document(harness(task=row), *options, file=file)

    def add_document(self, document: dict[str, Any], *options: object, file: str = "results_1.json") -> Gated:
        return self.command("import", self.run, written(self.folder / file, document), *options)

    def command(self, *arguments: object) -> Gated:
        return self._release.command(*arguments)

    def bound(self, step: int = 50) -> tuple[object, ...]:
        return ("--checkpoint", self.folder / f"{step}.ckpt")

    def gate(self, minimum: float, more: str = "") -> Gated:
        self.policy.write_text(LIMIT.format(minimum) + more)
        return self.command("gate", self.run, "--policy", self.policy)

    def metrics(self) -> list[Metric]:
        audit, digest_ok = load_audit(str(self.run))
        assert digest_ok
        return [metric for metric in audit.metrics if metric.name.startswith("imported.")]

    def files(self) -> list[Path]:
        return sorted((self.run / "imports").iterdir()) if (self.run / "imports").exists() else []


@pytest.fixture
def imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Imports:
    release = Release.__new__(Release)
    release._monkeypatch, release._capsys = monkeypatch, capsys
    return Imports(tmp_path, release)


def test_a_bound_score_is_gated(imports: Imports) -> None:
    done = imports.add(0.8, *imports.bound())
    assert (done.code, done.out) == (0, "imported.task.acc  0.8 [0.78, 0.82]\n")
    assert done.err == f"groundwire: 1 file imported; bound to {imports.folder / '50.ckpt'} (step 50)\n"
    (metric,) = imports.metrics()
    assert (metric.quality, metric.step, metric.checkpoint) == (
        Quality.DECLARED,
        50,
        str(imports.folder / "50.ckpt"),
    )
    assert imports.gate(0.7).code == 0
    assert imports.gate(0.9).code == 1
    assert imports.gate(0.79, "confidence = 0.95\n").code == 3
    assert imports.gate(0.77, "confidence = 0.95\n").code == 0


def test_a_copy_of_the_checkpoint_binds_as_well(imports: Imports) -> None:
    copy = imports.folder / "released.bin"
    copy.write_bytes(CHECKPOINTS[20])
    assert imports.add(0.8, "--checkpoint", copy).code == 0
    (metric,) = imports.metrics()
    assert (metric.step, metric.checkpoint) == (20, str(imports.folder / "20.ckpt"))


@pytest.mark.parametrize(("on_missing", "code"), [("unknown", 3), ("fail", 1)])
def test_by_an_unbound_score_no_limit_passes(imports: Imports, on_missing: str, code: int) -> None:
    done = imports.add(0.8)
    assert done.code == 0
    assert "say --checkpoint" in done.err
    (metric,) = imports.metrics()
    assert (metric.value, metric.quality, metric.reason, metric.checkpoint) == (0.8, Quality.UNKNOWN, UNBOUND, None)
    found = imports.gate(0.1, f'on_missing = "{on_missing}"\n')
    assert found.code == code
    assert UNBOUND in found.out


@pytest.mark.parametrize("content", [b"other weights", b""])
def test_a_checkpoint_of_other_weights_is_refused(imports: Imports, content: bytes) -> None:
    before = imports.audit.read_bytes()
    (imports.folder / "other.ckpt").write_bytes(content)
    done = imports.add(0.8, "--checkpoint", imports.folder / "other.ckpt")
    assert (done.code, done.out) == (2, "")
    assert "is none of the 2 checkpoints" in done.err
    assert done.err.count("\n") == 1
    assert not imports.files()
    assert imports.audit.read_bytes() == before


def test_a_record_without_digests_binds_nothing(tmp_path: Path) -> None:
    run = run_with_checkpoints(tmp_path, digests=False)
    file = written(tmp_path / "a.json", HARNESS)
    done = CliRunner().invoke(app, ["import", str(run), str(file), "--checkpoint", str(tmp_path / "50.ckpt")])
    assert done.exception is not None
    assert "holds no digest of a checkpoint" in str(done.exception)


def test_the_same_file_twice_changes_nothing(imports: Imports) -> None:
    imports.add(0.8, *imports.bound())
    before = {path: path.read_bytes() for path in (imports.audit, *imports.files())}
    done = imports.add(0.8, *imports.bound())
    assert done.code == 0
    assert "nothing new" in done.err
    assert {path: path.read_bytes() for path in (imports.audit, *imports.files())} == before


def test_a_later_score_of_the_same_checkpoint_replaces_the_earlier_one(imports: Imports) -> None:
    imports.add(0.8, *imports.bound())
    imports.add(0.6, *imports.bound(), file="results_2.json")
    assert [metric.value for metric in imports.metrics()] == [0.6]
    assert len(imports.files()) == 2


def test_binding_a_score_afterwards_replaces_the_unbound_one(imports: Imports) -> None:
    imports.add(0.8)
    imports.add(0.8, *imports.bound())
    assert [metric.quality for metric in imports.metrics()] == [Quality.DECLARED]
    assert imports.gate(0.7).code == 0


@pytest.mark.parametrize("second", [20, None])
def test_of_two_checkpoints_nobody_can_tell_which_counts(imports: Imports, second: int | None) -> None:
    imports.add(0.8, *imports.bound(50))
    imports.add(0.9, *(imports.bound(second) if second else ()), file="results_2.json")
    assert sorted(metric.value or 0 for metric in imports.metrics()) == [0.8, 0.9]
    found = imports.gate(0.1)
    assert found.code == 3
    assert "2 values of imported.task.acc" in found.out


def test_filters_are_labels_that_a_limit_names(imports: Imports) -> None:
    row = {"exact_match,strict-match": 0.5, "exact_match,flexible-extract": 0.9, "acc,none": 0.5}
    done = imports.add_document(harness(task=row), *imports.bound())
    assert 'imported.task.exact_match {filter = "strict-match"}  0.5\n' in done.out
    more = '[limits.b]\nmetric = "imported.task.exact_match"\nmin = 0.6\nlabels = {filter = "flexible-extract"}\n'
    assert imports.gate(0.5, more).code == 0
    assert imports.gate(0.5, more.replace("flexible-extract", "strict-match")).code == 1


def test_a_value_that_is_none_is_unknown(imports: Imports) -> None:
    imports.add(float("nan"), *imports.bound())
    found = imports.gate(0.1)
    assert found.code == 3
    assert "the value is nan" in found.out


def test_several_files_are_imported_at_once_and_the_last_counts(imports: Imports) -> None:
    files = [written(imports.folder / f"results_{n}.json", harness(task={"acc,none": n / 10})) for n in (9, 1, 5)]
    assert imports.command("import", imports.run, *files, *imports.bound()).code == 0
    assert [metric.value for metric in imports.metrics()] == [0.5]
    assert len(imports.files()) == 3


def test_judging_again_keeps_the_imports(imports: Imports) -> None:
    imports.add(0.8, *imports.bound())
    before = imports.audit.read_bytes()
    imports.audit.unlink()
    assert imports.command("report", imports.run).code == 0
    assert imports.audit.read_bytes() == before


def test_reports_that_were_there_show_the_scores(imports: Imports) -> None:
    assert imports.command("report", imports.run).code == 0
    done = imports.add(0.8125, *imports.bound())
    assert "report.html rendered anew" in done.err
    page = (imports.run / "report.html").read_text()
    assert "Imported scores" in page
    assert "0.8125" in page
    assert not (imports.run / "report.md").exists()


def edited(document: dict[str, Any]) -> dict[str, Any]:
    document["metrics"][0]["value"] = 0.99
    return document


def sealed_with_another_metric(document: dict[str, Any]) -> dict[str, Any]:
    document["metrics"][0]["name"] = "carbon.energy_kwh"
    return document | {"digest": seal(document)}


def unsealed(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "digest"}


@pytest.mark.parametrize("edit", [edited, sealed_with_another_metric, unsealed, lambda document: [document]])
def test_an_edited_import_is_damage_and_does_not_count(
    imports: Imports, edit: Callable[[dict[str, Any]], Any]
) -> None:
    imports.add(0.5, *imports.bound())
    (file,) = imports.files()
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))
    imports.audit.unlink()
    assert imports.command("report", imports.run).code == 0
    assert not imports.metrics()
    found = imports.gate(0.1)
    assert found.code == 3
    assert f"the record is damaged: imports/{file.name}" in found.out


def test_an_import_cut_anywhere_is_damage(imports: Imports) -> None:
    imports.add(0.5, *imports.bound())
    (file,) = imports.files()
    whole = file.read_bytes()
    for length in range(0, len(whole) - 2, 53):
        file.write_bytes(whole[:length])
        record = Record.open(imports.run)
        assert not record.imports
        assert record.damage == (f"imports/{file.name}: it is not whole JSON",)


def test_importing_again_mends_an_import(imports: Imports) -> None:
    imports.add(0.5, *imports.bound())
    (file,) = imports.files()
    file.write_text("{}")
    assert imports.add(0.5, *imports.bound()).code == 0
    assert imports.gate(0.5).code == 0


def test_an_import_of_a_newer_version_is_not_guessed_at(imports: Imports) -> None:
    imports.add(0.5, *imports.bound())
    (file,) = imports.files()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 2}))
    done = imports.add(0.6)
    assert done.code == 3
    assert "upgrade groundwire" in done.err


def test_a_changed_audit_is_not_written_over(imports: Imports) -> None:
    document = json.loads(imports.audit.read_text())
    document["run"]["model"] = "Another"
    imports.audit.write_text(json.dumps(document))
    before = imports.audit.read_bytes()
    done = imports.add(0.8, *imports.bound())
    assert done.code == 3
    assert "has been changed" in done.err
    assert imports.audit.read_bytes() == before
    assert not imports.files()


def test_the_damage_of_a_record_stays(imports: Imports) -> None:
    run = imports.run / "run.json"
    run.write_text(run.read_text().replace("TinyGPT", "HugeGPT"))
    assert imports.add(0.8, *imports.bound()).code == 0
    found = imports.gate(0.1)
    assert found.code == 3
    assert "the record is damaged: run.json" in found.out


def test_wrong_use_is_one_sentence_and_changes_nothing(imports: Imports) -> None:
    good, before = written(imports.folder / "good.json", HARNESS), imports.audit.read_bytes()
    run, none = imports.run, imports.folder / "none"
    for arguments, told in (
        ((run, none), "There is no file"),
        ((run, good, none), "There is no file"),
        ((run, imports.folder), "is a folder"),
        ((run, good, "--as", " "), "--as is empty"),
        ((run, good, good, "--as", "x"), "--as names one file"),
        ((run, good, "--checkpoint", none), "Cannot read the checkpoint"),
        ((run, good, "--checkpoint", run), "is a folder"),
        (("", good), "RUN is empty"),
    ):
        done = imports.command("import", *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert told in done.err
        assert done.err.count("\n") == 1
    assert imports.command("import", none, good).code == 3
    assert imports.command("import", run).code == 2
    assert not imports.files()
    assert imports.audit.read_bytes() == before


def an_import(value: float, *, time: str, checkpoint: str | None) -> Import:
    metric = Metric(
        name="imported.a.acc", value=value, unit="", quality=Quality.DECLARED, method="", monitor="imported"
    )
    return Import(file="a", file_sha256="0", checkpoint_sha256=checkpoint, imported=time, metrics=[metric])


def test_a_score_of_a_checkpoint_that_was_written_over_is_unknown() -> None:
    checkpoints = [Checkpoint(path="last.ckpt", step=9, file_sha256="new"), Checkpoint(path="big.ckpt")]
    (metric,) = metrics_of([an_import(0.5, time="1", checkpoint="old")], checkpoints)
    assert (metric.quality, metric.reason, metric.step) == (Quality.UNKNOWN, STRANGE, None)
    (unbound,) = metrics_of([an_import(0.5, time="1", checkpoint=None)], checkpoints)
    assert unbound.quality is Quality.UNKNOWN


def test_the_order_is_that_of_time_and_not_of_files() -> None:
    checkpoints = [Checkpoint(path="last.ckpt", step=9, file_sha256="x")]
    found = [an_import(value, time=time, checkpoint="x") for value, time in ((0.3, "3"), (0.1, "1"), (0.2, "2"))]
    assert [metric.value for metric in metrics_of(found, checkpoints)] == [0.3]
