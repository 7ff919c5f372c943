"""Follows the first recommendation of a faulty run's report: sets what it says, trains again, and looks."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundwire.audit.judge import judge
from groundwire.audit.model import Audit, Finding
from groundwire.audit.record import Record

from .applying import MendedPlan, UnknownSettingError, apply, fields_of
from .cases import Case, plan_of
from .plan import Plan
from .running import DONE, each, finish, fit, is_done, record_of, run_in
from .table import alarms_of

MENDED = "mended"  # folder of the runs that were trained again
UNKNOWN = f"{UnknownSettingError.__name__}: "
NOISE = 0.05  # share of a validation loss by which it may be higher and count as no worse


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """What came of a faulty run's first recommendation.

    Attributes:
        case: The faulty run.
        finding: The first alarm; None when there was none.
        settings: What its first recommendation sets; empty when it sets nothing.
        unknown: A setting that could not be applied; None when all were.
        crash: What broke the training that followed; None when nothing did.
        gone: Whether the finding is gone.
        new: Alarms that the faulty run did not have.
        before: Last validation loss of the faulty run; nan when it is not finite.
        after: That of the run that followed.
        noise: How much higher it may be and count as no worse.
        twin: That of the clean twin, where it is trained; it explains and does not count.
    """

    case: Case
    finding: str | None
    settings: dict[str, Any]
    unknown: str | None = None
    crash: str | None = None
    gone: bool = False
    new: tuple[str, ...] = ()
    before: float = math.nan
    after: float = math.nan
    noise: float = 0.0
    twin: float = math.nan

    @property
    def no_worse(self) -> bool:
        """Whether the loss is no worse; one that is finite is better than one that is not."""
        return math.isfinite(self.after) and not self.after > self.before + self.noise

    @property
    def repaired(self) -> bool:
        """Whether the finding is gone, no new alarm came, and the loss is no worse."""
        return self.unknown is None and self.crash is None and self.gone and not self.new and self.no_worse

    @property
    def story(self) -> str:
        """What went wrong, in a few words."""
        said = ", ".join(f"{key} = {value}" for key, value in self.settings.items())
        if self.unknown or self.crash:
            return f"{said}: {self.crash or f'unknown setting {self.unknown}'}"
        told = [] if self.gone else [f"{self.finding} stays"]
        told += [f"new: {', '.join(self.new)}"] if self.new else []
        twin = f" (clean twin {self.twin:.3g})" if math.isfinite(self.twin) else ""
        told += [] if self.no_worse else [f"loss {self.after:.3g} after {self.before:.3g}{twin}"]
        return f"{said}: {', '.join(told)}"


def repair(case: Case, folder: Path) -> Repair:
    """Follow the first recommendation of a trained faulty case; what was trained for the same settings is kept."""
    place = record_of(case, folder)
    if place is None:
        return Repair(case=case, finding=None, settings={})
    record = Record.open(place)
    audit = judge(record)
    finding, settings = _advice(audit)
    if finding is None or not settings:
        return Repair(case=case, finding=finding and finding.name, settings={})
    again = folder / MENDED / case.id
    result = _train(case, again, settings, dict(audit.configuration).get("optimizer") or {})
    compared = _compared(case, finding.name, settings, result, (record, audit), run_in(again))
    twin = run_in(folder / f"{case.id}-twin")
    return compared if twin is None else replace(compared, twin=_last(_losses(Record.open(twin))))


def _advice(audit: Audit) -> tuple[Finding | None, dict[str, Any]]:
    finding = next(iter(audit.findings), None)
    if finding is None or finding.name not in {name for name, _ in alarms_of(audit)}:
        return None, {}
    return finding, dict(finding.mitigations[0].settings) if finding.mitigations else {}


def _train(case: Case, place: Path, settings: dict[str, Any], told: Any) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError):
        result: dict[str, Any] = json.loads((place / DONE).read_text())
        if result["settings"] == settings:
            return result
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    crash, unknown = fit(lambda: _mended(case, settings, told), place), None
    if crash and crash.startswith(UNKNOWN):
        crash, unknown = None, crash.removeprefix(UNKNOWN)
    result = {"settings": settings, "unknown": unknown, "crash": crash}
    finish(place, result)
    return result


def _mended(case: Case, settings: dict[str, Any], told: Any) -> Plan:
    fixed = fields_of(settings, plan_of(case), told)
    plan = plan_of(case, functools.partial(MendedPlan, fixed=fixed))
    apply(settings, plan)
    return plan


def _compared(
    case: Case,
    finding: str,
    settings: dict[str, Any],
    result: dict[str, Any],
    faulty: tuple[Record, Audit],
    place: Path | None,
) -> Repair:
    record, audit = faulty
    before = _losses(record)
    common = {"case": case, "finding": finding, "settings": settings, "before": _last(before),
              "unknown": result["unknown"], "crash": result["crash"]}  # fmt: skip
    if place is None or result["unknown"]:
        return Repair(**common)
    mended = Record.open(place)
    after = judge(mended)
    names = {name for name, _ in alarms_of(audit)}
    return Repair(
        **common,
        gone=finding not in {found.name for found in after.findings},
        new=tuple(name for name, _ in alarms_of(after) if name not in names),
        after=_last(_losses(mended)),
        noise=_noise(before),
    )


def _losses(record: Record) -> list[float]:
    return [float(value) for value in record.series("overfitting.val_loss").value]


def _last(losses: list[float]) -> float:
    return losses[-1] if losses and math.isfinite(losses[-1]) else math.nan


def _noise(losses: list[float]) -> float:
    """Return 5 % of the last validation loss, or how far it moved since the one before, if that is more."""
    if not losses or not math.isfinite(losses[-1]):
        return 0.0
    moved = abs(losses[-1] - losses[-2]) if len(losses) > 1 and math.isfinite(losses[-2]) else 0.0
    return max(NOISE * abs(losses[-1]), moved)


def repair_all(cases: Iterable[Case], folder: Path, jobs: int) -> list[Repair]:
    """Follow the first recommendation of all faulty cases that are trained, in the order given."""
    faulty = [case for case in cases if case.fault and is_done(case, folder)]
    found = {case.id: done for case, done in each(repair, faulty, folder, jobs, "repairing")}
    return [found[case.id] for case in faulty]
