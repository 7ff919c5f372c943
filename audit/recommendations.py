"""What to do first: the advice of all findings in one list, the most worth doing at the top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .model import Finding, Mitigation

MOST = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """One piece of advice.

    Attributes:
        advice: What to change, its gain, cost and source.
        cures: Names of the findings that ask for it, each with the anchor of its evidence.
        severity: Of the worst of them; `preview` where no proven rule asks for it.
        first: Whether it is the best advice for one of them, else an alternative.
    """

    advice: Mitigation
    cures: tuple[tuple[str, str], ...]
    severity: str
    first: bool


def recommendations(stable: Sequence[Finding], previews: Sequence[Finding]) -> list[Recommendation]:
    """Return the advice of all findings: the best of each first, the worst finding's at the top.

    Within a finding advice stands in the order of its rule, which is by what it gains for what it costs. The same
    settings asked for by several findings are listed once.
    """
    found: dict[str, Recommendation] = {}
    for one in sorted(_offers(stable, previews), key=lambda offer: not offer.first):
        key = repr(sorted(one.advice.settings.items())) if one.advice.settings else one.advice.text
        known = found.get(key)
        found[key] = one if known is None else _with(known, one.cures)
    return list(found.values())[:MOST]


def _offers(stable: Sequence[Finding], previews: Sequence[Finding]) -> Iterator[Recommendation]:
    for prefix, findings in (("", stable), ("preview-", previews)):
        for number, finding in enumerate(findings, 1):
            cures = ((finding.name, f"finding-{prefix}{number}"),)
            severity = "preview" if prefix else finding.severity.value
            for place, advice in enumerate(finding.mitigations):
                yield Recommendation(advice=advice, cures=cures, severity=severity, first=place == 0)


def _with(known: Recommendation, cures: tuple[tuple[str, str], ...]) -> Recommendation:
    return Recommendation(
        advice=known.advice,
        cures=tuple(dict.fromkeys((*known.cures, *cures))),
        severity=known.severity,
        first=known.first,
    )
