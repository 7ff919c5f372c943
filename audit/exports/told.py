"""How verdicts are told in words, whatever the format: worst first, by how much, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..formats import count, number, percent
from ..gate import Verdict
from ..limits import LimitVerdict, allowed, observed
from ..model import Audit

Judged = tuple[Verdict, Audit]

SYMBOLS = {"pass": "✓", "fail": "✗", "unknown": "?", "error": "?", "waived": "○"}
OUTCOMES = ("fail", "unknown", "pass")  # of a run, worst first
CODES = {"pass": 0, "fail": 1, "unknown": 3}
STATES = {
    "fail": "not met",
    "error": "measuring it broke",
    "unknown": "cannot tell",
    "waived": "waived",
    "pass": "met",
}
_BAD = ("fail", "error", "unknown")


def blocks(limit: LimitVerdict) -> bool:
    """Return whether a limit stops the release."""
    return limit.level == "error" and limit.outcome in _BAD


def warns(limit: LimitVerdict) -> bool:
    """Return whether a limit is not met, or nobody can tell, and it stops nothing."""
    return limit.level != "error" and limit.outcome in _BAD


def worst_first(limits: Iterable[LimitVerdict]) -> list[LimitVerdict]:
    """Return limits in the order of a reader's interest: what blocks, warns, is waived, is met by the least."""
    return sorted(limits, key=lambda limit: (_rank(limit), relative_margin(limit), limit.id))


def _rank(limit: LimitVerdict) -> int:
    if limit.outcome in _BAD:
        return _BAD.index(limit.outcome) + (0 if limit.level == "error" else len(_BAD))
    return 2 * len(_BAD) + (limit.outcome == "pass")


def relative_margin(limit: LimitVerdict) -> float:
    """Return the margin as a share of the limit, so that limits of different units can be ordered.

    A count of none where none is allowed is as good as it can be, and not close to its limit: it has all of it.
    """
    scale = max((abs(end) for end in (limit.minimum, limit.maximum, limit.baseline) if end), default=0.0)
    if limit.margin is None or math.isnan(limit.margin):
        return 0.0
    return limit.margin / (scale or 1.0) if scale or limit.margin else 1.0


def closest(limits: Iterable[LimitVerdict]) -> LimitVerdict | None:
    """Return the met limit with the least margin, or None."""
    met = [limit for limit in limits if limit.outcome == "pass" and limit.margin is not None]
    return min(met, key=relative_margin, default=None)


def runs_worst_first(judged: Sequence[Judged]) -> list[Judged]:
    """Return runs in the order: not met, cannot tell, met; those with more blocking limits first."""
    return sorted(judged, key=lambda one: (OUTCOMES.index(one[0].outcome), -sum(map(blocks, one[0].limits))))


def outcome_of_many(judged: Sequence[Judged], unread: Sequence[str] = ()) -> str:
    """Return the worst outcome; of a run that could not be read, and of no run at all, nobody can tell."""
    found = {verdict.outcome for verdict, _ in judged} | ({"unknown"} if unread else set())
    return next((outcome for outcome in OUTCOMES if outcome in found), "unknown")


def exit_code_of_many(judged: Sequence[Judged], unread: Sequence[str] = ()) -> int:
    """Return 1 when one of the runs does not meet the policy, else 3 when nobody can tell of one, else 0."""
    return CODES[outcome_of_many(judged, unread)]


def summary_of_many(judged: Sequence[Judged], unread: Sequence[str] = ()) -> str:
    """Return the last line of the command for several runs; for one run, its own.

    Args:
        judged: Runs with what the gate says of them.
        unread: Why other runs could not be judged, a sentence each.
    """
    if len(judged) == 1 and not unread:
        return judged[0][0].summary
    outcomes = [verdict.outcome for verdict, _ in judged] + ["unknown"] * len(unread)
    counts = {"failed": outcomes.count("fail"), "unknown": outcomes.count("unknown")}
    told = "".join(f", {amount} {word}" for word, amount in counts.items() if amount)
    return f"GATE: {outcome_of_many(judged, unread).upper()} ({count(len(outcomes), 'run')}{told})"


def about(verdict: Verdict, audit: Audit) -> str:
    """Return which run was judged and, where it was said, which weights."""
    told = f"{audit.run.model} · {audit.run.id} · {audit.run.status} · {audit.run.steps:,} steps"
    return f"{told} · {verdict.checkpoint}" if verdict.checkpoint else told


def by_policy(verdict: Verdict) -> str:
    """Return which policy judged it, with the beginning of its digest."""
    digest = f" (sha256 {verdict.policy_sha256[:12]}…)" if verdict.policy_sha256 else ""
    return f"by {verdict.policy}{digest}"


def name(limit: LimitVerdict) -> str:
    """Return the name of a limit with the labels of the row that it means."""
    return f"{limit.id}{_labels(limit)}"


def _labels(limit: LimitVerdict) -> str:
    told = ", ".join(f"{key}={value}" for key, value in sorted(limit.labels.items()))
    return f" ({told})" if told else ""


def measured(limit: LimitVerdict) -> str:
    """Return what was measured and, where a baseline was given, by how much it changed."""
    if limit.change is None:
        return observed(limit)
    sign = "+" if limit.change > 0 else ""
    return f"{observed(limit)}, {sign}{number(limit.change)} from {number(limit.baseline)}"


def distance(limit: LimitVerdict) -> str:
    """Return how far from the limit, in its unit; an empty string where that says nothing."""
    if limit.margin is None or limit.outcome not in ("pass", "fail", "waived"):
        return ""
    if limit.margin < 0:
        return f"{number(-limit.margin)} beyond"
    return f"{number(limit.margin)} to spare" if limit.outcome == "pass" else ""


def why(limit: LimitVerdict) -> str:
    """Return why the limit has its outcome, without repeating how far from it the value is."""
    told = [limit.waiver and f"waived: {limit.waiver}"]
    if limit.margin is None or limit.reason != f"{number(abs(limit.margin))} beyond the limit":
        told.append(limit.reason)
    return "; ".join(filter(None, told))


def sentence(limit: LimitVerdict) -> str:
    """Return all that is to be said of a limit in one line of text."""
    bound = f", allowed {allowed(limit)}" if limit.minimum is not None or limit.maximum is not None else ""
    what = f"{limit.metric}{_labels(limit)}"
    known = limit.observed is not None and limit.observed.value is not None
    seen = f"{what} is {measured(limit)}{bound}" if known else f"{what}{bound}"
    parts = [f"{STATES[limit.outcome]}: {seen}", distance(limit), why(limit)]
    told = "; ".join(filter(None, parts))
    return f"{told}. Do: {limit.advice}" if limit.advice else told


def nearest(verdict: Verdict) -> str:
    """Return which limit of those that are met is closest, or an empty string."""
    limit = closest(verdict.limits)
    if limit is None:
        return ""
    share = f" ({percent(relative_margin(limit))} of it)" if limit.maximum or limit.minimum else ""
    return f"closest limit: {name(limit)}, {distance(limit)}{share}"
