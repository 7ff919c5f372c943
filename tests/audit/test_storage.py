"""A folder is the same on a disk and on an object store: whole files, files that grow, names."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from groundwire.audit.storage import Folder, join, open_folder

NUMBERS = itertools.count()


@pytest.fixture(params=["local", "file://", "memory://"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    places = {"local": str(tmp_path / "run"), "file://": f"file://{tmp_path}/run"}
    return open_folder(places.get(request.param, f"memory://storage/{next(NUMBERS)}/run"))


def test_a_written_file_is_read_and_replaced(folder: Folder) -> None:
    folder.write("deep/file", b"first and long")
    folder.write("deep/file", b"second")
    assert folder.read("deep/file") == b"second"
    assert folder.names() == ["deep/file"]


def test_a_file_grows_from_where_it_ended(folder: Folder) -> None:
    assert [folder.append("deep/log", part) for part in (b"ab", b"", b"cde")] == [0, 2, 2]
    assert open_folder(folder.url).append("deep/log", b"f") == 5  # another process, later
    assert open_folder(folder.url).read("deep/log") == b"abcdef"
    assert folder.names() == ["deep/log"]


def test_files_whose_names_begin_alike_are_kept_apart(folder: Folder) -> None:
    for name in ("events", "events.more", "x-events", "deep/events"):
        folder.append(name, name.encode())
    assert [folder.read(name) for name in folder.names()] == [name.encode() for name in folder.names()]
    assert folder.names("deep") == ["deep/events"]


def test_what_is_not_there_is_not_found(folder: Folder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.read("none")
    assert not folder.exists("none")
    assert folder.names() == []
    folder.remove("none")


def test_a_removed_file_is_gone(folder: Folder) -> None:
    folder.write("file", b"x")
    assert folder.exists("file")
    folder.remove("file")
    assert not folder.exists("file")


@pytest.mark.parametrize("name", ["run [1]*?", "run.000001", "ü/ß"])
@pytest.mark.parametrize("start", ["memory://odd", "{tmp}"])
def test_a_folder_may_be_called_anything(tmp_path: Path, start: str, name: str) -> None:
    folder = open_folder(join(start.format(tmp=tmp_path), name))
    folder.append("log", b"a")
    folder.append("log", b"b")
    assert (folder.read("log"), folder.names()) == (b"ab", ["log"])
    assert folder.exists("log")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder(tmp_path)
    folder.write("file", b"old")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write("file", b"new")
    assert folder.read("file") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_url_may_have_escapes(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    open_folder(f"file://{tmp_path}/a%20b").write("file", b"x")
    assert (tmp_path / "a b" / "file").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("url", "joined"), [("s3://bucket/run/", "s3://bucket/run/x"), ("runs/", "runs/x"), ("C", "C/x")]
)
def test_paths_and_urls_are_joined(url: str, joined: str) -> None:
    assert join(url, "x") == joined
