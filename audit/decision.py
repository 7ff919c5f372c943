"""Three answers to a question asked of a sample: yes, no, and how large a sample would tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .formats import number

MOST = 10**7  # what takes more cannot be answered
ROUNDING = 1e-9  # 1 − 0.95 is a little more than 0.05


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
    it does where the upper bound is below the tolerance; else nobody can tell, nor from numbers that contradict
    one another.

    Args:
        tolerance: Largest difference that is allowed.
        value: Difference that was measured, at least 0.
        low: Lower bound of it.
        high: Upper bound of it.
        p: Probability of such a difference by chance, corrected for all looks.
        n: Units a group.
        confidence: Of the bounds.
    """
    if not (0 <= low <= value <= high < math.inf and 0 <= p <= 1):  # NaN is not, either
        return Answer(outcome="unknown", reason="its value, bounds and p contradict one another")
    if p < 1 - confidence - ROUNDING and value >= tolerance:
        return Answer(outcome="fail", reason=f"a difference of {number(value)} is not chance (p = {number(p)})")
    if high < tolerance:
        return Answer(outcome="pass")
    reason = f"the true difference may be {number(low)} to {number(high)}"
    room = value if value >= tolerance else tolerance - value  # to be told from 0, or from the tolerance
    return _cannot_tell(reason, (high - value) / room if room else math.inf, n, "prompts a group")


def bound_within(
    minimum: float | None, maximum: float | None, *, value: float, low: float, high: float, n: int | None
) -> Answer:
    """Return whether a value lies between limits, by its interval: inside, outside, or across an end of it.

    Numbers that contradict one another give no answer.
    """
    if not low <= value <= high:  # NaN is not, either
        return Answer(outcome="unknown", reason="its value lies outside its own interval")
    least, most = -math.inf if minimum is None else minimum, math.inf if maximum is None else maximum
    if least <= low and high <= most:
        return Answer(outcome="pass")
    if low > most or high < least:
        return Answer(
            outcome="fail", reason=f"the whole interval {number(low)} to {number(high)} is beyond the limit"
        )
    crossed = [limit for limit, over in ((least, low < least), (most, high > most)) if over]
    times = max(_times(limit, value, low, high) for limit in crossed)
    return _cannot_tell(f"the true value may be {number(low)} to {number(high)}", times, n, "samples")


def _times(limit: float, value: float, low: float, high: float) -> float:
    """Return how many times too long the arm of an interval is that reaches over a limit."""
    arm = high - value if value < limit else value - low
    return arm / abs(value - limit) if value != limit else math.inf


def _cannot_tell(reason: str, times: float, n: int | None, units: str) -> Answer:
    """Intervals shrink with the root of the sample: one that is twice too long takes four times as many."""
    if not n or not times:
        return Answer(outcome="unknown", reason=reason)
    needed = n * times * times
    if needed > MOST:
        return Answer(outcome="unknown", reason=f"{reason}; what was measured lies on the limit")
    amount = max(n + 1, math.ceil(needed))
    return Answer(
        outcome="unknown", reason=f"{reason}; about {amount:,} {units} would tell (here {n:,})", needed=amount
    )
