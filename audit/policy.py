"""What a release must meet: policy.toml, checked to the last key, with what it extends."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import registry
from .errors import UsageError
from .limit_table import Limit, limit_of, no_other_keys, one_of, shown
from .model import EDITIONS, RunStatus, Severity

SCHEMA = 1
TOP_KEYS = (
    "schema", "extends", "locked", "limits", "allow_status", "rules", "findings", "release", "waivers", "baseline",
    "checkpoint",
)  # fmt: skip
CHECKPOINT = ("optional", "required")
COUNTED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)  # severities whose findings are metrics

Read = Callable[[str], str]  # content of a file by its path; OSError where there is none


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """All that a release must meet.

    Attributes:
        path: Its file.
        limits: Limits on metrics, those of the severities of findings among them.
        allow_status: How a run may have ended to be judged at all.
        rules: Edition of the rules whose findings count.
        forbidden: Rules, by name, that must not have fired.
        demanded: Facts of the release that must be declared.
        max_days: Longest time until a waiver expires; any when None.
        baseline: File of a baseline, from the folder of the file that names it; none when empty.
        checkpoint: Whether the released weights have to be given: `optional` or `required`.
        sha256: Digest of this file and of all that it extends.
    """

    path: str
    limits: tuple[Limit, ...]
    allow_status: tuple[str, ...] = (RunStatus.FINISHED.value,)
    rules: str = EDITIONS[-1]
    forbidden: tuple[str, ...] = ()
    demanded: tuple[str, ...] = ()
    max_days: int | None = None
    baseline: str = ""
    checkpoint: str = CHECKPOINT[0]
    sha256: str = field(default="", compare=False)


def load_policy(path: Path, read: Read | None = None) -> Policy:
    """Return the policy in a file, with what it extends.

    Args:
        path: The file.
        read: How files are read; from disk unless given.

    Raises:
        UsageError: It cannot be read, something in it is wrong, or it loosens a locked policy.
    """
    from .extending import whole

    document, text, digest = whole(str(path), read or read_file)
    policy = parse_policy(document, str(path), text=text)
    return Policy(**{name: getattr(policy, name) for name in Policy.__dataclass_fields__} | {"sha256": digest})


def read_file(path: str) -> str:
    """Return the text of a policy on disk."""
    return Path(path).read_text(encoding="utf-8-sig")  # some editors begin a file with a mark


def document_of(path: str, read: Read) -> tuple[dict[str, Any], str]:
    """Return a policy file's TOML document and its text.

    Raises:
        UsageError: It cannot be read or is no TOML.
    """
    try:
        text = read(path)
    except FileNotFoundError as error:
        hint = "make one with `groundwire init RUN`, or name it with --policy"
        raise UsageError(f"There is no policy at {path}: {hint}.") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the policy {path}: {reason}.") from error
    try:
        return tomllib.loads(text), text
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a bare ValueError
        raise UsageError(f"{path} is not valid TOML: {error}.") from error


def parse_policy(document: Mapping[str, Any], path: str, *, text: str = "") -> Policy:
    """Return the policy that a TOML document means, without what it extends.

    Raises:
        UsageError: Something in it is wrong.
    """
    check_schema(document.get("schema"), path)  # first: a newer file may have keys that are unknown here
    no_other_keys(document, TOP_KEYS, path)
    limits = document.get("limits", {})
    if not isinstance(limits, dict):
        raise UsageError(f"{path}: limits must be tables, as in [limits.quality].")
    found = [limit_of(name, table, path, line=line_of(name, text)) for name, table in limits.items()]
    severities, forbidden = _findings(document, path)
    taken = [limit.id for limit in severities for own in found if limit.id == own.id and limit.metric != own.metric]
    if taken:
        raise UsageError(f"{path}: limits.{taken[0]} is the name of what findings.max_severity asks: choose another.")
    found += [limit for limit in severities if limit.id not in limits]
    if not any(limit.level == "error" for limit in found) and not forbidden:
        raise UsageError(
            f'{path} enforces no limit: give at least one [limits.…] with level = "error", or nothing would be gated.'
        )
    return Policy(
        path=path, limits=tuple(found), allow_status=_statuses(document, path), rules=_edition(document, path),
        forbidden=forbidden, demanded=_demanded(document, path), max_days=_max_days(document, path),
        baseline=_baseline(document, path), checkpoint=one_of(document, "checkpoint", CHECKPOINT, path),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )  # fmt: skip


def check_schema(value: Any, path: str) -> None:
    """Refuse a file of another version."""
    if type(value) is not int or value < SCHEMA:
        raise UsageError(f"{path}: schema must be {SCHEMA}, got {shown(value)}: write `schema = {SCHEMA}`.")
    if value > SCHEMA:
        raise UsageError(
            f"{path} has schema {shown(value)}, this Groundwire reads up to {SCHEMA}: upgrade groundwire."
        )


def line_of(name: str, text: str) -> int:
    """Return the line on which a limit's table begins, from 1; 0 where it has none of its own."""
    header = re.compile(rf"\s*\[\s*limits\s*\.\s*(?P<mark>[\"']?){re.escape(name)}(?P=mark)\s*\]")
    return next((at for at, line in enumerate(text.splitlines(), start=1) if header.match(line)), 0)


def _findings(document: Mapping[str, Any], path: str) -> tuple[list[Limit], tuple[str, ...]]:
    """Return limits on the severities of findings, and the rules that must not fire."""
    table = _table(document, "findings", ("max_severity", "forbidden"), path)
    limits: list[Limit] = []
    if "max_severity" in table:
        allowed = (Severity.LOW.value, *(severity.value for severity in reversed(COUNTED)))
        worst = one_of(table, "max_severity", allowed, f"{path}: findings")
        over = COUNTED[: [*COUNTED, Severity.LOW].index(Severity(worst))]
        limits = [Limit(id=f"findings.{s.value}", metric=f"findings.{s.value}", maximum=0.0) for s in over]
        if not limits:
            raise UsageError(f"{path}: findings.max_severity {worst} forbids nothing: give low, medium or high.")
    return limits, _forbidden(table, path)


def _forbidden(table: Mapping[str, Any], path: str) -> tuple[str, ...]:
    given = _words(table, "forbidden", f"{path}: findings")
    if not given:
        return ()
    from .rule_names import rule_names

    names = rule_names()
    for name in given:
        if name.lower() not in names:
            hint = registry.nearest(name, list(names)) or "; `groundwire rules` lists all"
            raise UsageError(f"{path}: findings.forbidden: there is no rule {name!r}{hint}.")
    return tuple(dict.fromkeys(names[name.lower()] for name in given))


def _demanded(document: Mapping[str, Any], path: str) -> tuple[str, ...]:
    return _words(_table(document, "release", ("demand",), path), "demand", f"{path}: release")


def _max_days(document: Mapping[str, Any], path: str) -> int | None:
    value = _table(document, "waivers", ("max_days",), path).get("max_days")
    if value is not None and not (type(value) is int and value >= 0):
        raise UsageError(f"{path}: waivers.max_days must be a whole number of days, got {shown(value)}.")
    return value


def _baseline(document: Mapping[str, Any], path: str) -> str:
    value = document.get("baseline", "")
    if not isinstance(value, str) or ("baseline" in document and not value.strip()):
        raise UsageError(f'{path}: baseline must be a file, as in baseline = "baseline.json", got {shown(value)}.')
    return value


def _table(document: Mapping[str, Any], key: str, known: tuple[str, ...], path: str) -> Mapping[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {key} must be a table, as in [{key}].")
    no_other_keys(found, known, f"{path}: {key}")
    return found


def _words(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise UsageError(f"{where}: {key} must be a list of names, got {shown(value)}.")
    return tuple(dict.fromkeys(value))


def _statuses(document: Mapping[str, Any], path: str) -> tuple[str, ...]:
    known = [status.value for status in RunStatus]
    value = document.get("allow_status", [RunStatus.FINISHED.value])
    if not isinstance(value, list) or not value or not all(status in known for status in value):
        raise UsageError(f"{path}: allow_status must be a list of {', '.join(known)}, got {shown(value)}.")
    return tuple(dict.fromkeys([RunStatus.FINISHED.value, *value]))  # a finished run needs no permission


def _edition(document: Mapping[str, Any], path: str) -> str:
    value = document.get("rules", EDITIONS[-1])
    if value not in EDITIONS:
        raise UsageError(f"{path}: rules must be an edition of the rules, {', '.join(EDITIONS)}, got {shown(value)}.")
    return str(value)
