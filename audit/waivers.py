"""Exceptions that somebody has approved: bounded by a value and by a date, and never forgotten."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from .errors import UsageError
from .escape import visible
from .formats import number
from .limit_table import no_other_keys, number_of, shown
from .policy import Read, check_schema

KEYS = ("limit", "up_to", "reason", "expires", "approved_by", "granted", "models", "branches", "runs")
REQUIRED = ("limit", "reason", "expires", "approved_by")
SCOPES = ("models", "branches", "runs")
SOON_DAYS = 14


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """One exception.

    Attributes:
        limit: Limit that it is an exception from.
        up_to: Worst value that it lets through; None where the limit is not of a value.
        reason: Why.
        expires: Last day on which it holds.
        approved_by: Who.
        granted: Since when; None where that is not told.
        models: Patterns of the model's class; all when empty.
        branches: Patterns of the branch; all when empty.
        runs: Patterns of the run's id; all when empty.
    """

    limit: str
    up_to: float | None
    reason: str
    expires: date
    approved_by: str
    granted: date | None = None
    models: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def days_left(self, today: date) -> int:
        """Return the days on which it still holds, today not counted; negative when it has expired."""
        return (self.expires - today).days

    def in_words(self, today: date) -> str:
        """Return bound, date, approver and reason, as the verdict tells them."""
        left = self.days_left(today)
        until = f"until {self.expires.isoformat()}, {left} day{'' if left == 1 else 's'} left"
        bound = "" if self.up_to is None else f"up to {number(self.up_to)}, "
        return f"{bound}{until}, approved by {visible(self.approved_by)}: {visible(self.reason)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a verdict is about, as patterns of limits and waivers see it; None: not known.

    Attributes:
        model: Class of the model.
        run: Id of the run.
        branch: Branch of the release.
    """

    model: str
    run: str
    branch: str | None = None

    def holds(
        self, *, models: tuple[str, ...] = (), branches: tuple[str, ...] = (), runs: tuple[str, ...] = ()
    ) -> bool:
        """Return whether all the patterns that are given fit; what is not known fits none."""
        asked = ((models, self.model), (branches, self.branch), (runs, self.run))
        return all(
            not patterns or (name is not None and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
            for patterns, name in asked
        )


def today() -> date:
    """Return the date, in UTC."""
    return datetime.now(UTC).date()


def load_waivers(path: Path, read: Read) -> tuple[Waiver, ...]:
    """Return the waivers in a file.

    Raises:
        UsageError: It cannot be read, or something in it is wrong; the message names the key.
    """
    try:
        document = tomllib.loads(read(str(path)))
    except FileNotFoundError as error:
        raise UsageError(f"There are no waivers at {path}: name the file with --waivers, or leave it out.") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the waivers {path}: {reason}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    check_schema(document.get("schema"), str(path))
    no_other_keys(document, ("schema", "waiver"), str(path))
    tables = document.get("waiver", [])
    if not isinstance(tables, list):
        raise UsageError(f"{path}: waivers must be tables, as in [[waiver]].")
    return tuple(_waiver(table, f"{path}: waiver {at}") for at, table in enumerate(tables, start=1))


def _waiver(table: Any, where: str) -> Waiver:
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table, as in [[waiver]].")
    no_other_keys(table, KEYS, where)
    missing = [key for key in REQUIRED if key not in table]
    if missing:
        raise UsageError(
            f"{where} lacks {' and '.join(missing)}: an exception has a limit, reason, end and approver."
        )
    granted = _date(table, "granted", where) if "granted" in table else None
    found = Waiver(
        limit=_text(table, "limit", where), up_to=number_of(table, "up_to", where),
        reason=_text(table, "reason", where), expires=_date(table, "expires", where),
        approved_by=_text(table, "approved_by", where), granted=granted,
        **{name: _patterns(table, name, where) for name in SCOPES},
    )  # fmt: skip
    if granted is not None and granted > found.expires:
        raise UsageError(f"{where}: it expires before it is granted.")
    return found


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where}: {key} must be text, got {shown(value)}.")
    if key == "limit" and any(sign in value for sign in "*?["):
        raise UsageError(f"{where}: limit must be the name of one limit, without * or ?, got {shown(value)}.")
    return value


def _date(table: Mapping[str, Any], key: str, where: str) -> date:
    value = table[key]
    if type(value) is not date:  # a datetime is one, too, and leaves the zone open
        raise UsageError(f"{where}: {key} must be a date without quotes, as in 2026-12-31, got {shown(value)}.")
    return value


def _patterns(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise UsageError(f"{where}: {key} must be a list of names or patterns, got {shown(value)}.")
    return tuple(value)
