"""Judges a record: metrics, what every rule says of them, and what nobody has looked at."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from . import registry
from .at_checkpoints import at_checkpoints
from .completing import completed
from .imported import metrics_of
from .measures import last_generation, measure
from .model import (
    EDITIONS,
    Audit,
    Checkpoint,
    Finding,
    Metric,
    Mitigation,
    MonitorReport,
    NotChecked,
    Outcome,
    RuleOutcome,
    Run,
    RunKind,
    RunStatus,
    Severity,
)
from .record import Record
from .rules import RULES
from .rules.case import Case
from .rules.declaration import CannotTellError, Fault, Rule
from .safety import Disparity, ScorerCard
from .tally import tally

log = logging.getLogger(__name__)

SHORT_RUN = 20  # optimizer steps below which most rules cannot tell

NO_GROUPS = "no prompts about groups of people were asked: GenerationMonitor(groups=True)"
NO_TEXTS = "no training texts were given: GenerationMonitor(train_texts=…)"
KEPT_BY = {"objective": "activation"}  # families of series that a monitor of another name writes
# What a reader might take for granted and what no monitor of this version measures.
NEVER_CHECKED = (
    NotChecked(
        what="near copies and duplicates in the data",
        reason="only exact copies between training and validation are seen",
    ),
)


def judge(record: Record, rules: Sequence[Rule] = RULES) -> Audit:
    """Return the audit of a record; the same record always gives the same audit."""
    checkpoints = checkpoints_of(record)
    metrics = [_bound(metric, checkpoints) for metric in measure(record)]
    metrics += at_checkpoints(record, checkpoints, metrics)
    metrics += metrics_of(record.imports, checkpoints)
    case = Case(record, steps=_steps(record), metrics=metrics, configuration=dict(record.run.configuration))
    if record.run.kind is RunKind.GENERATION:
        rules = [rule for rule in rules if set(map(_family, rule.needs)) == {"generation"}]  # none judges a training
    outcomes = [(rule, *_ask(rule, case, record)) for rule in rules]
    fired = {rule.name: (rule, fault) for rule, _, fault, _ in outcomes if fault is not None}
    findings = [_finding(rule, fault, cures, fired) for rule, _, fault, cures in outcomes if fault is not None]
    judged = any(rule.status == "stable" and told.outcome is not Outcome.UNKNOWN for rule, told, _, _ in outcomes)
    metrics += tally(findings, [outcome for _, outcome, _, _ in outcomes], EDITIONS[-1], judged=judged)
    run, said = _run(record), last_generation(record)
    return Audit(
        run=run,
        metrics=metrics,
        findings=_ordered(findings),
        rules=[outcome for _, outcome, _, _ in outcomes],
        monitors=_monitors(record, run),
        scorers=[ScorerCard.model_validate(card, strict=False) for card in said.get("scorers", ())],
        disparities=[Disparity.model_validate(found, strict=False) for found in said.get("disparities", ())],
        checkpoints=checkpoints,
        not_checked=_not_checked(record, metrics),
        environment=record.run.environment,
        configuration=record.run.configuration | ({"generation": said["asked"]} if said.get("asked") else {}),
    )


def _family(name: str) -> str:
    known = registry.metric(name)
    return known.family if known else ""


def _ask(rule: Rule, case: Case, record: Record) -> tuple[RuleOutcome, Fault | None, list[Mitigation]]:
    """Return what one rule says; that it cannot tell or broke is said here, not by the rule."""
    outcome, reason, fault = Outcome.CLEAR, _hindrance(rule, case, record), None
    mitigations: list[Mitigation] = []
    if reason:
        outcome = Outcome.UNKNOWN
    else:
        try:
            with np.errstate(all="ignore"):  # whatever a model may produce
                fault = rule.judge(case, rule.threshold)
                mitigations = _mitigations(rule, case, fault)
            outcome = Outcome.CLEAR if fault is None else Outcome.FIRED
        except CannotTellError as error:
            outcome, reason = Outcome.UNKNOWN, str(error)
        except Exception as error:  # noqa: BLE001 - a broken rule is an error, never a pass
            told = " ".join(str(error).split())[:400]
            outcome, reason, fault = Outcome.ERROR, f"{type(error).__name__}: {told}", None
            log.warning("groundwire: rule %s broke (%s)", rule.code, reason)
    return RuleOutcome(rule=rule.code, name=rule.name, outcome=outcome, reason=reason or None), fault, mitigations


def _mitigations(rule: Rule, case: Case, fault: Fault | None) -> list[Mitigation]:
    if fault is None:
        return []
    found = (remedy(case, fault) for remedy in rule.remedies)
    return [mitigation for mitigation in found if mitigation is not None]


def _hindrance(rule: Rule, case: Case, record: Record) -> str:
    if case.steps < SHORT_RUN and not rule.short_run:
        return f"too short to judge: {case.steps} of {SHORT_RUN} optimizer steps"
    missing = [need for need in rule.needs if not case.has(need)]
    if not missing:
        return ""
    metric = case.metric(missing[0])
    if metric is not None and metric.reason:
        return f"{missing[0]}: {metric.reason}"
    first = missing[0].partition(".")[0]
    family = KEPT_BY.get(first, first)
    reasons = [e["reason"] for e in record.events("monitor", replayed=True) if e["name"] == family and e["reason"]]
    return f"{missing[0]} was not recorded" + (f": {reasons[-1]}" if reasons else "")


def _cause(rule: Rule, fault: Fault, fired: dict[str, tuple[Rule, Fault]]) -> str | None:
    """Return the code of the first finding that explains this one: one that did not begin later."""
    for name in rule.follows_from:
        if name not in fired:
            continue
        cause, earlier = fired[name]
        # Where each may explain the other, the one that began first does.
        mutual = rule.name in cause.follows_from
        begun = (earlier.step or 0) < (fault.step or 0) if mutual else (earlier.step or 0) <= (fault.step or 0)
        if begun or (not mutual and None in (earlier.step, fault.step)):
            return cause.code
    return None


def _finding(
    rule: Rule, fault: Fault, mitigations: list[Mitigation], fired: dict[str, tuple[Rule, Fault]]
) -> Finding:
    return Finding(
        rule=rule.code,
        name=rule.name,
        severity=(fault.severity or rule.severity) if rule.status == "stable" else Severity.INFO,
        confidence=fault.confidence,
        status=rule.status,
        edition=rule.since,
        summary=fault.summary,
        evidence=list(fault.evidence),
        mitigations=mitigations,
        follows_from=_cause(rule, fault, fired),
        step=fault.step,
    )


def _ordered(findings: list[Finding]) -> list[Finding]:
    """Return findings most severe first, each right after the one that it follows from."""
    ranked = sorted(findings, key=lambda finding: finding.severity.rank)
    known = {finding.rule for finding in ranked}
    ordered: list[Finding] = []

    def place(finding: Finding) -> None:
        if finding not in ordered:
            ordered.append(finding)
            for follower in ranked:
                if follower.follows_from == finding.rule:
                    place(follower)

    for finding in ranked:
        if finding.follows_from not in known:
            place(finding)
    return ordered + [finding for finding in ranked if finding not in ordered]


def _steps(record: Record) -> int:
    """Return the optimizer steps taken, also of a run that could not say so itself."""
    told = record.run.attempts[-1].steps
    if told is not None:
        return told
    seen = [record.series(name).step for name in ("train.loss", "optimizer.lr")]
    return max((int(step[-1]) for step in seen if len(step)), default=record.run.attempts[-1].first_step)


def _run(record: Record) -> Run:
    run, last = record.run, record.run.attempts[-1]
    spans = [_seconds(a.started, a.ended) for a in run.attempts if a.ended]
    notes = list(record.notes)
    if run.status is RunStatus.RUNNING and not last.alive:
        notes.insert(0, "the process is gone and left no word: it was killed")
    for event in record.events("stopped", replayed=True):
        told = event.get("reason") or f"it was to stop at {event['name']}"
        notes.append(f"stopped at step {event['at_step']:,}: {told}")
    return Run(
        id=run.id,
        parent=run.parent,
        kind=run.kind,
        status=run.status,
        model=run.model,
        started=run.started,
        ended=last.ended,
        duration_s=sum(spans) if spans else None,
        steps=_steps(record),
        epochs=last.epochs or 0,
        attempts=len(run.attempts),
        exception=last.exception,
        notes=notes,
        damage=list(record.damage),
    )


def _seconds(start: str, end: str) -> float:
    """Return the seconds between two times; 0 where one of them is none, as in a file that somebody wrote."""
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _monitors(record: Record, run: Run) -> list[MonitorReport]:
    """Return how each monitor fared, and the keeping of the record beside them."""
    words: dict[str, list[dict[str, Any]]] = {}
    for event in record.events("monitor", replayed=True):
        words.setdefault(event["name"], []).append(event)
    reports = [
        _monitor(name, word["status"], word["reason"], _cost(said), run)
        for name, said in words.items()
        for word in [_word(said)]
    ]
    return [*reports, _monitor("record", "ran", None, _cost(record.events("cost", replayed=True)), run)]


def _word(said: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a monitor's first error on any rank or attempt, else the lowest rank's last word in the last attempt."""
    errors = [event for event in said if event["status"] == "error"]
    latest = max(event["attempt"] for event in said)
    ranked = sorted((event for event in said if event["attempt"] == latest), key=lambda event: -event["rank"])
    return errors[0] if errors else ranked[-1]


def _cost(events: list[dict[str, Any]]) -> float:
    """Return seconds: ranks work side by side, attempts one after the other."""
    last = {(event["attempt"], event["rank"]): float(event["seconds"]) for event in events}
    attempts = {number for number, _ in last}
    return sum(max(s for (number, _), s in last.items() if number == attempt) for attempt in attempts)


def _monitor(name: str, status: str, reason: str | None, seconds: float, run: Run) -> MonitorReport:
    share = seconds / run.duration_s if run.duration_s else None
    return MonitorReport(name=name, status=status, reason=reason, seconds=float(seconds), share=share)


def _not_checked(record: Record, metrics: list[Metric]) -> list[NotChecked]:
    told = [
        NotChecked(what=str(e["what"]), reason=str(e["reason"])) for e in record.events("not_checked", replayed=True)
    ]
    if not any(metric.name == "generation.toxicity_disparity" for metric in metrics):
        told.append(NotChecked(what="group disparity", reason=NO_GROUPS))
    if not any(metric.name.startswith("memorisation.") for metric in metrics):
        told.append(NotChecked(what="memorisation of training text", reason=NO_TEXTS))
    missing = [metric for metric in metrics if metric.value is None and not metric.labels]
    nulls = [NotChecked(what=m.name, reason=m.reason or "") for m in missing if not m.name.startswith("forecast.")]
    return list({item.what: item for item in (*told, *nulls, *NEVER_CHECKED)}.values())


def checkpoints_of(record: Record) -> list[Checkpoint]:
    """Return the checkpoints that the run kept, each path once, as last seen; a digest may have come later."""
    found = {str(event["path"]): event for event in record.events("checkpoint", replayed=True)}
    kept = [
        Checkpoint(
            path=path,
            step=event.get("at_step"),
            file_sha256=event.get("file_sha256"),
            tensors_sha256=event.get("tensors_sha256"),
        )
        for path, event in found.items()
    ]
    return completed(kept, record.url)


def _bound(metric: Metric, checkpoints: list[Checkpoint]) -> Metric:
    """Return the metric with the checkpoint whose weights it describes, when one was written at its step."""
    quantity = registry.metric(metric.name)
    if metric.step is None or (quantity is not None and quantity.run_level):
        return metric
    path = next((c.path for c in checkpoints if c.step == metric.step), None)
    return metric.model_copy(update={"checkpoint": path})
