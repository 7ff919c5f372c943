"""Decides whether a run meets a policy. What was not measured is never a pass."""

from __future__ import annotations

from dataclasses import dataclass

from .limits import Hindrance, LimitVerdict, verdict_on
from .model import Audit, Quality
from .policy import Policy
from .tally import PREFIX, tally

PASS, FAILED, CANNOT_TELL = 0, 1, 3
HEADLINES = {"pass": "Policy met", "fail": "Policy not met", "unknown": "Cannot tell"}
CODES = {"pass": PASS, "fail": FAILED, "unknown": CANNOT_TELL}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the gate says of a run."""

    policy: str
    outcome: str
    limits: tuple[LimitVerdict, ...]

    @property
    def headline(self) -> str:
        """The verdict in words."""
        return HEADLINES[self.outcome]

    @property
    def exit_code(self) -> int:
        """What the command returns: 0 pass, 1 failed, 3 cannot tell."""
        return CODES[self.outcome]

    @property
    def summary(self) -> str:
        """The last line of the command."""
        if self.outcome == "pass":
            return "GATE: PASS"
        outcomes = [limit.outcome for limit in self.limits if limit.level == "error"]
        words = {"fail": "failed", "unknown": "unknown", "error": "error"}
        told = ", ".join(f"{outcomes.count(key)} {word}" for key, word in words.items() if key in outcomes)
        return f"GATE: {self.outcome.upper()} ({told})"


def decide(audit: Audit, policy: Policy, *, digest_ok: bool = True) -> Verdict:
    """Return what a policy says of an audit; only limits of level `error` decide."""
    hindrance = _hindrance(audit, policy, digest_ok=digest_ok)
    audit = _of_edition(audit, policy.rules)
    verdicts = tuple(verdict_on(limit, audit, hindrance) for limit in policy.limits if limit.level != "off")
    outcomes = {verdict.outcome for verdict in verdicts if verdict.level == "error"}
    outcome = "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "unknown"
    return Verdict(policy=policy.path, outcome=outcome, limits=verdicts)


def _of_edition(audit: Audit, edition: str) -> Audit:
    """Return the audit with findings counted by the rules that a policy pins: an upgrade turns no build red."""
    rest = [metric for metric in audit.metrics if not metric.name.startswith(PREFIX)]
    if len(rest) == len(audit.metrics):
        return audit  # judged before findings were counted: what is not there is not made up
    counted = [metric for metric in audit.metrics if metric.name.startswith(PREFIX) and metric.value is not None]
    judged = not any(metric.quality is Quality.UNKNOWN for metric in counted)  # else no stable rule could tell
    return audit.model_copy(update={"metrics": rest + tally(audit.findings, audit.rules, edition, judged=judged)})


def _hindrance(audit: Audit, policy: Policy, *, digest_ok: bool) -> Hindrance | None:
    """Return why no limit of this run can be judged, or None."""
    if not digest_ok:
        reason = "audit.json has been changed: its digest does not fit its content"
        return Hindrance(reason, "restore it, or remove it and let `groundwire report` judge the record again")
    if audit.run.damage:
        return Hindrance(f"the record is damaged: {audit.run.damage[0]}", "restore the run folder from a copy")
    status = audit.run.status.value
    if status not in policy.allow_status:
        reason = f"the run is {status}, not {' or '.join(policy.allow_status)}"
        return Hindrance(reason, f"let it finish, or name {status} in the policy's allow_status")
    return None
