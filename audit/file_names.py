"""Files that the gate looks for where none is named, and whether a file is there."""

from __future__ import annotations

import os
from pathlib import Path

POLICY = "policy.toml"
WAIVERS = "waivers.toml"
RELEASE = "release.toml"


def is_file(path: str | Path) -> bool:
    """Return whether there is a file; also of names too long to be one, for which `Path.is_file` raises."""
    return os.path.isfile(path)  # noqa: PTH113
