"""Opens the one file that the gate needs, and says in a sentence why it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import runfile
from .errors import GroundwireError, RecordError, UsageError
from .model import SCHEMA_VERSION, Audit, digest_of
from .storage import Folder, join, open_folder

NAME = "audit.json"


def load_audit(url: str) -> tuple[Audit, bool]:
    """Return the audit of a run and whether its digest fits.

    Args:
        url: Path or fsspec URL of a run folder, of the audit.json or run.json in it, or of another .json file that
            holds an audit.

    Raises:
        RecordError: It is missing, half-written, foreign or newer.
        UsageError: No path was given.
    """
    if not url.strip():
        # As a path, nothing means the current folder: an unset $RUN would gate whatever lies there.
        raise UsageError("RUN is empty: give the folder that the training printed.")
    place, name = _place_of(url)
    folder = open_folder(place)
    where = join(folder.url, name)
    return parse_audit(_content(folder, name), where, folder.url)


def parse_audit(content: bytes, where: str, folder: str = "RUN") -> tuple[Audit, bool]:
    """Return the audit in the content of a file and whether its digest fits.

    Raises:
        RecordError: It is half-written, foreign or newer.
    """
    document = _document(content, where)
    try:
        return Audit.model_validate_json(json.dumps(document)), _digest_fits(document)
    except (ValidationError, ValueError, RecursionError) as error:
        again = f"remove it, and `groundwire report {folder}` judges the record again"
        raise RecordError(f"{where} is not a valid audit ({_first(error)}): {again}.") from error


def _place_of(url: str) -> tuple[str, str]:
    """Return the folder and the file in it that are meant."""
    head, slash, name = url.rstrip("/").rpartition("/")
    if not name.endswith(".json"):
        return url, NAME
    return (head + slash or "."), NAME if name == runfile.NAME else name


def _content(folder: Folder, name: str) -> bytes:
    where = join(folder.url, name)
    try:
        if folder.local and not _is_plain(Path(where)):
            raise RecordError(f"{where} is not a file: give the folder that the training printed.")
        return folder.read(name)
    except (FileNotFoundError, NotADirectoryError) as error:
        if name != NAME:
            raise RecordError(
                f"There is no audit at {where}: give a run folder, or a file that holds an audit."
            ) from error
        raise RecordError(_no_audit(folder)) from error
    except OSError as error:
        raise RecordError(f"Cannot read {where}: {error.strerror or error}. Check who may read it.") from error
    except GroundwireError:
        raise
    except Exception as error:
        if folder.local:
            raise
        # Object stores each raise their own exceptions, which cannot be named without importing them.
        told = f"{type(error).__name__}: {error}"
        raise RecordError(f"Cannot read {where}: {told}. Check the address and the credentials.") from error


def _is_plain(path: Path) -> bool:
    """Return whether a path is a file that ends: a pipe would wait for ever, a device never stop."""
    return path.is_file() or not path.exists()


def _no_audit(folder: Folder) -> str:
    run, _ = runfile.parse(runfile.read(folder), join(folder.url, runfile.NAME))
    told = f"{folder.url} has no {NAME} yet (the run is {run.status})"
    return f"{told}: `groundwire report {folder.url}` judges what was recorded and makes it."


def _document(content: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"{where} is not whole JSON: remove it and run `groundwire report` on the folder to judge it again."
        ) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or version < 1:
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
