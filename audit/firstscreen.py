"""The first screen: the verdict in words, and the limits in the order in which a reader needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from .formats import NOTHING, bounds, count, interval, number
from .limitbars import LimitBar, limit_bar
from .model import Audit, Metric, Outcome, broken

Tone = Literal["fail", "pass", "unknown", "plain"]

SYMBOLS: dict[str, str] = {"fail": "✗", "error": "✗", "unknown": "?", "waived": "○", "pass": "✓"}
TONES: dict[str, Tone] = {"fail": "fail", "error": "unknown", "unknown": "unknown", "pass": "pass"}
PLAIN = ("", "share", "probability", "step", "steps", "loss")  # units that the name says
ORDER = ("fail", "error", "unknown", "waived", "pass")


class Limit(Protocol):
    """What the gate says of one limit."""

    @property
    def id(self) -> str:
        """Name of the limit in the policy."""

    @property
    def metric(self) -> str:
        """Metric that is limited."""

    @property
    def level(self) -> str:
        """`error` or `warn`."""

    @property
    def outcome(self) -> str:
        """`pass`, `fail`, `unknown`, `error` or `waived`."""

    @property
    def observed(self) -> Metric | None:
        """What was measured."""

    @property
    def minimum(self) -> float | None:
        """Least allowed value."""

    @property
    def maximum(self) -> float | None:
        """Greatest allowed value."""

    @property
    def margin(self) -> float | None:
        """Distance to the limit, negative when it is crossed."""

    @property
    def reason(self) -> str:
        """Why this outcome."""

    @property
    def advice(self) -> str:
        """What to do."""

    @property
    def baseline(self) -> float | None:
        """The baseline's value; None where none is compared."""

    @property
    def change(self) -> float | None:
        """The value minus the baseline's."""

    @property
    def waiver(self) -> str:
        """The exception that lets it through, in words."""


class Verdict(Protocol):
    """What the gate says of a run."""

    @property
    def policy(self) -> str:
        """Name or path of the policy."""

    @property
    def outcome(self) -> str:
        """`pass`, `fail` or `unknown`."""

    @property
    def headline(self) -> str:
        """The verdict in words."""

    @property
    def limits(self) -> Sequence[Limit]:
        """What it says of each limit."""

    @property
    def notes(self) -> Sequence[str]:
        """What else has to be said."""

    @property
    def policy_sha256(self) -> str:
        """Digest of the policy and of all that it extends."""

    @property
    def checkpoint(self) -> str:
        """The released weights, in words; empty where none were given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """The verdict, or that there is none, in one line and one sentence."""

    symbol: str
    tone: Tone
    text: str
    detail: str


def headline(audit: Audit, verdict: Verdict | None) -> Headline:
    """Return what a reader who reads one line must know."""
    if verdict is None:
        return _without_policy(audit)
    outcomes = [limit.outcome for limit in verdict.limits]
    words = {
        "fail": "failed",
        "error": "could not be judged",
        "unknown": "unknown",
        "waived": "waived",
        "pass": "met",
    }
    parts = [f"{outcomes.count(key)} {word}" for key, word in words.items() if key in outcomes]
    detail = " · ".join(parts) or "no limit was judged"
    tone = TONES.get(verdict.outcome, "unknown")
    return Headline(symbol=SYMBOLS.get(verdict.outcome, "?"), tone=tone, text=verdict.headline, detail=detail)


MOST_HINTS = 6


def _without_policy(audit: Audit) -> Headline:
    stable = [finding for finding in audit.findings if finding.status == "stable"]
    worst = min((finding.severity for finding in stable), key=lambda s: s.rank, default=None)
    found = count(len(stable), "finding")
    text = f"No policy given: {found}" + (f", worst {worst.value.upper()}" if worst else "")
    silent = sum(rule.outcome is Outcome.CLEAR for rule in audit.rules)
    open_ = sum(rule.outcome in (Outcome.UNKNOWN, Outcome.ERROR) for rule in audit.rules)
    detail = f"{count(silent, 'rule')} saw no fault · {open_} could not judge" if audit.rules else "no rule was run"
    hints = [finding.name for finding in audit.findings if finding.status != "stable"]
    if hints:
        text += f", {count(len(hints), 'preview finding')}"
        detail = f"preview: {', '.join(hints[:MOST_HINTS])} · {detail}"
    tone: Tone = "unknown" if worst or hints else "plain"
    return Headline(symbol="!" if worst or hints else "–", tone=tone, text=text, detail=detail)


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitRow:
    """One limit as the reader sees it."""

    symbol: str
    tone: Tone
    outcome: str
    id: str
    metric: str
    observed: str
    spread: str
    quality: str
    allowed: str
    margin: str
    change: str
    reason: str
    advice: str
    bar: LimitBar | None


def limit_groups(verdict: Verdict | None) -> dict[str, list[LimitRow]]:
    """Return the limits that block, that are waived, that warn, and that are met."""
    groups: dict[str, list[LimitRow]] = {"blocking": [], "waived": [], "warnings": [], "met": []}
    for limit in sorted(verdict.limits, key=_worst_first) if verdict else ():
        groups[_group(limit)].append(_limit_row(limit))
    return groups


def _worst_first(limit: Limit) -> int:
    return ORDER.index(limit.outcome) if limit.outcome in ORDER else 0


def _group(limit: Limit) -> str:
    if limit.outcome in ("pass", "waived"):
        return {"pass": "met", "waived": "waived"}[limit.outcome]
    return "warnings" if limit.level == "warn" else "blocking"


def _limit_row(limit: Limit) -> LimitRow:
    seen = limit.observed
    allowed = bounds(limit.minimum, limit.maximum)
    return LimitRow(
        symbol=SYMBOLS.get(limit.outcome, "?"),
        tone=TONES.get(limit.outcome, "unknown"),
        outcome=limit.outcome,
        id=limit.id,
        metric=limit.metric,
        observed=_observed(seen),
        spread=""
        if seen is None or seen.low is seen.high is None
        else interval(seen.low, seen.high, seen.confidence),
        quality="" if seen is None else sample_of(seen),
        allowed="no worse than the baseline allows" if allowed == NOTHING and limit.baseline is not None else allowed,
        margin=number(limit.margin),
        change=_change(limit),
        reason="; ".join(filter(None, (limit.reason, limit.waiver))),
        advice=limit.advice,
        bar=None if seen is None else _bar(limit, seen),
    )


def _observed(seen: Metric | None) -> str:
    """Return the value with its unit; what was measured and is no number is not the same as what was not measured."""
    if seen is None or (seen.value is None and not broken(seen)):
        return "not measured"
    return "not finite" if seen.value is None else with_unit(seen)


def _change(limit: Limit) -> str:
    """Return by how much the value differs from the baseline's; empty where none is compared."""
    if limit.change is None:
        return ""
    return f"{'+' if limit.change > 0 else ''}{number(limit.change)} from {number(limit.baseline)}"


def _bar(limit: Limit, seen: Metric) -> LimitBar | None:
    span = "" if seen.low is seen.high is None else f" {interval(seen.low, seen.high)}"
    told = f"Observed {number(seen.value)}{span}, allowed {bounds(limit.minimum, limit.maximum)}"
    return limit_bar(
        value=seen.value, low=seen.low, high=seen.high, minimum=limit.minimum, maximum=limit.maximum, told=told
    )


def sample_of(metric: Metric) -> str:
    """Return how a metric was obtained and from how many units."""
    return metric.quality.value + ("" if metric.n is None else f", n = {metric.n:,}")


def closest(verdict: Verdict | None) -> LimitRow | None:
    """Return the met limit with the least margin, relative to the limit itself.

    Limits of zero come last: what must not happen at all did not, and there is nothing between.
    """
    met = [
        limit for limit in (verdict.limits if verdict else ()) if limit.outcome == "pass" and limit.margin is not None
    ]
    best = min(met, key=_nearness, default=None)
    return None if best is None else _limit_row(best)


def _nearness(limit: Limit) -> tuple[bool, float]:
    allowed = limit.maximum if limit.maximum is not None else limit.minimum
    return not allowed, abs(limit.margin or 0.0) / (abs(allowed or 0.0) or 1.0)


def with_unit(metric: Metric) -> str:
    """Return a metric's value with its unit."""
    unit = "" if metric.unit in PLAIN else f" {metric.unit}"
    return f"{number(metric.value)}{unit}"
