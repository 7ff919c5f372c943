"""Where a limit stands, for programs that show a verdict beside the line of the policy."""

from __future__ import annotations

import os
from pathlib import Path

from ..limits import LimitVerdict

ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")  # of the checkout, in GitHub Actions and GitLab CI


def policy_path(policy: str) -> str:
    """Return the path of a policy from the root of its repository, with forward slashes.

    A policy outside of it is given by its name alone: an absolute path has no line in anybody's repository.
    """
    try:
        place = Path(policy).resolve()
        return place.relative_to(_root(place)).as_posix()
    except (OSError, ValueError, RuntimeError):  # a null character, a loop of links, elsewhere
        return Path(policy).name or "policy.toml"


def _root(place: Path) -> Path:
    given = next((Path(os.environ[key]).resolve() for key in ROOTS if os.environ.get(key)), None)
    if given is not None and place.is_relative_to(given):
        return given
    return next((folder for folder in place.parents if (folder / ".git").exists()), Path.cwd().resolve())


def line(limit: LimitVerdict) -> int:
    """Return the line of a limit in its policy, from 1; the first where it is not known."""
    return max(1, limit.line)
