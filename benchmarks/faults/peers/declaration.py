"""What a peer is: rules over what was observed, and what each of them may be taken to mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .observed import Observed


class Alarm(NamedTuple):
    """A rule of a peer that fired, and the optimizer step at which it did, from 1."""

    rule: str
    step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """One other watcher.

    Attributes:
        name: What it is called.
        means: For each of its rules the names in our catalogue that its alarm may stand for. An alarm names a fault
            rightly if any of them is the fault: where its words are wide, it gets the benefit of the doubt.
        judge: Yields its alarms; a rule counts from its first one.
        source: Where its rules are described.
    """

    name: str
    means: Mapping[str, tuple[str, ...]]
    judge: Callable[[Observed], Iterable[Alarm]]
    source: str

    def alarms(self, observed: Observed) -> tuple[Alarm, ...]:
        """Return each rule's first alarm, in the order of their steps."""
        first: dict[str, Alarm] = {}
        for alarm in sorted(self.judge(observed), key=lambda alarm: alarm.step):
            first.setdefault(alarm.rule, alarm)
        return tuple(first.values())

    def names(self, alarms: Sequence[Alarm]) -> set[str]:
        """Return all names of our catalogue that alarms may stand for."""
        return {name for alarm in alarms for name in self.means[alarm.rule]}

    @property
    def claims(self) -> set[str]:
        """Names of our catalogue that any of its rules may stand for."""
        return {name for names in self.means.values() for name in names}
