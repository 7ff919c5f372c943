"""What a policy demands beside limits on metrics: rules that must not fire, and facts that must be declared."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import UsageError
from .file_names import RELEASE
from .limits import LimitVerdict, Release
from .model import Outcome
from .policy import Policy, Read

RULE, FACT, WAIVERS = "rule.", "release.", "waivers"  # prefixes of ids


def demands(policy: Policy, release: Release, declared: Mapping[str, Any]) -> Iterator[LimitVerdict]:
    """Yield a verdict for each rule that is forbidden and each fact that is demanded."""
    for name in policy.forbidden:
        yield _on_rule(name, release)
    for name in policy.demanded:
        yield _on_fact(name, release, declared)


def _on_rule(name: str, release: Release) -> LimitVerdict:
    if release.hindrance is not None:
        return _verdict(f"{RULE}{name}", name, "unknown", *release.hindrance)
    asked = [rule for rule in release.audit.rules if rule.name == name]
    said = next((rule for rule in asked if rule.outcome is not Outcome.CLEAR), asked[0] if asked else None)
    fired = next((finding for finding in release.audit.findings if finding.name == name), None)
    if fired is not None or (said is not None and said.outcome is Outcome.FIRED):
        remedy = fired.mitigations[0].text if fired is not None and fired.mitigations else "see the report"
        summary = fired.summary if fired is not None else "it fired"
        return _verdict(f"{RULE}{name}", name, "fail", summary, remedy)
    if said is not None and said.outcome is Outcome.CLEAR:
        return _verdict(f"{RULE}{name}", name, "pass")
    outcome = "error" if said is not None and said.outcome is Outcome.ERROR else "unknown"
    reason = said.reason if said is not None and said.reason else "the rule was not asked"
    return _verdict(f"{RULE}{name}", name, outcome, reason, "measure what it needs: `groundwire explain` names it")


def _on_fact(name: str, release: Release, declared: Mapping[str, Any]) -> LimitVerdict:
    if release.hindrance is not None:
        return _verdict(f"{FACT}{name}", name, "unknown", *release.hindrance)
    if _says_something(declared.get(name)):
        return _verdict(f"{FACT}{name}", name, "pass")
    return _verdict(
        f"{FACT}{name}", name, "fail", "it is not declared", f"declare {name} in {RELEASE}, under [release]"
    )


def _says_something(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item.strip() for item in value)


def strict(number: int, notes: Sequence[str]) -> LimitVerdict:
    """Return the verdict on waivers that have expired or are not used, where that has to fail."""
    told = f"waivers that have expired or are not used: {number}"
    return _verdict(WAIVERS, WAIVERS, "fail", told, notes[0] if notes else "remove them")


def _verdict(id_: str, name: str, outcome: str, reason: str = "", advice: str = "") -> LimitVerdict:
    return LimitVerdict(
        id=id_, metric=name, level="error", outcome=outcome, observed=None, minimum=None, maximum=None, margin=None,
        reason=reason, advice=advice, of_value=False,
    )  # fmt: skip


def load_declared(path: Path, read: Read) -> Mapping[str, Any]:
    """Return the facts under [release] in a file.

    Raises:
        UsageError: It cannot be read, or has no such table.
    """
    try:
        found = tomllib.loads(read(str(path))).get("release")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} declares nothing: write a table [release] with owner, intended_use and the like.")
    return found
