"""Imported scores as a run keeps them: a sealed file for each, bound to a checkpoint by the digest of its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, ValidationError, model_validator

from .document import Document
from .errors import RecordError
from .model import SCHEMA_VERSION, Checkpoint, Metric, Quality, digest_of
from .registry import IMPORTED_PREFIX
from .storage import Folder

FOLDER = "imports"
UNBOUND = "bound to no checkpoint: say --checkpoint when it is imported"
STRANGE = "bound to a checkpoint that this run no longer has"


class Import(Document):
    """What one file said when it was imported."""

    schema_version: int = SCHEMA_VERSION
    file: str = Field(description="name of the file, without folders")
    file_sha256: str
    checkpoint_sha256: str | None = Field(default=None, description="of the checkpoint that was evaluated")
    imported: str = Field(description="ISO 8601, UTC, with microseconds: the later of two imports counts")
    metrics: list[Metric]
    digest: str = ""

    @model_validator(mode="after")
    def _only_imported(self) -> Self:
        """Refuse what the run itself measures: no import may stand in for it."""
        for metric in self.metrics:
            if not metric.name.startswith(IMPORTED_PREFIX):
                raise ValueError(f"{metric.name!r} is no imported metric")
        return self

    @property
    def name(self) -> str:
        """Where it lies in the run folder: the same content, whenever it was imported, in the same place."""
        content = self.model_dump(mode="json", exclude={"imported", "digest"})
        return f"{FOLDER}/{digest_of(content)[:12]}.json"

    def text(self) -> bytes:
        """Return the file's content, sealed with its digest."""
        document = self.model_dump(mode="json")
        sealed = document | {"digest": digest_of(document)}
        return (json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_imports(folder: Folder, names: Iterable[str]) -> tuple[list[Import], list[str]]:
    """Return the imports among the files of a run folder, and what is wrong with those that do not count.

    Raises:
        RecordError: One was written by a newer version.
    """
    found, damage = [], []
    for name in names:
        if name.startswith(f"{FOLDER}/") and name.endswith(".json"):
            try:
                found.append(_parse(folder.read(name), f"{folder.url}/{name}"))
            except OSError as error:
                damage.append(f"{name}: cannot be read ({error.strerror or error})")
            except (ValueError, RecursionError) as error:
                damage.append(f"{name}: {_told(error)}")
    return found, damage


def _parse(content: bytes, where: str) -> Import:
    document = json.loads(content)
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        versions = f"schema version {version}, this Groundwire reads up to {SCHEMA_VERSION}"
        raise RecordError(f"{where} has {versions}: upgrade groundwire.")
    found = Import.model_validate_json(json.dumps(document))
    if found.digest != digest_of(document):
        raise ValueError("its digest does not fit its content")
    return found


def _told(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "it is not what `groundwire import` writes"
    whole = not isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError)
    return str(error) if whole else "it is not whole JSON"


def metrics_of(imports: Sequence[Import], checkpoints: Sequence[Checkpoint]) -> list[Metric]:
    """Return the metrics of all imports, each with its checkpoint.

    A later import of the same metric replaces an earlier one of the same checkpoint, or of none. Where two stay, of
    two checkpoints, a limit cannot tell which one counts.
    """
    found: list[Metric] = []
    for each in sorted(imports, key=lambda each: each.imported):
        fresh = [_bound(metric, each, checkpoints) for metric in each.metrics]
        replaced = {(metric.key, place) for metric in fresh for place in (metric.checkpoint, None)}
        found = [metric for metric in found if (metric.key, metric.checkpoint) not in replaced] + fresh
    return found


def _bound(metric: Metric, found: Import, checkpoints: Sequence[Checkpoint]) -> Metric:
    """Return the metric with its checkpoint; without one nobody knows what it was measured on."""
    wanted = found.checkpoint_sha256
    checkpoint = next((c for c in checkpoints if wanted is not None and c.file_sha256 == wanted), None)
    if checkpoint is None:
        reason = metric.reason or (UNBOUND if wanted is None else STRANGE)
        return metric.model_copy(update={"quality": Quality.UNKNOWN, "reason": reason})
    return metric.model_copy(update={"checkpoint": checkpoint.path, "step": checkpoint.step})
