"""What the attempts and ranks of a run have told of their efficiency, added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Event = dict[str, Any]


class Source(Protocol):
    """What efficiency needs of a record."""

    def events(self, kind: str, *, replayed: bool = False) -> list[Event]:
        """Return the events of one kind."""


class UnknownError(Exception):
    """Why a number is not known, as a reader shall see it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What all attempts came to.

    Attributes:
        events: The last totals of each attempt and rank.
        facts: What each attempt ran with, on its lowest rank, by number.
        attempts: Numbers of the attempts that have totals.
    """

    events: tuple[Event, ...]
    facts: Mapping[int, Event]
    attempts: tuple[int, ...]

    @classmethod
    def of(cls, source: Source) -> Totals | None:
        """Return the totals of a record; None where no attempt has told any."""
        last = {(e["attempt"], e["rank"]): e for e in source.events("efficiency", replayed=True)}
        told = sorted(source.events("efficiency.facts", replayed=True), key=lambda event: -int(event["rank"]))
        facts = {int(event["attempt"]): event for event in told}
        events = tuple(event for (number, _), event in sorted(last.items()) if number in facts)
        numbers = tuple(sorted({int(event["attempt"]) for event in events}))
        return cls(events=events, facts=facts, attempts=numbers) if events else None

    def of_attempt(self, number: int) -> list[Event]:
        """Return the totals of the ranks of an attempt."""
        return [event for event in self.events if event["attempt"] == number]

    def seconds(self, *phases: str) -> float:
        """Return the seconds in some phases: of each attempt those of its slowest rank."""
        each = [[sum(e["seconds"][phase] for phase in phases) for e in self.of_attempt(n)] for n in self.attempts]
        return float(sum(max(found) for found in each))

    @property
    def fit_s(self) -> float:
        """Seconds of the fit without what the audit asked of the model."""
        return self.seconds("training", "validation", "checkpoint")

    def sum(self, name: str, reason: str) -> float:
        """Return a sum over attempts and ranks; ranks that have told nothing are taken to be as the others.

        Raises:
            UnknownError: One of them could not tell.
        """
        return sum(self.of_ranks(number, name, reason) for number in self.attempts)

    def of_ranks(self, number: int, name: str, reason: str) -> float:
        """Return a sum over the ranks of an attempt.

        Raises:
            UnknownError: One of them could not tell.
        """
        found = self.of_attempt(number)
        for event in found:
            if event[name] is None:
                raise UnknownError(str(event[reason] or "nothing was counted"))
        return sum(float(event[name]) for event in found) * self.devices(number) / len(found)

    def devices(self, number: int) -> int:
        """Return how many devices an attempt ran on, a rank on each."""
        return int(self.facts[number]["devices"])

    def share_waited(self) -> float:
        """Return the mean over ranks of the share of the fit that was spent waiting for data.

        Raises:
            UnknownError: The step fetches its data itself.
        """
        waited = 0.0
        for number in self.attempts:
            found = self.of_attempt(number)
            if any(event["waited_s"] is None for event in found):
                raise UnknownError("training_step takes dataloader_iter and fetches its data itself")
            waited += sum(float(event["waited_s"]) for event in found) / len(found)
        return waited / self.fit_s

    def attempts_in_words(self) -> str:
        """Return which attempts are in the numbers, where that does not go without saying; begins with a comma."""
        several = f", {len(self.attempts)} attempts, what was trained twice counts twice"
        more = several if len(self.attempts) > 1 else ""
        silent = [str(number) for number in self.facts if number not in self.attempts]
        return more + (f"; attempt {', '.join(silent)} ended before its first totals" if silent else "")
