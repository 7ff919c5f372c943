"""A folder on a local disk or on any fsspec URL: atomic files, and files that grow."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import RecordError

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]+(::|://)", re.IGNORECASE)
_SEGMENT = re.compile(r"\.\d{6}$")


def open_folder(url: str | os.PathLike[str]) -> Folder:
    """Return the folder at a path or an fsspec URL, whether it exists or not."""
    text = os.fspath(url)
    if text.startswith("file://"):
        return LocalFolder(Path(unquote(urlsplit(text).path)))
    return RemoteFolder(text) if _SCHEME.match(text) else LocalFolder(Path(text).expanduser())


def join(url: str | os.PathLike[str], name: str) -> str:
    """Return the path or URL of `name` in the folder `url`."""
    text = os.fspath(url)
    return f"{text.rstrip('/')}/{name}" if _SCHEME.match(text) else str(Path(text).expanduser() / name)


class Folder:
    """Files by relative name with forward slashes."""

    url: str
    local = True

    def read(self, name: str) -> bytes:
        """Return a file's bytes; of a file that grew, all of them.

        Raises:
            FileNotFoundError: There is no such file.
        """
        raise NotImplementedError

    def write(self, name: str, content: bytes) -> None:
        """Replace a file in one step, so that no reader sees half of it."""
        raise NotImplementedError

    def append(self, name: str, content: bytes) -> int:
        """Add to a file and return the offset at which `content` begins."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        raise NotImplementedError

    def names(self, under: str = "") -> list[str]:
        """Return the names of all files below `under`, sorted; files that grew by their one name."""
        raise NotImplementedError

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        raise NotImplementedError


class LocalFolder(Folder):
    """A folder of the local file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = str(path)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write beside the file and move over it."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            fresh.write_bytes(content)
            fresh.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise

    def append(self, name: str, content: bytes) -> int:
        """Add to the file; when only a part could be written, take that part back."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab", buffering=0) as file:
            start = file.tell()
            try:
                _write_all(file, content)
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(start)
                raise
        return start

    def remove(self, name: str) -> None:
        """Remove the file if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def names(self, under: str = "") -> list[str]:
        """Return the files below `under`, without temporary ones."""
        found = (self.path / under).rglob("*") if (self.path / under).is_dir() else ()
        names = (file.relative_to(self.path).as_posix() for file in found if file.is_file())
        return sorted(name for name in names if not name.endswith(".tmp"))

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return (self.path / name).is_file()


def _write_all(file: Any, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


class RemoteFolder(Folder):
    """A folder on an object store: nothing can be appended there, so files grow by numbered segments."""

    local = False

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._fs, self._root = _file_system(self.url)
        self._sizes: dict[str, tuple[int, int]] = {}  # name: segments, bytes

    def read(self, name: str) -> bytes:
        """Return a file's bytes, or its segments joined."""
        whole = f"{self._root}/{name}"
        if self._fs.exists(whole):
            return bytes(self._fs.cat_file(whole))
        segments = self._segments(name)
        if not segments:
            raise FileNotFoundError(f"{self.url}/{name}")
        return b"".join(bytes(self._fs.cat_file(segment)) for segment in segments)

    def write(self, name: str, content: bytes) -> None:
        """Put the object: stores show it whole or not at all."""
        self._fs.pipe_file(f"{self._root}/{name}", content)

    def append(self, name: str, content: bytes) -> int:
        """Put one more segment."""
        if name not in self._sizes:
            self._sizes[name] = self._size_of(name)
        segments, start = self._sizes[name]
        self._fs.pipe_file(f"{self._root}/{name}.{segments + 1:06d}", content)
        self._sizes[name] = segments + 1, start + len(content)
        return start

    def remove(self, name: str) -> None:
        """Remove the file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}")

    def names(self, under: str = "") -> list[str]:
        """Return the files below `under`."""
        self._fs.invalidate_cache()
        found = self._fs.find(f"{self._root}/{under}".rstrip("/"))
        root = str(self._fs._strip_protocol(self.url))
        return sorted({_SEGMENT.sub("", path[len(root) :].strip("/")) for path in found})

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return bool(self._fs.exists(f"{self._root}/{name}")) or bool(self._segments(name))

    def _segments(self, name: str) -> list[str]:
        self._fs.invalidate_cache()
        parent, _, last = f"{self._root}/{name}".rpartition("/")
        try:
            # Not `glob`: a folder's own name may hold brackets and stars.
            beside = [str(path) for path in self._fs.ls(parent, detail=False)]
        except FileNotFoundError:
            return []
        segment = re.compile(re.escape(last) + _SEGMENT.pattern)
        return sorted(path for path in beside if segment.fullmatch(path.rpartition("/")[2]))

    def _size_of(self, name: str) -> tuple[int, int]:
        segments = self._segments(name)
        return len(segments), sum(int(self._fs.size(segment)) for segment in segments)


def _file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of `url` and the path in it.

    Raises:
        RecordError: The protocol is unknown or its package is missing.
    """
    import fsspec

    try:
        file_system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise RecordError(f"Cannot open {url}: {error}. Install the fsspec package for it.") from error
    return file_system, str(path)
