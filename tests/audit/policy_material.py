"""Audits and policies made by hand, for tests of the gate."""

from __future__ import annotations

from typing import Any

from groundwire.audit.gate import Question, Verdict, decide
from groundwire.audit.model import Audit, Metric, Quality, Run, RunStatus
from groundwire.audit.policy import parse_policy

LOSS = "logged.val_loss"


def metric(name: str = LOSS, value: float | None = 2.0, **changes: Any) -> Metric:
    told: dict[str, Any] = {
        "unit": "", "quality": Quality.DECLARED, "method": "logged by the module", "monitor": "logged", "step": 100,
        "reason": None if value is not None else "not measured",
    }  # fmt: skip
    return Metric(name=name, value=value, **told | changes)


def audit_of(*metrics: Metric, model: str = "GPT", **changes: Any) -> Audit:
    run = Run(id="run-1", status=RunStatus.FINISHED, model=model, started="2026-11-21T00:00:00Z", steps=100)
    environment = {"cpus": 2, "gpus": []}
    return Audit(run=run, metrics=list(metrics) or [metric()], environment=environment, **changes)


def judged(
    audit: Audit, document: dict[str, Any] | None = None, *, ask: dict[str, Any] | None = None, **limit: Any
) -> Verdict:
    """Decide by a policy, or by one limit, on an audit."""
    whole = document or {"schema": 1, "limits": {"it": {"metric": LOSS} | limit}}
    return decide(audit, parse_policy(whole, "policy.toml"), Question(**(ask or {})))
