"""Whatever lies where an audit should be: an audit, or one sentence; never a traceback, never a wait."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from groundwire.audit.errors import GroundwireError, RecordError, UsageError
from groundwire.audit.load import load_audit
from groundwire.audit.model import RunStatus
from groundwire.audit.storage import LocalFolder, RemoteFolder
from run_material import judged_run, make_run


@pytest.mark.parametrize("ending", ["", "/", "/audit.json", "/run.json"])
def test_a_run_is_named_by_its_folder_or_a_file_in_it(tmp_path: Path, ending: str) -> None:
    audit, digest_ok = load_audit(f"{judged_run(tmp_path / 'run')}{ending}")
    assert digest_ok
    assert audit.run.status is RunStatus.FINISHED


def test_a_file_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(judged_run(tmp_path / "run"))
    assert load_audit("audit.json")[1]
    assert load_audit(".")[1]


@pytest.mark.parametrize("url", ["", " "])
def test_an_unset_variable_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(judged_run(tmp_path / "run"))
    with pytest.raises(UsageError, match="RUN is empty"):
        load_audit(url)


def test_a_run_without_an_audit_says_how_to_make_one(tmp_path: Path) -> None:
    make_run(tmp_path, finished=False)
    with pytest.raises(RecordError, match=r"no audit.json yet \(the run is running\): `groundwire report"):
        load_audit(str(tmp_path))


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is not a run folder"):
        load_audit(str(tmp_path / "none"))
    judged_run(tmp_path / "runs" / "a")
    with pytest.raises(RecordError, match="holds runs but is none itself"):
        load_audit(str(tmp_path / "runs"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_the_audit_is_not_waited_for(tmp_path: Path) -> None:
    make_run(tmp_path)
    os.mkfifo(tmp_path / "audit.json")
    with pytest.raises(RecordError, match="is not a file"):
        load_audit(str(tmp_path))


def test_an_audit_that_nobody_may_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_run(tmp_path)

    def refuse(self: LocalFolder, name: str) -> bytes:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(LocalFolder, "read", refuse)
    with pytest.raises(RecordError, match="Permission denied"):
        load_audit(str(tmp_path))


def test_what_an_object_store_raises_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentialsError(Exception):
        pass

    def refuse(self: RemoteFolder, name: str) -> bytes:
        raise NoCredentialsError("no key was found")

    monkeypatch.setattr(RemoteFolder, "read", refuse)
    with pytest.raises(RecordError, match="NoCredentialsError: no key was found"):
        load_audit("memory://bucket/run")


def test_a_run_is_read_from_an_object_store(tmp_path: Path) -> None:
    url = "memory://load-test/run"
    make_run(url).write("audit.json", (judged_run(tmp_path) / "audit.json").read_bytes())
    assert load_audit(url)[1]
    assert load_audit(f"{url}/audit.json")[1]


def test_an_audit_cut_anywhere_is_one_sentence(tmp_path: Path) -> None:
    judged_run(tmp_path)
    whole = (tmp_path / "audit.json").read_bytes()
    for length in range(0, len(whole) - 2, 97):
        (tmp_path / "audit.json").write_bytes(whole[:length])
        with pytest.raises(RecordError):
            load_audit(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[" * 100_000, "is not whole JSON"),
        (b"\x00" * 1_000_000, "is not whole JSON"),
        (b"3", "was not written by Groundwire"),
        (b'{"schema_version": true}', "was not written by Groundwire"),
        (b'{"schema_version": 2}', "upgrade groundwire"),
        (b'{"schema_version": 1, "metrics": 3}', "is not a valid audit"),
    ],
)
def test_a_foreign_audit_is_one_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    judged_run(tmp_path)
    (tmp_path / "audit.json").write_bytes(content)
    with pytest.raises(RecordError, match=told) as caught:
        load_audit(str(tmp_path))
    assert len(str(caught.value)) < 600


def test_a_folder_in_place_of_the_audit_is_one_sentence(tmp_path: Path) -> None:
    judged_run(tmp_path)
    (tmp_path / "audit.json").unlink()
    with pytest.raises(RecordError, match="groundwire report"):
        load_audit(str(tmp_path))
    (tmp_path / "audit.json").mkdir()
    with pytest.raises(RecordError, match="is not a file"):
        load_audit(str(tmp_path))


def flipped(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def shuffled(content: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.sample(range(len(content)), 2))
    return content[:start] + content[end:]


def rubbish(content: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(len(content)))


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flipped, shuffled, rubbish])
def test_damaged_bytes_never_load_as_intact(tmp_path: Path, damage: Callable[[bytes, random.Random], bytes]) -> None:
    judged_run(tmp_path)
    whole = (tmp_path / "audit.json").read_bytes()
    meant, rng = json.loads(whole), random.Random(0)
    for _ in range(300):
        content = damage(whole, rng)
        (tmp_path / "audit.json").write_bytes(content)
        try:
            _, digest_ok = load_audit(str(tmp_path))
        except GroundwireError:
            continue
        assert not digest_ok or json.loads(content) == meant  # a flip between values may change nothing
