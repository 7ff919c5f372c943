"""Where the numbers come from: code, packages, hardware, seeds, data and hyperparameters of a run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .model import Audit

MOST = 150
HARDWARE = ("platform", "cpus", "gpus", "accelerator", "nodes", "world_size", "strategy", "precision")
CODE = {"git.commit": "commit", "git.diff_sha256": "digest of changes that were not committed"}
NO_COMMIT = "unknown: the training was not started in a git repository"
NO_SEED = "not set: another run will differ"

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One kind of facts.

    Attributes:
        title: What they are about.
        rows: Names and values.
        short: Whether they are few enough to stand open.
    """

    title: str
    rows: list[Pair]
    short: bool = False


def sources(audit: Audit) -> list[Source]:
    """Return what is known of where a run's numbers come from; kinds of which nothing is known are left out."""
    facts = dict(flattened(audit.environment))
    packages = dict(flattened(_part(audit.environment, "packages")))
    told = {key: value for key, value in facts.items() if not key.startswith("packages.")}
    taken = {*HARDWARE, *CODE, "seed", "python"}
    hardware = [(key.replace("_", " "), told[key]) for key in HARDWARE if key in told]
    python = [("python", told["python"])] if "python" in told else []
    kinds = (
        Source(title="Code and seed", rows=list(_code(told)), short=True),
        Source(title="Hardware", rows=hardware, short=True),
        Source(title="Packages", rows=python + _capped(packages.items())),
        Source(title="Data", rows=_capped(flattened(_part(audit.configuration, "data")))),
        Source(title="Hyperparameters", rows=_capped(_hyperparameters(audit.configuration))),
        Source(title="Further facts", rows=_capped((k, v) for k, v in told.items() if k not in taken)),
    )
    return [kind for kind in kinds if kind.rows]


def commit(audit: Audit) -> str:
    """Return the commit in short, and whether more had been changed; empty where it is not known."""
    git = _part(audit.environment, "git")
    if not git.get("commit"):
        return ""
    return str(git["commit"])[:12] + (" with changes" if git.get("diff_sha256") else "")


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def _code(told: Mapping[str, str]) -> Iterator[Pair]:
    if not told:
        return
    for key, name in CODE.items():
        if key in told:
            yield name, told[key] if told[key] != "—" else "none"
    if told.get("git.commit", "—") == "—":
        yield "commit", NO_COMMIT
    yield "seed", told.get("seed", "—") if told.get("seed", "—") != "—" else NO_SEED


def _hyperparameters(configuration: Mapping[str, Any]) -> Iterator[Pair]:
    for key, value in flattened(configuration):
        if not key.startswith("data."):
            yield key, value


def _capped(rows: Any) -> list[Pair]:
    return list(itertools.islice(rows, MOST))


def flattened(document: Mapping[str, Any], prefix: str = "") -> Iterator[Pair]:
    """Yield the leaves of a nested document as dotted keys and texts."""
    for key, value in document.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            yield from flattened(value, name)
        else:
            yield name, _leaf(value)


def _leaf(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "—"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(_leaf(item) for item in value) or "—"
    return str(value) if not isinstance(value, Mapping) or value else "—"
