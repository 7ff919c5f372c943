"""Three answers to a question asked of a sample: yes, no, and how large a sample would tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .formats import number

MOST = 10**7  # what takes more cannot be answered


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a sample says of a limit.

    Attributes:
        outcome: `pass`, `fail` or `unknown`.
        reason: Why, in a sentence.
        needed: Independent units that would probably tell, where it cannot be told.
    """

    outcome: str
    reason: str = ""
    needed: int | None = None


def difference_within(
    tolerance: float, *, value: float, low: float, high: float, p: float, n: int, confidence: float
) -> Answer:
    """Return whether a difference lies within a tolerance.

    It does not where chance is ruled out (p < 1 − confidence) and what was measured is at least the tolerance;
    it does where the upper bound is below the tolerance; else nobody can tell.

    Args:
        tolerance: Largest difference that is allowed.
        value: Difference that was measured, at least 0.
        low: Lower bound of it.
        high: Upper bound of it.
        p: Probability of such a difference by chance, corrected for all looks.
        n: Units a group.
        confidence: Of the bounds.
    """
    if p < 1 - confidence and value >= tolerance:
        return Answer(outcome="fail", reason=f"a difference of {number(value)} is not chance (p = {number(p)})")
    if high < tolerance:
        return Answer(outcome="pass")
    seen = max(value, low)
    room, half = (seen if seen >= tolerance else tolerance - seen), high - seen
    return _cannot_tell(
        f"the true difference may be {number(low)} to {number(high)}", half, room, n, "prompts a group"
    )


def bound_within(
    minimum: float | None, maximum: float | None, *, value: float, low: float, high: float, n: int | None
) -> Answer:
    """Return whether a value lies between limits, by its interval: inside, outside, or across an end of it."""
    if (minimum is None or low >= minimum) and (maximum is None or high <= maximum):
        return Answer(outcome="pass")
    if (maximum is not None and low > maximum) or (minimum is not None and high < minimum):
        return Answer(
            outcome="fail", reason=f"the whole interval {number(low)} to {number(high)} is beyond the limit"
        )
    crossed = maximum if maximum is not None and high > maximum else minimum
    room = abs(value - (crossed or 0.0))
    half = high - value if crossed == maximum else value - low
    return _cannot_tell(f"the true value may be {number(low)} to {number(high)}", half, room, n, "samples")


def _cannot_tell(reason: str, half: float, room: float, n: int | None, units: str) -> Answer:
    """Intervals shrink with the root of the sample: it has to grow until half of one fits into the room."""
    if not n or not room or not half:
        return Answer(outcome="unknown", reason=reason)
    needed = n * (half / room) ** 2
    if needed > MOST:
        return Answer(outcome="unknown", reason=f"{reason}; what was measured lies on the limit")
    amount = max(n + 1, math.ceil(needed))
    return Answer(
        outcome="unknown", reason=f"{reason}; about {amount:,} {units} would tell (here {n:,})", needed=amount
    )
