"""A policy at the end of a training: the verdict stands in the report, and may end the script as the gate would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from ..audit.errors import GroundwireError
from ..audit.gate import Verdict
from ..audit.gating import Inputs

UNJUDGED = "GATE: UNKNOWN (the run was not judged)"


class PolicyNotMetError(GroundwireError):
    """A run does not meet its policy, or nobody can tell; raised on every rank after the report is written.

    Attributes:
        exit_code: 1 when a limit failed, 3 when it cannot be told.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Enforcement:
    """Judges a run that has ended by a policy.

    Args:
        policy: File of the policy; waivers lie beside it.
        enforce: Whether a policy that is not met raises.

    Raises:
        ValueError: The policy or something beside it is wrong, or there is none to be enforced.
    """

    def __init__(self, policy: str | os.PathLike[str] | None, *, enforce: bool) -> None:
        if not isinstance(enforce, bool):
            raise ValueError(f"enforce must be True or False, got {enforce!r}")
        if enforce and policy is None:
            raise ValueError('enforce needs a policy, as in policy="policy.toml"')
        self.enforce = enforce
        self.verdict: Verdict | None = None
        try:
            self.inputs = None if policy is None else Inputs.of(policy=Path(policy))
        except (GroundwireError, TypeError) as error:
            raise ValueError(f"policy: {error}") from error

    def judge(self, folder: str) -> Verdict | None:
        """Judge the run in a folder, on rank zero; None where there is no policy.

        Raises:
            GroundwireError: It cannot be judged, or judging broke: the report is written all the same.
        """
        try:
            if self.inputs is not None:
                self.verdict, _ = self.inputs.judged(folder)
        except GroundwireError:
            raise
        except Exception as error:
            raise GroundwireError(f"judging broke: {type(error).__name__}: {error}") from error
        return self.verdict

    def forget(self) -> None:
        """Begin another run."""
        self.verdict = None

    def require(self, trainer: Trainer) -> None:
        """Raise on every rank unless rank zero has found the policy met.

        Raises:
            PolicyNotMetError: It is not met, or nobody can tell.
        """
        if not self.enforce or getattr(trainer, "fast_dev_run", False) or trainer.barebones:
            return
        found: Any = (3, UNJUDGED) if self.verdict is None else (self.verdict.exit_code, self.verdict.summary)
        self.forget()  # a fit that trains nothing more has no verdict of the one before
        code, told = trainer.strategy.broadcast(found, src=0)
        if code:
            raise PolicyNotMetError(str(told), int(code))
