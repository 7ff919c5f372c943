"""Where a project keeps what the gate needs: [tool.groundwire] in pyproject.toml, and files of a git ref."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from .errors import UsageError
from .limit_table import no_other_keys, shown
from .policy import Read, read_file

KEYS = ("policy", "waivers", "baseline", "release")
BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME")
GIT_S = 30  # seconds that git may take


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Files that a project names for its gate; empty where it names none."""

    policy: str = ""
    waivers: str = ""
    baseline: str = ""
    release: str = ""


def load_settings(read: Read, path: str = "pyproject.toml") -> Settings:
    """Return [tool.groundwire] of a project; nothing where there is no such file or table.

    Raises:
        UsageError: The table has a key that means nothing, or a value that is no path.
    """
    try:
        tool = tomllib.loads(read(path)).get("tool", {})
    except (OSError, ValueError):  # no project, or one that other tools complain about
        return Settings()
    found = tool.get("groundwire", {}) if isinstance(tool, dict) else {}
    where = f"{path}: tool.groundwire"
    if not isinstance(found, Mapping):
        raise UsageError(f"{where} must be a table, as in [tool.groundwire].")
    no_other_keys(found, KEYS, where)
    for key, value in found.items():
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f'{where}: {key} must be a path, as in {key} = "{key}.toml", got {shown(value)}.')
    return Settings(**dict(found))


def branch_of(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the branch that a CI system names; None where none does."""
    return next((found for name in BRANCHES if (found := environment.get(name, "").strip())), None)


def reader(ref: str | None) -> Read:
    """Return how files are read: from disk, or as they are in a git ref, which a change cannot have touched.

    Raises:
        UsageError: It is no ref.
    """
    if ref is None:
        return read_file
    if not ref.strip() or ref.startswith("-") or ":" in ref:
        raise UsageError(f"--policy-ref must be a branch, tag or commit, as in origin/main, got {ref!r}.")
    _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", what=f"There is no git ref {ref!r} here")
    return lambda path: _at(ref, path)


def _at(ref: str, path: str) -> str:
    place = PurePath(path)
    if place.is_absolute():
        place = Path(os.path.relpath(place))
    try:
        return _git("show", f"{ref}:./{place.as_posix()}", what=path)
    except UsageError as error:
        raise FileNotFoundError(path) from error


def _git(*arguments: str, what: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, none of them an option of the user's
            ["git", *arguments],  # noqa: S607 - wherever it is
            check=True, capture_output=True, timeout=GIT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UsageError("--policy-ref needs git, and there is none on the path.") from error
    except subprocess.SubprocessError as error:
        told = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip().splitlines()
        raise UsageError(f"{what}{': ' + told[0] if told else ''}.") from error
    return done.stdout.decode("utf-8-sig")
