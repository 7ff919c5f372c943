"""run.json: which run this is, how it was configured and how each attempt ended."""

from __future__ import annotations

import json
import math
import os
import socket
from datetime import UTC, datetime

from pydantic import Field, JsonValue, ValidationError

from .document import Document
from .errors import RecordError
from .model import SCHEMA_VERSION, RunKind, RunStatus, digest_of
from .storage import Folder

NAME = "run.json"


class Attempt(Document):
    """One process's go at the run; a resumed run has several."""

    number: int
    status: RunStatus = RunStatus.RUNNING
    started: str
    ended: str | None = None
    host: str
    pid: int
    world_size: int = Field(default=1, ge=1)
    resumes: int | None = Field(default=None, description="attempt whose checkpoint it went on from; else the last")
    first_step: int = Field(description="optimizer steps already taken when the attempt began")
    first_epoch: int | None = Field(default=None, description="epochs already begun when the attempt began")
    steps: int | None = Field(default=None, description="optimizer steps taken when it ended")
    epochs: int | None = Field(default=None, description="epochs finished when it ended, with those before the run")
    exception: str | None = None
    events: int | None = Field(default=None, description="events of rank 0, once it ended")
    chunks: int | None = Field(default=None, description="chunks of series of rank 0, once it ended")

    @property
    def alive(self) -> bool:
        """Whether its process still runs, as far as this host can tell."""
        if self.status is not RunStatus.RUNNING:
            return False
        # Resumed on another host or by a process with the same number, as in a container, it has been given up.
        elsewhere = self.host != socket.gethostname() or self.pid == os.getpid()
        return not elsewhere and process_exists(self.pid)


class RunFile(Document):
    """Content of run.json."""

    schema_version: int = SCHEMA_VERSION
    id: str
    parent: str | None = None
    kind: RunKind = RunKind.TRAINING
    model: str
    started: str
    world_size: int = Field(default=1, ge=1)
    attempts: list[Attempt] = Field(min_length=1)
    environment: dict[str, JsonValue] = Field(default={})
    configuration: dict[str, JsonValue] = Field(default={})
    digest: str = ""

    @property
    def status(self) -> RunStatus:
        """How the latest attempt ended."""
        return self.attempts[-1].status

    @property
    def own_epochs(self) -> int | None:
        """Epochs that this run itself began and finished, without those it began with; None where it cannot tell."""
        first = self.attempts[0]
        before = first.first_epoch if first.first_epoch is not None or first.first_step else 0
        return None if before is None else max(0, (self.attempts[-1].epochs or 0) - before)

    def lineage(self) -> dict[int, float]:
        """Return the attempts that led to the last weights, each with the last of its steps that did."""
        attempts = {attempt.number: attempt for attempt in self.attempts}
        found: dict[int, float] = {}
        attempt: Attempt | None = self.attempts[-1]
        until = math.inf
        while attempt is not None and attempt.number not in found:
            found[attempt.number] = until
            until = min(until, attempt.first_step)
            attempt = attempts.get(attempt.resumes or attempt.number - 1)
        return found

    def text(self) -> bytes:
        """Return the file's content, sealed with its digest."""
        document = self.model_dump(mode="json")
        # `status` stands at the top for whoever reads the file without us.
        document |= {"status": self.status.value}
        return (json.dumps(document | {"digest": digest_of(document)}, indent=1) + "\n").encode()


def parse(content: bytes, where: str) -> tuple[RunFile, bool]:
    """Return what run.json says and whether its digest fits.

    Raises:
        RecordError: It is half-written, foreign, or written by a newer version.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where} is not whole JSON: restore the run folder from a copy.") from error
    if not isinstance(document, dict) or not isinstance(document.get("schema_version"), int):
        raise RecordError(f"{where} was not written by Groundwire: give the path of a run folder.")
    if document["schema_version"] > SCHEMA_VERSION:
        versions = f"schema version {document['schema_version']}, this Groundwire reads up to {SCHEMA_VERSION}"
        raise RecordError(f"{where} has {versions}: upgrade groundwire.")
    try:
        intact = isinstance(document.get("digest"), str) and document["digest"] == _digest(document)
        document.pop("status", None)
        return RunFile.model_validate_json(json.dumps(document)), intact
    except RecursionError as error:
        raise RecordError(f"{where} was not written by Groundwire: give the path of a run folder.") from error
    except ValidationError as error:
        raise RecordError(f"{where} is not a valid run file ({_first(error)}): restore it from a copy.") from error


def read(folder: Folder) -> bytes:
    """Return the bytes of run.json.

    Raises:
        RecordError: There is none, or it cannot be read.
    """
    try:
        return folder.read(NAME)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordError(_nothing_there(folder)) from error
    except OSError as error:
        raise RecordError(f"Cannot read {folder.url}: {error.strerror or error}. Check who may read it.") from error


def _nothing_there(folder: Folder) -> str:
    try:
        runs = sorted(name.split("/")[0] for name in folder.names() if name.count("/") == 1)
        runs = [name for name in dict.fromkeys(runs) if folder.exists(f"{name}/{NAME}")]
    except OSError:
        runs = []
    if runs:
        return f"{folder.url} holds runs but is none itself: give one, the last is {folder.url}/{runs[-1]}."
    hint = "give the folder that the training printed"
    return f"{folder.url} is not a run folder (no {NAME} in it): {hint}."


def _digest(document: dict[str, JsonValue]) -> str | None:
    try:
        return digest_of(document | {"digest": ""})
    except ValueError:
        return None


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def process_exists(pid: int) -> bool:
    """Return whether a process with this id runs on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
