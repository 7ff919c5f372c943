"""Which waivers hold for a verdict, and what has to be said of those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from .formats import number
from .limits import LimitVerdict
from .plausible import range_of
from .waivers import SOON_DAYS, Scope, Waiver


class Waiving:
    """The waivers of one verdict.

    Args:
        waivers: All that were given.
        scope: What the verdict is about.
        today: The date.
        max_days: Longest time until one expires; any when None.
    """

    def __init__(self, waivers: Sequence[Waiver], scope: Scope, today: date, max_days: int | None) -> None:
        self._today, self._max_days = today, max_days
        self._given = [w for w in waivers if scope.holds(models=w.models, branches=w.branches, runs=w.runs)]
        self._elsewhere = len(waivers) - len(self._given)
        self._used: set[int] = set()
        self._refused: dict[int, str] = {}

    def apply(self, verdict: LimitVerdict) -> LimitVerdict:
        """Return the verdict, waived where a waiver lets its value through."""
        if verdict.outcome != "fail":
            return verdict
        for place, waiver in enumerate(self._given):
            if waiver.limit != verdict.id:
                continue
            refusal = self._refusal(waiver, verdict)
            if not refusal:
                self._used.add(place)
                return replace(verdict, outcome="waived", waiver=waiver.in_words(self._today), advice="")
            self._refused[place] = refusal
        told = [
            f"its waiver {reason}"
            for place, reason in self._refused.items()
            if self._given[place].limit == verdict.id
        ]
        return replace(verdict, reason="; ".join([verdict.reason, *told])) if told else verdict

    def _refusal(self, waiver: Waiver, verdict: LimitVerdict) -> str:
        """Return why a waiver does not let a failure through, or an empty string."""
        if waiver.days_left(self._today) < 0:
            return f"expired on {waiver.expires.isoformat()}"
        since = waiver.granted or self._today
        if since > self._today:
            return f"holds only from {since.isoformat()}"
        if self._max_days is not None and (waiver.expires - since).days > self._max_days:
            return f"runs longer than the {self._max_days} days that the policy allows"
        return self._beyond(waiver, verdict)

    def _beyond(self, waiver: Waiver, verdict: LimitVerdict) -> str:
        """Return that the value is worse than the waiver lets through, or an empty string."""
        value = verdict.worst
        if not verdict.of_value:
            return "" if waiver.up_to is None else "has up_to, and this limit is of no value"
        if waiver.up_to is None:
            return "has no up_to: say up to which value"
        if value is None:
            return "lets values through, and here none was measured"
        least, most = range_of(verdict.metric)
        if not least <= waiver.up_to <= most:
            return f"has an up_to that no {verdict.metric} can reach: it bounds nothing"
        beyond = value > waiver.up_to if verdict.crossed == "max" else value < waiver.up_to
        return f"holds up to {number(waiver.up_to)} only" if beyond else ""

    def notes(self) -> Iterator[str]:
        """Yield what has to be said: expired, unused and soon-to-expire waivers."""
        for place, waiver in enumerate(self._given):
            left = waiver.days_left(self._today)
            if left < 0:
                yield f"the waiver of {waiver.limit} expired on {waiver.expires.isoformat()}: remove it, or renew it"
            elif place not in self._used:
                yield f"the waiver of {waiver.limit} is unused: remove it"
            elif left <= SOON_DAYS:
                yield f"the waiver of {waiver.limit} expires in {left} days, on {waiver.expires.isoformat()}"

    @property
    def stale(self) -> int:
        """How many waivers of this scope have expired or are not used."""
        return len(self._given) - len(self._used)
