"""Another run's audit to compare with: by how much a value has changed, and whether that may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .comparable import why_not
from .decision import Answer, bound_within
from .errors import RecordError
from .formats import number
from .limit_table import Limit
from .load import load_audit, parse_audit
from .model import Audit, Metric, Quality, RunStatus
from .plausible import implausible
from .policy import Read, read_file


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What a release is compared with.

    Attributes:
        where: Where it was read.
        audit: The audit.
    """

    where: str
    audit: Audit


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """By how much a value is worse than the baseline's.

    Attributes:
        worse: Value minus the baseline's, with the sign turned where higher is better; None where not comparable.
        value: Value minus the baseline's; None where not comparable.
        baseline: The baseline's value.
        low: Lower end of the interval of `worse`; None where one of the two has none.
        high: Upper end of it.
        confidence: Of that interval.
        margin: Distance to the nearer bound of the change.
        reason: Why they cannot be compared, or an empty string.
    """

    worse: float | None = None
    value: float | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    margin: float | None = None
    reason: str = ""


def load_baseline(where: str, read: Read | None = None, *, named: bool = True) -> Baseline:
    """Return the baseline in a run folder or a file that `groundwire baseline set` wrote.

    Args:
        where: Path or fsspec URL.
        read: How files of the project are read, where that is not from disk.
        named: Whether the command named it, so that it may lie elsewhere than the project's files.

    Raises:
        RecordError: It cannot be read, was changed, or is of a run that is damaged or did not finish.
    """
    audit, intact = _audit(where, read or read_file, named=named)
    if not intact:
        raise RecordError(
            f"The baseline {where} has been changed, its digest does not fit: restore it, or set it again."
        )
    if audit.run.damage or audit.run.status is not RunStatus.FINISHED:
        state = "damaged" if audit.run.damage else audit.run.status.value
        raise RecordError(f"The baseline {where} is of a run that is {state}: set it from one that finished.")
    return Baseline(where=where, audit=audit)


def _audit(where: str, read: Read, *, named: bool) -> tuple[Audit, bool]:
    if read is read_file:
        return load_audit(where)
    try:
        return parse_audit(read(where).encode(), where)
    except (OSError, UnicodeDecodeError) as error:
        if named:
            return load_audit(where)
        told = "it has to be committed there, since the policy comes from there"
        raise RecordError(f"There is no baseline {where} at the git ref: {told}.") from error


def change_of(limit: Limit, metric: Metric, audit: Audit, baseline: Baseline | None) -> Change | None:
    """Return by how much a metric has changed; None where the limit does not ask."""
    if not limit.relative:
        return None
    if baseline is None:
        return Change(reason="there is no baseline to compare with: give --baseline")
    rows = [row for row in baseline.audit.metrics if row.key == metric.key]
    if len(rows) != 1 or rows[0].value is None or rows[0].quality is Quality.UNKNOWN:
        return Change(reason=f"the baseline has no {limit.metric} to compare with")
    differs = why_not(metric, audit, rows[0], baseline.audit)
    if differs is not None:
        return Change(baseline=rows[0].value, reason=f"it cannot be compared with the baseline: {differs}")
    told = implausible(rows[0])
    if told:
        return Change(baseline=rows[0].value, reason=f"the baseline's value cannot be: {told}")
    return _changed(limit, metric, rows[0])


def _changed(limit: Limit, metric: Metric, base: Metric) -> Change:
    assert metric.value is not None and base.value is not None  # noqa: S101 - checked by the caller
    sign = 1.0 if limit.better == "lower" else -1.0
    value = metric.value - base.value
    if not math.isfinite(value):
        return Change(baseline=base.value, reason="the two values lie too far apart for a number")
    worse, half = sign * value, arms(metric, base)
    margins = []
    if limit.max_regression is not None:
        margins.append(limit.max_regression - worse)
    if limit.min_improvement is not None:
        margins.append(-worse - limit.min_improvement)
    return Change(
        worse=worse, value=value, baseline=base.value, margin=min(margins),
        low=None if half is None else worse - half, high=None if half is None else worse + half,
        confidence=None if half is None else min(metric.confidence or 0.0, base.confidence or 0.0),
    )  # fmt: skip


def arms(metric: Metric, base: Metric) -> float | None:
    """Return half of the interval of the difference of two independent values; None where one has no interval.

    The longer arm of each, added as roots of squares (Newcombe 1998, Statistics in Medicine 17, method 10, made
    symmetric): at the lower confidence of the two, at least.
    """
    arms = []
    for one in (metric, base):
        if one.low is None or one.high is None or one.confidence is None or one.value is None:
            return None
        arms.append(max(one.high - one.value, one.value - one.low))
    return math.hypot(*arms)


def within(limit: Limit, change: Change | None) -> Answer:
    """Return whether a change may be."""
    if change is None:
        return Answer(outcome="pass")
    if change.worse is None:
        return Answer(outcome="unknown", reason=change.reason)
    most = min(
        math.inf if limit.max_regression is None else limit.max_regression,
        math.inf if limit.min_improvement is None else -limit.min_improvement,
    )
    if limit.confidence is None:
        return Answer(outcome="pass") if change.worse <= most else _failed(change, most)
    if change.low is None or change.high is None or (change.confidence or 0) < limit.confidence:
        return Answer(outcome="unknown", reason="its change has no interval at the confidence that the policy wants")
    found = bound_within(None, most, value=change.worse, low=change.low, high=change.high, n=None)
    return _failed(change, most) if found.outcome == "fail" else found


def _failed(change: Change, most: float) -> Answer:
    assert change.worse is not None and change.baseline is not None  # noqa: S101 - checked by the caller
    if change.worse > 0:
        told = f"worse than the baseline's {number(change.baseline)} by {number(change.worse)}"
    else:
        told = f"better than the baseline's {number(change.baseline)} by {number(-change.worse)} only"
    allowed = f"{number(most)} is allowed" if most >= 0 else f"{number(-most)} is asked for"
    return Answer(outcome="fail", reason=f"{told}, where {allowed}")
