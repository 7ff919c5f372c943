"""What a run ran on, as JSON: versions and the state of the code."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib import metadata

from pydantic import JsonValue

PACKAGES = (
    "groundwire", "torch", "lightning", "pytorch-lightning", "torchmetrics", "codecarbon", "evaluate",
    "detoxify", "alt-profanity-check", "vaderSentiment", "transformers", "peft", "numpy", "scipy",
)  # fmt: skip
GIT_S = 0.5


def machine() -> dict[str, JsonValue]:
    """Return host-independent facts: versions and the state of the code in the working directory."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": _git(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git() -> dict[str, JsonValue]:
    commit = _run_git("rev-parse", "HEAD").strip()
    if not commit:
        return {}
    diff = _run_git("diff", "HEAD")
    return {"commit": commit, "diff_sha256": hashlib.sha256(diff.encode()).hexdigest() if diff else None}


def _run_git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - constant arguments
            ["git", *arguments],  # noqa: S607 - the user's own git
            capture_output=True, timeout=GIT_S, check=False, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
