"""Decides whether a run meets a policy. What was not measured is never a pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from .baseline import Baseline
from .demands import demands, strict
from .errors import UsageError
from .limit_table import Limit
from .limits import Hindrance, LimitVerdict, Release, verdict_on
from .model import Audit, Checkpoint, RunStatus
from .policy import Policy
from .recount import of_edition
from .waivers import Scope, Waiver, today
from .waiving import Waiving

PASS, FAILED, CANNOT_TELL = 0, 1, 3
HEADLINES = {"pass": "Policy met", "fail": "Policy not met", "unknown": "Cannot tell"}
CODES = {"pass": PASS, "fail": FAILED, "unknown": CANNOT_TELL}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the gate says of a run.

    Attributes:
        policy: File of the policy.
        outcome: `pass`, `fail` or `unknown`.
        limits: What it says of each limit.
        notes: What else has to be said: of waivers that expire or are not used.
        policy_sha256: Digest of the policy and of all that it extends.
        checkpoint: The released weights, in words; empty where none were given.
    """

    policy: str
    outcome: str
    limits: tuple[LimitVerdict, ...]
    notes: tuple[str, ...] = ()
    policy_sha256: str = ""
    checkpoint: str = ""

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
        outcomes = [limit.outcome for limit in self.limits if limit.level == "error"]
        words = {"fail": "failed", "unknown": "unknown", "error": "error", "waived": "waived"}
        told = ", ".join(f"{outcomes.count(key)} {word}" for key, word in words.items() if key in outcomes)
        return f"GATE: {self.outcome.upper()}" + (f" ({told})" if told else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What is to be released.

    Attributes:
        checkpoint: The run's checkpoint that it is; None where it is none of them, or nobody can tell.
        told: Which, or why not, in words.
    """

    checkpoint: Checkpoint | None
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a run is to be judged by, beside its policy.

    Attributes:
        digest_ok: Whether the audit is as it was written.
        baseline: What to compare with.
        waivers: Exceptions.
        weights: What is released, beside the run; None where nothing was given.
        declared: Facts of the release by name.
        branch: Branch of the release; None where it is not known.
        strict_waivers: Whether a waiver that has expired or is not used fails.
        today: The date that waivers are judged by.
    """

    digest_ok: bool = True
    baseline: Baseline | None = None
    waivers: tuple[Waiver, ...] = ()
    weights: Weights | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    branch: str | None = None
    strict_waivers: bool = False
    today: date = field(default_factory=today)


def decide(audit: Audit, policy: Policy, question: Question | None = None) -> Verdict:
    """Return what a policy says of an audit; only limits of level `error` decide.

    Raises:
        UsageError: No limit of the policy holds for this run.
    """
    question = question or Question()
    scope = Scope(model=audit.run.model, run=audit.run.id, branch=question.branch)
    limits = _in_scope(policy, scope)
    release = Release(
        audit=of_edition(audit, policy.rules),
        hindrance=_hindrance(audit, policy, question),
        baseline=question.baseline,
        weights=question.weights.checkpoint if question.weights else None,
    )
    waiving = Waiving(question.waivers, scope, question.today, policy.max_days)
    found = [*(verdict_on(limit, release) for limit in limits), *demands(policy, release, question.declared)]
    verdicts = tuple(waiving.apply(verdict) for verdict in found)
    notes = (*waiving.notes(), *_left_out(policy, limits, scope))
    stale = (strict(waiving.stale, tuple(waiving.notes())),) if question.strict_waivers and waiving.stale else ()
    return Verdict(
        policy=policy.path, outcome=_outcome(*verdicts, *stale), limits=(*verdicts, *stale), notes=notes,
        policy_sha256=policy.sha256, checkpoint=question.weights.told if question.weights else "",
    )  # fmt: skip


def _in_scope(policy: Policy, scope: Scope) -> list[Limit]:
    """Return the limits that hold here; where nobody knows the branch, those of any branch do."""
    held = [
        limit for limit in policy.limits
        if limit.level != "off" and scope.holds(models=limit.models)
        and (scope.branch is None or scope.holds(branches=limit.branches))
    ]  # fmt: skip
    if not any(limit.level == "error" for limit in held) and not policy.forbidden:
        told = f"model {scope.model}" + (f" on branch {scope.branch}" if scope.branch else "")
        raise UsageError(f"{policy.path} enforces no limit for {told}: give one that holds for it.")
    return held


def _left_out(policy: Policy, held: list[Limit], scope: Scope) -> Iterator[str]:
    """Yield which limits were not asked because they hold for other models or branches."""
    for limit in policy.limits:
        if limit.level != "off" and limit not in held:
            where = " or ".join((*limit.models, *limit.branches))
            here = f"{scope.model} on branch {scope.branch}" if scope.branch else scope.model
            yield f"the limit {limit.id} was not asked: it holds for {where}, and this is {here}"


def _outcome(*verdicts: LimitVerdict) -> str:
    outcomes = {verdict.outcome for verdict in verdicts if verdict.level == "error"}
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes and outcomes <= {"pass", "waived"} else "unknown"


def _hindrance(audit: Audit, policy: Policy, question: Question) -> Hindrance | None:
    """Return why no limit of this run can be judged, or None."""
    if not question.digest_ok:
        reason = "audit.json has been changed: its digest does not fit its content"
        return Hindrance(reason, "restore it, or remove it and let `groundwire report` judge the record again")
    if audit.run.damage:
        return Hindrance(f"the record is damaged: {audit.run.damage[0]}", "restore the run folder from a copy")
    if audit.run.status is RunStatus.FINISHED and audit.run.exception:
        reason = f"the run is said to have finished, and to have ended by {audit.run.exception}"
        return Hindrance(reason, "see `groundwire verify`, and judge the record again")
    status = audit.run.status.value
    if status not in policy.allow_status:
        reason = f"the run is {status}, not {' or '.join(policy.allow_status)}"
        return Hindrance(reason, f"let it finish, or name {status} in the policy's allow_status")
    if question.weights is None and policy.checkpoint == "required":
        return Hindrance("the policy wants to know which weights are released", "give them with --checkpoint")
    if question.weights is not None and question.weights.checkpoint is None:
        return Hindrance(
            question.weights.told, "release a checkpoint that this run has audited, or audit what is released"
        )
    return None
