"""Findings are ordered from cause to consequence, and no rule, remedy or name can break an audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from groundwire.audit.judge import judge
from groundwire.audit.load import load_audit
from groundwire.audit.model import Audit, Evidence, Outcome, Run, RunStatus, Severity, digest_of, dump
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.rules import RULES
from groundwire.audit.rules.declaration import CannotTellError, Fault, Rule
from groundwire.audit.series import Rows
from run_material import STEPS, attempt, make_run, run_file

FAULT = Fault(summary="Something is wrong.", evidence=(Evidence(summary="seen"),))


def a_rule(name: str, severity: Severity = Severity.HIGH, **more: Any) -> Rule:
    """Return a rule that fires on every run, changed where told."""
    plain = {"judge": lambda case, threshold: FAULT, "remedies": (), "follows_from": (), "needs": ("train.loss",)}
    return replace(RULES[0], code=name.upper(), name=name, severity=severity, **plain | more)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return Record.open(make_run(tmp_path_factory.mktemp("run"), steps=250).url)


def found(record: Record, *rules: Rule) -> Iterator[tuple[str, str | None]]:
    return ((finding.name, finding.follows_from) for finding in judge(record, rules).findings)


def test_the_worst_comes_first_and_what_follows_from_it_next(record: Record) -> None:
    rules = (
        a_rule("low", Severity.LOW),
        a_rule("follower", Severity.MEDIUM, follows_from=("absent", "cause")),
        a_rule("high"),
        a_rule("cause"),
        a_rule("worst", Severity.CRITICAL),
        a_rule("follows-follower", Severity.HIGH, follows_from=("follower",)),
    )
    assert list(found(record, *rules)) == [
        ("worst", None),
        ("high", None),
        ("cause", None),
        ("follower", "CAUSE"),
        ("follows-follower", "FOLLOWER"),
        ("low", None),
    ]


def test_a_cause_that_did_not_fire_is_no_cause(record: Record) -> None:
    silent = a_rule("cause", judge=lambda case, threshold: None)
    assert list(found(record, silent, a_rule("follower", follows_from=("cause",)))) == [("follower", None)]


def test_findings_that_name_each_other_are_all_there(record: Record) -> None:
    rules = (a_rule("a", follows_from=("b",)), a_rule("b", follows_from=("a",)))
    assert sorted(name for name, _ in found(record, *rules)) == ["a", "b"]


def test_every_rule_gets_exactly_one_outcome(record: Record) -> None:
    audit = judge(record)
    assert [outcome.rule for outcome in audit.rules] == [rule.code for rule in RULES]
    fired = {outcome.rule for outcome in audit.rules if outcome.outcome is Outcome.FIRED}
    assert fired == {finding.rule for finding in audit.findings}
    assert all(o.reason for o in audit.rules if o.outcome in {Outcome.UNKNOWN, Outcome.ERROR})


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        ({"judge": lambda case, threshold: _raise(KeyError("x"))}, Outcome.ERROR, "KeyError: 'x'"),
        ({"judge": lambda case, threshold: _raise(RecursionError("deep"))}, Outcome.ERROR, "RecursionError: deep"),
        ({"remedies": (lambda case, fault: _raise(ZeroDivisionError("x")),)}, Outcome.ERROR, "ZeroDivisionError: x"),
        ({"judge": lambda case, threshold: _raise(CannotTellError("too few"))}, Outcome.UNKNOWN, "too few"),
        ({"needs": ("gradient.update_ratio",)}, Outcome.UNKNOWN, "gradient.update_ratio was not recorded"),
        ({"needs": ("no.such",)}, Outcome.UNKNOWN, "no.such was not recorded"),
    ],
)
def test_a_rule_or_remedy_that_breaks_costs_only_itself(
    record: Record, change: dict[str, Any], outcome: Outcome, reason: str
) -> None:
    audit = judge(record, (a_rule("broken", **change), a_rule("whole")))
    assert [(o.outcome, o.reason) for o in audit.rules] == [(outcome, reason), (Outcome.FIRED, None)]
    assert [finding.name for finding in audit.findings] == ["whole"]


@pytest.mark.parametrize(("steps", "outcome"), [(19, Outcome.UNKNOWN), (20, Outcome.FIRED)])
def test_a_run_is_long_enough_from_twenty_steps(tmp_path: Path, steps: int, outcome: Outcome) -> None:
    record = Record.open(make_run(tmp_path, steps=steps).url)
    audit = judge(record, (a_rule("long", short_run=False), a_rule("any", short_run=True)))
    assert [rule.outcome for rule in audit.rules] == [outcome, Outcome.FIRED]


def test_why_a_monitor_was_off_is_why_its_rules_cannot_tell(tmp_path: Path) -> None:
    folder = make_run(tmp_path, finished=False)
    folder.write("run.json", run_file(attempt(), attempt(2, first_step=50)).text())
    recorder = Recorder(folder, attempt=2, rank=0)
    recorder.event("monitor", name="generation", status="off", reason="generate is missing", seconds=0.0)
    recorder.flush_events()
    audit = judge(Record.open(tmp_path))
    reasons = {rule.name: rule.reason or "" for rule in audit.rules}
    assert "generate is missing" in reasons["toxic-generations"]
    assert (
        "generate is missing"
        in {item.what: item.reason for item in audit.not_checked}["generation.toxicity_probability"]
    )


HOSTILE = "\x1b[31m\u202e|`<b>\n::set-output \udcff"


@pytest.fixture
def hostile_run(tmp_path: Path) -> Path:
    """Return a run whose every name was chosen by somebody who means harm."""
    folder = make_run(tmp_path, finished=False)
    clean = HOSTILE.encode("utf-8", "replace").decode()
    folder.write("run.json", run_file(attempt(exception=clean), attempt(2, first_step=50), environment={
        "git": clean}, parent=clean).text())  # fmt: skip
    recorder = Recorder(folder, attempt=2, rank=0)
    recorder.event("monitor", name=HOSTILE, status="error", reason=HOSTILE, seconds=0.0)
    recorder.event("checkpoint", path=HOSTILE, at_step=50, file_sha256=None)
    recorder.event("not_checked", what=HOSTILE, reason=HOSTILE)
    recorder.event("sample", prompt=HOSTILE, continuations=[HOSTILE], toxicity=[0.9])
    recorder.rows("logged", Rows.of((clean,), [(51, 51, 0, 0.0)], [[np.nan]]))
    recorder.flush_events()
    return tmp_path


def test_hostile_names_are_stored_and_read_again(hostile_run: Path) -> None:
    audit = judge(Record.open(hostile_run))
    (hostile_run / "audit.json").write_bytes(dump(audit).encode())
    again, digest_ok = load_audit(str(hostile_run))
    assert digest_ok
    assert again.model_copy(update={"digest": ""}) == audit
    assert "\\udcff" in again.checkpoints[-1].path


@pytest.mark.parametrize("fixture", ["record", "hostile_run"])
def test_the_dump_fits_its_schema_and_its_digest(request: pytest.FixtureRequest, fixture: str) -> None:
    given = request.getfixturevalue(fixture)
    document = json.loads(dump(judge(given if isinstance(given, Record) else Record.open(given))))
    jsonschema.Draft202012Validator(Audit.model_json_schema()).validate(document)
    assert document["digest"] == digest_of(document)
    assert document["not_checked"]
    shuffled = dict(reversed(list(document.items())))
    assert digest_of(shuffled) == document["digest"]


def test_a_text_that_cannot_be_encoded_does_not_break_the_seal() -> None:
    audit = Audit(run=Run(id="a\udcff", model="M", started="2026-11-21T00:59:12Z", status=RunStatus.FINISHED))
    document = json.loads(dump(audit).encode())
    assert document["digest"] == digest_of(document)


def test_a_killed_run_says_so_and_takes_its_steps_from_the_series(tmp_path: Path) -> None:
    audit = judge(Record.open(make_run(tmp_path, steps=50, finished=False).url))
    assert (audit.run.steps, audit.run.status) == (50, "running")
    assert audit.run.ended is None


def test_steps_that_are_not_finite_are_counted_once(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", steps=30, finished=False)
    folder.write("run.json", run_file(attempt(), attempt(2, first_step=30)).text())
    recorder = Recorder(folder, attempt=2, rank=0)
    values = [[np.nan, 0.1, np.nan], [1.0, 0.1, np.inf], [np.inf, 0.1, 1.0], [1.0, 0.1, 1.0]]
    recorder.rows("steps", Rows.of(STEPS, [(s, s, 0, 0.0) for s in (31, 32, 33, 34)], values))
    audit = judge(Record.open(folder.url))
    count = audit.metric("gradient.nonfinite_steps")
    assert count is not None
    assert count.value == 3
    assert audit.findings[0].name == "non-finite"
    assert audit.findings[0].step == 31
