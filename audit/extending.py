"""A policy on top of another: its tables over the other's, and nothing that loosens a locked one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath
from typing import Any

from .errors import UsageError
from .limit_table import LEVELS, Limit, shown
from .policy import Policy, Read, check_schema, document_of, parse_policy
from .registry import nearest

DEEPEST = 10  # policies on top of each other
PREFIX = "profile:"
PROFILES = ("research", "release", "regulated")
INHERITED = ("extends", "locked")  # keys that say something of one file only

Document = dict[str, Any]


def whole(path: str, read: Read) -> tuple[Document, str, str]:
    """Return a policy's document with all that it extends, its own text, and a digest of all the files.

    Raises:
        UsageError: A file cannot be read, they extend each other, or one loosens a locked one.
    """
    document, text = document_of(path, read)
    stack = _stack(document, path, read)
    merged: Document = {}
    locked: list[Policy] = []
    for place, own in reversed([(path, document), *((base.path, base.document) for base in stack)]):
        check_schema(own.get("schema"), place)
        merged = _over(merged, _placed({key: value for key, value in own.items() if key not in INHERITED}, place))
        for base in locked:
            _require_as_strict(base, parse_policy(merged, place))
        if _is_locked(own, place):
            locked.append(parse_policy(merged, place))
    texts = [text, *(base.text for base in stack)]
    return merged, text, hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _placed(document: Document, place: str) -> Document:
    """Return a policy whose baseline lies where that policy does, whoever extends it from elsewhere."""
    named = document.get("baseline")
    if not isinstance(named, str) or not named.strip() or "://" in named:
        return document
    return document | {"baseline": PurePath(place).parent.joinpath(named).as_posix()}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Base:
    path: str
    document: Document
    text: str


def _stack(document: Document, path: str, read: Read) -> list[_Base]:
    """Return what a policy extends, what that extends, and so on."""
    found: list[_Base] = []
    while "extends" in document:
        base = _base(document["extends"], path, read)
        chain = [path, *(one.path for one in found)]
        if base.path in chain or len(found) >= DEEPEST:
            raise UsageError(f"{path}: extends {base.path}, which extends it: {' → '.join([*chain, base.path])}.")
        found.append(base)
        document, path = base.document, base.path
    return found


def _is_locked(document: Document, path: str) -> bool:
    value = document.get("locked", False)
    if not isinstance(value, bool):
        raise UsageError(f"{path}: locked must be true or false, got {shown(value)}.")
    return value


def _base(given: Any, path: str, read: Read) -> _Base:
    """Return what a policy extends."""
    if not isinstance(given, str) or not given.strip():
        told = f'as in extends = "{PREFIX}release" or extends = "base.toml"'
        raise UsageError(f"{path}: extends must be a profile or a file, {told}, got {shown(given)}.")
    profile = given.startswith(PREFIX)
    found = given if profile else PurePath(path).parent.joinpath(given).as_posix()
    document, text = document_of(
        found, (lambda _: profile_text(given.removeprefix(PREFIX), path)) if profile else read
    )
    return _Base(path=found, document=document, text=text)


def profile_text(name: str, path: str = "--profile") -> str:
    """Return a profile that comes with Groundwire.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PROFILES:
        hint = nearest(name, list(PROFILES)) or f"; there are {', '.join(PROFILES)}"
        raise UsageError(f"{path}: there is no profile {name!r}{hint}.")
    return resources.files("groundwire.audit").joinpath("profiles", f"{name}.toml").read_text(encoding="utf-8")


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Document:
    """Return tables merged key by key, the upper one's values over the lower one's."""
    merged = dict(lower)
    for key, value in upper.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


# What may be made stricter, and how: each says whether the second is as strict as the first.
Compare = Callable[[Any, Any], bool]
AT_MOST: Compare = lambda base, own: base is None or (own is not None and own <= base)  # noqa: E731
AT_LEAST: Compare = lambda base, own: base is None or (own is not None and own >= base)  # noqa: E731
SAME: Compare = lambda base, own: base == own  # noqa: E731
SAME_IF_SET: Compare = lambda base, own: not base or base == own  # noqa: E731
SUBSET: Compare = lambda base, own: not base or (bool(own) and set(own) <= set(base))  # noqa: E731
AS_WIDE: Compare = lambda base, own: not own or (bool(base) and set(base) <= set(own))  # noqa: E731
SUPERSET: Compare = lambda base, own: set(base) <= set(own)  # noqa: E731

OF_LIMIT: dict[str, Compare] = {
    "metric": SAME,
    "labels": SAME,
    "better": SAME,
    "maximum": AT_MOST,
    "minimum": AT_LEAST,
    "max_regression": AT_MOST,
    "min_improvement": AT_LEAST,
    "level": lambda base, own: LEVELS.index(own) <= LEVELS.index(base),
    "on_missing": lambda base, own: own in (base, "fail"),
    "worst_group": SAME,  # which rows are judged
    "scorer": SAME_IF_SET,
    "confidence": AT_LEAST,
    "min_samples": AT_LEAST,
    "quality": SUBSET,
    "step": SAME_IF_SET,
    "checkpoint": SAME,  # which rows are judged, here too
    "models": AS_WIDE,
    "branches": AS_WIDE,
}
OF_POLICY: dict[str, Compare] = {
    "allow_status": SUBSET,
    "rules": AT_LEAST,
    "forbidden": SUPERSET,
    "demanded": SUPERSET,
    "max_days": AT_MOST,
    "baseline": SAME_IF_SET,
    "checkpoint": lambda base, own: own in (base, "required"),
}
WRITTEN = {"maximum": "max", "minimum": "min", "forbidden": "findings.forbidden", "demanded": "release.demand",
           "max_days": "waivers.max_days"}  # fmt: skip


def _require_as_strict(base: Policy, own: Policy) -> None:
    """Refuse a policy that allows what a locked one does not."""
    _require(OF_POLICY, base, own, own.path, base.path)
    mine = {limit.id: limit for limit in own.limits}
    for limit in base.limits:
        found = mine.get(limit.id)
        if found is None:
            raise UsageError(f"{own.path}: {base.path} is locked, and limits.{limit.id} of it is gone.")
        _require(OF_LIMIT, limit, found, f"{own.path}: limits.{limit.id}", base.path)


def _require(
    rules: Mapping[str, Compare], base: Policy | Limit, own: Policy | Limit, where: str, locked: str
) -> None:
    for name, as_strict in rules.items():
        before, now = getattr(base, name), getattr(own, name)
        if not as_strict(before, now):
            key = WRITTEN.get(name, name)
            told = f"{key} {shown(now)} is looser than {shown(before)}"
            raise UsageError(f"{where}: {told}, and {locked} is locked: make it as strict, or ask whoever owns that.")
