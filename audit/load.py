"""Opens the one file that the gate needs, and says in a sentence why it cannot."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from . import runfile
from .errors import RecordError
from .model import SCHEMA_VERSION, Audit, digest_of
from .storage import Folder, open_folder

NAME = "audit.json"


def load_audit(url: str) -> tuple[Audit, bool]:
    """Return the audit of a run and whether its digest fits.

    Args:
        url: Path or fsspec URL of a run folder, or of its audit.json.

    Raises:
        RecordError: It is missing, half-written, foreign or newer.
    """
    folder = open_folder(url.rstrip("/").removesuffix(NAME) if PurePosixPath(url).name == NAME else url)
    where = f"{folder.url}/{NAME}"
    try:
        content = folder.read(NAME)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordError(_no_audit(folder)) from error
    except OSError as error:
        raise RecordError(f"Cannot read {where}: {error.strerror or error}. Check who may read it.") from error
    document = _document(content, where)
    try:
        return Audit.model_validate_json(json.dumps(document)), _digest_fits(document)
    except (ValidationError, ValueError, RecursionError) as error:
        raise RecordError(f"{where} is not a valid audit ({_first(error)}): {_again(folder)}.") from error


def _no_audit(folder: Folder) -> str:
    run, _ = runfile.parse(runfile.read(folder), f"{folder.url}/{runfile.NAME}")
    return f"{folder.url} has no {NAME} yet (the run is {run.status}): {_again(folder)}."


def _again(folder: Folder) -> str:
    return f"remove {NAME} and run `groundwire report {folder.url}`, which judges the record again"


def _document(content: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"{where} is not whole JSON: remove it and run `groundwire report` on the folder to judge it again."
        ) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise RecordError(f"{where} was not written by Groundwire: give the path of a run folder.")
    if version > SCHEMA_VERSION:
        raise RecordError(
            f"{where} has schema version {version}, this Groundwire reads up to {SCHEMA_VERSION}: upgrade groundwire."
        )
    return dict(document)


def _digest_fits(document: dict[str, Any]) -> bool:
    try:
        return bool(document.get("digest") == digest_of(document))
    except ValueError:
        return False


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return (str(error).splitlines() or ["unreadable"])[0][:200]
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
