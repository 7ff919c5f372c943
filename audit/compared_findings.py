"""Which findings of the first run are gone in another, which are new, and what changed settings had to do with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from .candidates import Candidate
from .compared_moves import letter
from .formats import setting
from .model import Audit, Finding, Outcome, Scalar
from .repeats import NOT_SET, plain

State = Literal["gone", "new", "persisting", "open"]
Done = Literal["applied", "changed", "kept", "there already", "not recorded"]

ORDER: tuple[State, ...] = ("new", "persisting", "open", "gone")


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A setting that a finding recommends, and what became of it.

    Attributes:
        key: Dotted key.
        value: What was recommended.
        before: What the run with the finding had, as JSON.
        after: What the other run has, as JSON.
        done: Whether the other run has it.
    """

    key: str
    value: Scalar
    before: str
    after: str
    done: Done

    def __str__(self) -> str:
        """Return the setting as it was recommended."""
        return f"{self.key} = {setting(self.value)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingChange:
    """A finding of one of two runs, or of both.

    Attributes:
        rule: Its code.
        name: Name of the rule.
        state: Gone, new, persisting; open where one of the two cannot say.
        reason: Why it is open.
        before: What the first run's audit says; None where it does not have it.
        after: What the other's says.
        taken: Settings that it recommends.
    """

    rule: str
    name: str
    state: State
    reason: str
    before: Finding | None
    after: Finding | None
    taken: tuple[Taken, ...]

    @property
    def counts(self) -> bool:
        """Whether its rule counts, and it follows from no other finding."""
        found = self.before or self.after
        return found is not None and found.status == "stable" and found.follows_from is None

    @property
    def applied(self) -> tuple[Taken, ...]:
        """Recommended settings that the other run has."""
        return tuple(each for each in self.taken if each.done == "applied")


def finding_changes(runs: Sequence[Candidate], place: int) -> list[FindingChange]:
    """Return what became of the findings between the first run and the one at `place`, news first."""
    one, other = runs[0], runs[place]
    if one.audit is None or other.audit is None:
        return []
    before, after = ({each.rule: each for each in reversed(run.audit.findings)} for run in (one, other) if run.audit)
    rules = dict.fromkeys([*(f.rule for f in one.audit.findings), *(f.rule for f in other.audit.findings)])
    found = [_change(before.get(rule), after.get(rule), rule, runs, place) for rule in rules]
    return sorted(found, key=lambda change: (ORDER.index(change.state), not change.counts))


def _change(
    before: Finding | None, after: Finding | None, rule: str, runs: Sequence[Candidate], place: int
) -> FindingChange:
    told = before or after
    assert told is not None  # noqa: S101 - one of the two runs has it
    silent = place if after is None else 0
    reason = "" if before and after else _why_open(runs[silent], rule, letter(silent), runs[place - silent])
    state: State = "persisting" if before and after else "open" if reason else "new" if before is None else "gone"
    return FindingChange(
        rule=rule,
        name=told.name,
        state=state,
        reason=reason,
        before=before,
        after=after,
        taken=tuple(_taken(told, runs[0], runs[place])),
    )


def _why_open(run: Candidate, rule: str, name: str, other: Candidate) -> str:
    """Return why a run without a finding does not show that there is no fault; empty where its rule saw none."""
    audit = run.audit
    assert audit is not None  # noqa: S101 - checked by the caller
    if run.excluded is not None and not run.excluded.startswith("it is the same run"):
        return f"{name} does not have it, and does not count: {run.excluded}"
    outcome = next((each for each in audit.rules if each.rule == rule), None)
    if outcome is None:
        return f"the rule was not run on {name}{_editions(audit, other.audit)}"
    if outcome.outcome is Outcome.CLEAR:
        return ""
    return f"the rule could not judge {name}: {outcome.reason or outcome.outcome.value}"


def _editions(one: Audit, other: Audit | None) -> str:
    if other is None or one.edition == other.edition:
        return ""
    return f" (edition {one.edition} of the rules, the other {other.edition})"


def _taken(finding: Finding, one: Candidate, other: Candidate) -> Iterator[Taken]:
    """Yield each setting that a finding recommends, once."""
    seen = set()
    for mitigation in finding.mitigations:
        for key, value in mitigation.settings.items():
            if (key, str(value)) not in seen:
                seen.add((key, str(value)))
                before, after = (run.settings.get(key, NOT_SET) for run in (one, other))
                yield Taken(key=key, value=value, before=before, after=after, done=_done(value, before, after))


def _done(value: Scalar, before: str, after: str) -> Done:
    if before == after:
        if before == NOT_SET:
            return "not recorded"
        return "there already" if same(value, before) else "kept"
    return "applied" if same(value, after) else "changed"


def same(value: Scalar, told: str) -> bool:
    """Return whether a setting's JSON is a value; numbers may be rounded otherwise."""
    try:
        found = json.loads(told)
    except ValueError:
        return False
    if isinstance(value, bool | str) or isinstance(found, bool) or not isinstance(found, int | float):
        return type(value) is type(found) and bool(value == found)
    return math.isclose(value, found, rel_tol=1e-6)


def story(change: FindingChange, run: str) -> str:
    """Return what the changed settings had to do with a finding, in one or two sentences.

    Args:
        change: What became of the finding.
        run: Short name of the run that is compared with the first.
    """
    if change.state == "new":
        touched = [each for each in change.taken if each.done in ("changed", "applied")]
        told = ", ".join(f"{each.key} (changed from {plain(each.before)} to {plain(each.after)})" for each in touched)
        return f"Its remedy names what was changed: {told}." if touched else ""
    parts = [
        f"Applied in {run}: {_listed(change.applied)}.",
        f"Changed to another value than recommended: {_listed(change.taken, 'changed', now=True)}.",
        f"Recommended and not applied: {_listed(change.taken, 'kept')}.",
        f"There already before: {_listed(change.taken, 'there already')}.",
        f"Whether it was applied, the configuration does not say: {_listed(change.taken, 'not recorded')}.",
    ]
    follows = change.before.follows_from if change.before is not None and change.state == "gone" else None
    if follows is not None and not change.applied:
        parts.append(f"It followed from {follows}.")
    told = " ".join(part for part in parts if not part.endswith(": ."))
    return told or "It recommends no setting that can be compared."


def _listed(taken: Sequence[Taken], done: Done = "applied", *, now: bool = False) -> str:
    chosen = (each for each in taken if each.done == done)
    return ", ".join(f"{each} (is {plain(each.after)})" if now else str(each) for each in chosen)
