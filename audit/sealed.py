"""What is added to a run folder after the run: each statement a file of its own, sealed with its digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from .document import Document
from .errors import RecordError
from .model import SCHEMA_VERSION, digest_of
from .storage import Folder


class Sealed(Document):
    """A statement of somebody about a run."""

    schema_version: int = SCHEMA_VERSION
    digest: str = ""

    def text(self) -> bytes:
        """Return the file's content, sealed."""
        document = self.model_dump(mode="json")
        sealed = document | {"digest": digest_of(document)}
        return (json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


Kind = TypeVar("Kind", bound=Sealed)


def write_sealed(folder: Folder, under: str, statement: Sealed) -> str:
    """Write a statement below `under`, and return its name; the same one again has the same name.

    Raises:
        RecordError: The folder cannot be written.
    """
    content = statement.text()
    name = f"{under}/{json.loads(content)['digest'][:12]}.json"
    try:
        folder.write(name, content)
    except OSError as error:
        raise RecordError(f"Cannot write {name} to {folder.url}: {error.strerror or error}.") from error
    return name


def read_sealed(folder: Folder, under: str, kind: type[Kind]) -> Iterator[tuple[str, Kind | None]]:
    """Yield name and content of each statement below `under`; None when it is damaged or was changed.

    Raises:
        RecordError: One was written by a newer version.
    """
    for name in folder.names(under):
        if name.endswith(".json"):
            yield name, _parsed(folder, name, kind)


def _parsed(folder: Folder, name: str, kind: type[Kind]) -> Kind | None:
    try:
        document: Any = json.loads(folder.read(name))
        version = document.get("schema_version") if isinstance(document, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            versions = f"schema version {version}, this Groundwire reads up to {SCHEMA_VERSION}"
            raise RecordError(f"{folder.url}/{name} has {versions}: upgrade groundwire.")
        found = kind.model_validate_json(json.dumps(document))
        return found if found.digest == digest_of(document) else None
    except (OSError, ValidationError, ValueError, RecursionError):
        return None
