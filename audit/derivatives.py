"""What has been declared to be made of a run's weights: files that no longer hold them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .sealed import Sealed, read_sealed
from .storage import Folder

FOLDER = "derivatives"


class Relation(StrEnum):
    """What was done to the audited weights."""

    MERGED = "merged"
    QUANTISED = "quantised"
    EXPORTED = "exported"
    FINE_TUNED = "fine-tuned"


class Derivative(Sealed):
    """A file that somebody declares to be made of a run's weights; nothing measured of those holds for it."""

    run: str
    file: str = Field(description="name of the file, without folders")
    file_sha256: str
    tensors_sha256: str | None = Field(description="null where the format cannot be read")
    relation: Relation
    note: str = ""
    declared: str = Field(description="ISO 8601, UTC")

    @property
    def told(self) -> str:
        """What was declared, in words."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.relation} from the weights of run {self.run}, on {self.declared[:10]}{note}"


def derivatives_of(folder: Folder) -> list[Derivative]:
    """Return what has been declared of a run; a declaration that was changed does not count.

    Raises:
        RecordError: One was written by a newer version.
    """
    return [found for _, found in read_sealed(folder, FOLDER, Derivative) if found is not None]
