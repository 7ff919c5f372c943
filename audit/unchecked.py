"""Everything that was not checked, with the reason, so that silence is never read as health."""

from __future__ import annotations

from collections.abc import Iterator

from .figures import labelled
from .model import Audit, Outcome

Pair = tuple[str, str]


def unjudged(audit: Audit) -> list[Pair]:
    """Return everything that was not checked, with its reason; what is said twice is listed once."""
    return list(dict.fromkeys((*_left_out(audit), *_rules(audit), *_monitors(audit), *_metrics(audit))))


def by_reason(rows: list[Pair]) -> list[tuple[list[str], str]]:
    """Return what was not checked by reason, in the order in which reasons come first."""
    found: dict[str, list[str]] = {}
    for what, reason in rows:
        found.setdefault(reason, []).append(what)
    return [(names, reason) for reason, names in found.items()]


def _left_out(audit: Audit) -> Iterator[Pair]:
    for item in audit.not_checked:
        yield item.what, item.reason


def _rules(audit: Audit) -> Iterator[Pair]:
    for rule in audit.rules:
        if rule.outcome in (Outcome.UNKNOWN, Outcome.ERROR):
            yield f"{rule.rule} {rule.name}", rule.reason or f"the rule said {rule.outcome.value}"


def _monitors(audit: Audit) -> Iterator[Pair]:
    for monitor in audit.monitors:
        if monitor.status != "ran":
            yield monitor.name, monitor.reason or f"the monitor's status is {monitor.status}"


def _metrics(audit: Audit) -> Iterator[Pair]:
    for metric in audit.metrics:
        if metric.value is None:
            yield (
                " ".join(part for part in (metric.name, labelled(metric.labels)) if part),
                metric.reason or "no value",
            )
