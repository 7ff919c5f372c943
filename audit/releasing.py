"""Which of a run's checkpoints a file is, for the gate."""

from __future__ import annotations

from pathlib import Path

from .artefact import audited
from .derivatives import derivatives_of
from .gate import Weights
from .model import Audit
from .storage import open_folder


def released(audit: Audit, path: Path, folder: str) -> Weights:
    """Return the checkpoint of `audit` whose weights `path` holds, or why it is none of them.

    Args:
        audit: A run's audit.
        path: What is to be released.
        folder: The run folder, in which derivatives are declared.

    Raises:
        UsageError: There is no such file.
    """
    found = audited(audit, path, derivatives_of(open_folder(folder)))
    return Weights(checkpoint=found.checkpoints[0] if found.outcome == "match" else None, told=found.told)
