"""What the gate is given, read once for all runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .baseline import Baseline, load_baseline
from .demands import load_declared
from .errors import RecordError
from .file_names import POLICY, RELEASE, WAIVERS
from .gate import Question, Verdict, Weights, decide
from .load import load_audit
from .model import Audit
from .policy import Policy, Read, load_policy
from .settings import branch_of, load_settings, reader, short_branch
from .waivers import Waiver, load_waivers


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Policy, waivers and all else that runs are judged by.

    Attributes:
        policy: The policy.
        waivers: Exceptions.
        baseline: What to compare with; None when nothing is named.
        checkpoint: What is released; None when nothing is named.
        declared: Facts of the release.
        branch: Branch of the release; None where it is not known.
        strict_waivers: Whether a waiver that has expired or is not used fails.
        ref: Git ref that policy, waivers and baseline were taken from; empty where from disk.
    """

    policy: Policy
    waivers: tuple[Waiver, ...]
    baseline: Baseline | None
    checkpoint: Path | None
    declared: Mapping[str, Any]
    branch: str | None
    strict_waivers: bool
    ref: str = ""

    @classmethod
    def of(
        cls,
        *,
        policy: Path | None = None,
        waivers: Path | None = None,
        ref: str | None = None,
        baseline: str | None = None,
        checkpoint: Path | None = None,
        release: Path | None = None,
        branch: str | None = None,
        strict_waivers: bool = False,
    ) -> Inputs:
        """Read what options name, else what [tool.groundwire] names, else what lies beside.

        Raises:
            UsageError: A file is wrong, or one that was named is missing.
            RecordError: The baseline cannot be used.
        """
        read = reader(ref)
        named = load_settings(read)
        rules = load_policy(policy or Path(named.policy or POLICY), read)
        beside = Path(rules.path).parent
        compared = baseline or rules.baseline or named.baseline  # a locked policy's is nobody else's to replace
        return cls(
            policy=rules,
            waivers=_waivers(waivers or _given(named.waivers), beside / WAIVERS, read),
            baseline=load_baseline(compared, read, named=bool(baseline)) if compared else None,
            checkpoint=checkpoint,
            declared=_declared(release or _given(named.release), Path(RELEASE), read),
            branch=short_branch(branch or "") or branch_of(),
            strict_waivers=strict_waivers,
            ref=ref or "",
        )

    def judged(self, run: str) -> tuple[Verdict, Audit]:
        """Return the verdict on a run and its audit.

        Raises:
            RecordError: The run cannot be read.
            UsageError: No limit of the policy holds for it.
        """
        audit, digest_ok = load_audit(run)
        return self.verdict(audit, run, digest_ok=digest_ok), audit

    def verdict(self, audit: Audit, run: str, *, digest_ok: bool) -> Verdict:
        """Return the verdict on an audit of the run in a folder.

        Raises:
            RecordError: What is released cannot be read.
            UsageError: No limit of the policy holds for the run.
        """
        question = Question(
            digest_ok=digest_ok, baseline=self.baseline, waivers=self.waivers, weights=self._weights(audit, run),
            declared=self.declared, branch=self.branch, strict_waivers=self.strict_waivers,
        )  # fmt: skip
        verdict = decide(audit, self.policy, question)
        told = (f"policy, waivers and baseline are those of {self.ref}",) if self.ref else ()
        return replace(verdict, notes=(*told, *verdict.notes))

    def _weights(self, audit: Audit, run: str) -> Weights | None:
        if self.checkpoint is None:
            return None
        if not self.checkpoint.exists():
            raise RecordError(
                f"There is nothing to be released at {self.checkpoint}: give a checkpoint with --checkpoint."
            )
        from .releasing import released

        return released(audit, self.checkpoint, run)


def _given(path: str) -> Path | None:
    return Path(path) if path else None


def _waivers(named: Path | None, beside: Path, read: Read) -> tuple[Waiver, ...]:
    """Return the waivers of a file that was named, else of the one beside the policy, if there is one."""
    if named is None and not _is_there(beside, read):
        return ()
    return load_waivers(named or beside, read)


def _declared(named: Path | None, beside: Path, read: Read) -> Mapping[str, Any]:
    if named is None and not _is_there(beside, read):
        return {}
    return load_declared(named or beside, read)


def _is_there(path: Path, read: Read) -> bool:
    try:
        read(str(path))
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        return True  # there, and whoever reads it says what is wrong
    return True
