"""Where a project keeps what the gate needs: [tool.groundwire] in pyproject.toml, and files of a git ref."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

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
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:  # without it, another policy might be taken than is named
        raise UsageError(f"Cannot read {path}, which may name the policy: {error}.") from error
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
    return next((found for name in BRANCHES if (found := short_branch(environment.get(name, "")))), None)


def short_branch(name: str) -> str:
    """Return a branch as people name it: `main` for `refs/heads/main`."""
    return name.strip().removeprefix("refs/heads/")


def reader(ref: str | None) -> Read:
    """Return how files are read: from disk, or as they are in a git ref, which a change cannot have touched.

    Raises:
        UsageError: It is no ref.
    """
    if ref is None:
        return read_file
    if not ref.strip() or ref.startswith("-") or ":" in ref:
        raise UsageError(f"--policy-ref must be a branch, tag or commit, as in origin/main, got {ref!r}.")
    found = _git("rev-parse", "--verify", f"{ref}^{{commit}}", what=f"There is no git ref {ref!r} here")
    if "ambiguous" in found.told:  # git takes a tag of that name before the branch of the remote
        raise UsageError(f"There are several git refs {ref!r}: name one in full, as in refs/remotes/origin/main.")
    return lambda path: _at(found.out.strip(), path)


def _at(commit: str, path: str) -> str:
    """Return the text of a file in a commit.

    Raises:
        FileNotFoundError: It is not in it.
        UsageError: It is there and no file, or git cannot tell.
    """
    place = PurePath(path)
    if place.is_absolute():
        place = Path(os.path.relpath(place))
    listed = _git("ls-tree", "-z", commit, "--", place.as_posix(), what=f"git cannot look for {path}").out
    if not listed:
        raise FileNotFoundError(path)
    mode, _, blob = listed.split("\t")[0].split(" ")
    if not mode.startswith("100"):
        raise UsageError(f"{path} is no file at that git ref, but a link or a folder: name the file itself.")
    return _git("cat-file", "blob", blob, what=f"git cannot read {path}").out


class _Said(NamedTuple):
    """What git wrote: to stdout and to stderr."""

    out: str
    told: str


def _git(*arguments: str, what: str) -> _Said:
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, none of them an option of the user's
            ["git", "-c", "core.warnAmbiguousRefs=true", *arguments],  # noqa: S607 - wherever it is
            check=True, capture_output=True, timeout=GIT_S, stdin=subprocess.DEVNULL,
            env=os.environ | {"LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UsageError("--policy-ref needs git, and there is none on the path.") from error
    except subprocess.SubprocessError as error:
        told = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip().splitlines()
        raise UsageError(f"{what}{': ' + told[0] if told else ''}.") from error
    return _Said(done.stdout.decode("utf-8-sig"), done.stderr.decode(errors="replace"))
