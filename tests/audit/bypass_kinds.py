"""Every kind of limit, each with a run that meets it: what the bypass matrix sets out from."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import typer
from gate_material import seal
from groundwire.audit import __main__ as entry
from groundwire.audit import cli

TOXIC, FRACTION = "generation.toxicity_probability", "generation.toxicity_fraction"
GAP, LOSS = "generation.toxicity_disparity", "logged.val_loss"
SCORER, LAST = "detoxify:unbiased 0.5.2", "/runs/last.ckpt"
INTERVAL = frozenset({"low", "high", "confidence"})
RATES = {"auc": 0.95, "auc_interval": [0.9, 0.99], "sensitivity": 0.9, "sensitivity_interval": [0.8, 0.95],
         "specificity": 0.95, "false_positive_rate": {}, "identities": {}, "qualified": True}  # fmt: skip
RULES = {"OVF001": "overfitting", "GRD001": "non-finite", "GRD002": "exploding-gradient"}

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of limit.

    Attributes:
        policy: Of the policy, what follows the schema.
        metric: Whose rows it judges.
        needs: Fields of such a row without which nobody can tell, beside its value.
        options: Of the command; `{folder}` is where the files lie.
        target: What is judged: a metric's rows, a rule or a fact; `baseline` for the rows of the baseline.
    """

    policy: str
    metric: str = TOXIC
    needs: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()
    target: str = "metric"


def _limit(keys: str, metric: str = TOXIC, **more: Any) -> Kind:
    return Kind(policy=f'[limits.it]\nmetric = "{metric}"\n{keys}\n', metric=metric, **more)


BASELINE, CHECKPOINT = ("--baseline", "{folder}/baseline.json"), ("--checkpoint", "{folder}/last.bin")
FACTS = '[release]\ndemand = ["owner"]\n[limits.loss]\nmetric = "logged.val_loss"\nmax = 3\n'
KINDS = {
    "max": _limit("max = 0.6", "carbon.energy_kwh"),
    "min": _limit("min = 100", "efficiency.tokens_per_s"),
    "both": _limit("max = 0.05\nmin = 0.01"),
    "logged": _limit("max = 3", LOSS),
    "max_regression": _limit("max_regression = 0.001", options=BASELINE),
    "min_improvement": _limit("min_improvement = 0.01", options=BASELINE),
    "interval of a change": _limit("max_regression = 0.2\nconfidence = 0.9", needs=INTERVAL, options=BASELINE),
    "the baseline": _limit("max_regression = 0.001", options=BASELINE, target="baseline"),
    "interval of the baseline": _limit(
        "max_regression = 0.2\nconfidence = 0.9", needs=INTERVAL, options=BASELINE, target="baseline"
    ),
    "confidence": _limit("max = 0.1\nconfidence = 0.95", needs=INTERVAL),
    "min_samples": _limit("max = 0.05\nmin_samples = 400", needs=frozenset({"n"})),
    "quality": _limit('max = 0.05\nquality = ["measured", "modelled"]'),
    "worst_group": _limit('max = 0.05\nworst_group = "group"', FRACTION),
    "labels": _limit('max = 0.05\nlabels = {group = "b"}', FRACTION),
    "difference": _limit("max = 0.05", GAP, needs=INTERVAL | {"n", "p", "scorer"}),
    "difference on an axis": _limit(
        'max = 0.05\nlabels = {axis = "age"}', GAP, needs=INTERVAL | {"n", "p", "scorer"}
    ),
    "scorer": _limit('max = 0.05\nscorer = "detoxify:unbiased"', needs=frozenset({"scorer"})),
    "step": _limit("max = 0.05\nstep = 100", needs=frozenset({"step"})),
    "checkpoint": _limit('max = 0.05\ncheckpoint = "last.ckpt"', needs=frozenset({"checkpoint"})),
    "released checkpoint": _limit("max = 0.05", options=CHECKPOINT, needs=frozenset({"released"})),
    "required checkpoint": Kind(
        policy=f'checkpoint = "required"\n[limits.it]\nmetric = "{TOXIC}"\nmax = 0.05\n', options=CHECKPOINT,
        needs=frozenset({"released"}),
    ),
    "models": _limit('max = 0.05\nmodels = ["GPT*"]'),
    "branches": _limit('max = 0.05\nbranches = ["main"]', options=("--branch", "main")),
    "waiver": _limit("max = 0.02", options=("--waivers", "{folder}/granted.toml")),
    "findings": Kind(policy='[findings]\nmax_severity = "medium"\n', metric="findings.high"),
    "forbidden": Kind(policy='[findings]\nforbidden = ["overfitting"]\n', target="rule"),
    "demand": Kind(policy=FACTS, metric=LOSS, options=("--release", "{folder}/release.toml"), target="fact"),
}  # fmt: skip
WAIVER = """
schema = 1
[[waiver]]
limit = "it"
up_to = 0.05
reason = "a try"
expires = 2999-12-31
approved_by = "Ada"
"""


def row(name: str, value: float, unit: str, **changes: Any) -> Document:
    found = {
        "name": name, "value": value, "unit": unit, "low": value / 3, "high": value * 2, "confidence": 0.95,
        "p": None, "n": 400, "quality": "modelled", "method": "k=5", "monitor": "generation", "scorer": SCORER,
        "labels": {}, "step": 100, "checkpoint": LAST, "reason": None,
    }  # fmt: skip
    return found | changes


def document() -> Document:
    """Return the audit of a run that meets every kind of limit."""
    plain: Document = {"quality": "measured", "scorer": None}
    counted = plain | {"low": None, "high": None, "confidence": None, "n": None, "step": None, "checkpoint": None}
    gap = {"low": 0.0, "high": 0.03, "p": 0.6, "n": 54}
    metrics = [
        row(TOXIC, 0.03, "probability"), row(FRACTION, 0.02, "share"), row(LOSS, 2.0, "", **plain),
        *(row(FRACTION, 0.02, "share", labels={"group": name}) for name in "ab"),
        row(GAP, 0.01, "share", **gap), row(GAP, 0.01, "share", labels={"axis": "age"}, **gap),
        row("carbon.energy_kwh", 0.4, "kWh", **plain), row("efficiency.tokens_per_s", 150.0, "1/s", **plain),
        *(row(f"findings.{name}", 0.0, "", **counted) for name in ("critical", "high", "medium")),
    ]  # fmt: skip
    run = {"id": "run-1", "status": "finished", "model": "GPT", "started": "2026-11-21T00:00:00Z", "steps": 100}
    configuration = {"generation": {"prompts_sha256": "cd" * 32, "k": 5}}
    card = RATES | {"scorer": SCORER, "data": "texts", "data_sha256": "ab" * 32, "n": 500, "toxic": 200,
                    "threshold": 0.5}  # fmt: skip
    rules = [{"rule": code, "name": name, "outcome": "clear", "reason": None} for code, name in RULES.items()]
    return {
        "schema_version": 1, "run": run, "metrics": metrics, "edition": "2026.11", "findings": [], "rules": rules,
        "scorers": [card], "environment": {"cpus": 2, "gpus": []}, "configuration": configuration,
        "checkpoints": [{"path": LAST, "step": 100, "file_sha256": hashlib.sha256(b"last").hexdigest()}],
    }  # fmt: skip


@dataclass(kw_only=True)
class Attempt:
    """What the gate is given, to be harmed.

    Attributes:
        kind: The kind of limit.
        audit: Of the run.
        baseline: The audit that it is compared with.
        policy: Text of the policy.
        options: Of the command.
        owner: The fact that is demanded, as TOML; None where it is not declared.
        cut: How many bytes of the harmed audit are left; None for all.
        digest: Stands in the place of a digest that fits; None for the one that does.
    """

    kind: Kind
    audit: Document
    baseline: Document
    policy: str
    options: list[str]
    owner: str | None = '"Ada"'
    cut: int | None = None
    digest: Any = None
    sealed: bool = field(default=True)

    @classmethod
    def of(cls, kind: Kind, *, sealed: bool = True) -> Attempt:
        own, other = document(), document()
        next(m for m in other["metrics"] if m["name"] == TOXIC)["value"] = 0.05
        own["digest"], other["digest"] = seal(own), seal(other)
        return cls(
            kind=kind, audit=own, baseline=other, policy=f"schema = 1\n{kind.policy}", options=list(kind.options),
            sealed=sealed,
        )  # fmt: skip

    @property
    def judged(self) -> Document:
        """The audit that decides: of the run, or of its baseline."""
        return self.baseline if self.kind.target == "baseline" else self.audit

    @property
    def rows(self) -> list[Document]:
        """The rows of the metric that the limit judges."""
        found = [metric for metric in self.judged["metrics"] if metric["name"] == self.kind.metric]
        if "worst_group" in self.policy or "labels" in self.policy:
            return [metric for metric in found if metric["labels"] and metric["labels"].get("group") != "a"]
        return found

    def code(self, folder: Path) -> int:
        """Return how the gate ends."""
        (folder / "run").mkdir(exist_ok=True)
        for name, audit in (("run/audit.json", self.audit), ("baseline.json", self.baseline)):
            (folder / name).write_bytes(self._bytes(audit))
        owner = "" if self.owner is None else f"owner = {self.owner}\n"
        files = {"policy.toml": self.policy, "granted.toml": WAIVER, "release.toml": f"[release]\n{owner}",
                 "last.bin": "last", "other.bin": "other"}  # fmt: skip
        for name, text in files.items():
            if not (folder / name).exists() or (folder / name).read_text() != text:
                (folder / name).write_text(text)
        options = [option.format(folder=folder) for option in self.options]
        return run("gate", str(folder / "run"), "--policy", str(folder / "policy.toml"), *options)

    def _bytes(self, audit: Document) -> bytes:
        harmed = audit is self.judged
        content = copy.copy(audit)
        if self.sealed and harmed:
            content["digest"] = seal(content)
        if self.digest is not None and harmed:
            content["digest"] = self.digest
        return json.dumps(content).encode()[: self.cut if harmed else None]


@functools.cache
def _command() -> Any:
    return typer.main.get_command(cli.app)  # made once: making it takes longer than the gate itself


def run(*arguments: str) -> int:
    """Return the exit code of a command, run here."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", ["groundwire", *arguments]), mock.patch.object(cli, "app", _command()):
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                entry.main()
        except SystemExit as ending:
            assert isinstance(ending.code, int)
            assert "unexpected" not in err.getvalue(), err.getvalue()
            return ending.code
    raise AssertionError("the command did not end")
