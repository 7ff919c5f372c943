"""What the audit says of trained cases, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundwire.audit.judge import judge
from groundwire.audit.model import Audit, Finding, Severity
from groundwire.audit.record import Record
from groundwire.audit.statistics import proportion_upper_bound

from .cases import Case, Split
from .faults import BY_NAME, QUIET
from .running import each, is_done, record_of

SPLITS: tuple[Split, ...] = ("report", "calibration")
HEALTHY = ("healthy", "twin", "negative")
NAMED = 40  # cases that a list names


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A case, and what the audit finds in its record.

    Attributes:
        case: The case.
        alarms: Names of the findings of severity medium or above, or low where the fault weighs no more by design, as
            ordered by the audit, each with its step.
    """

    case: Case
    alarms: tuple[tuple[str, int | None], ...]

    @property
    def detected(self) -> bool:
        """Whether an alarm names the fault."""
        return self.case.fault in self.names

    @property
    def rightly_named(self) -> bool:
        """Whether the first alarm names the fault."""
        return self.case.fault in self.names[:1]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the alarms."""
        return tuple(name for name, _ in self.alarms)

    @property
    def of_optimisation(self) -> tuple[str, ...]:
        """Names of the alarms that are faults of this benchmark."""
        return tuple(name for name in self.names if name in BY_NAME)

    @property
    def delay(self) -> int | None:
        """Steps from injection to the step that the finding names, negative before it; None when it names none."""
        step = next((step for name, step in self.alarms if name == self.case.fault), None)
        return None if step is None else step - self.case.injected_at


def judge_case(case: Case, folder: Path) -> Judged:
    """Judge the record of a trained case, without training it again."""
    place = record_of(case, folder)
    audit = None if place is None else judge(Record.open(place))
    return Judged(case=case, alarms=() if audit is None else alarms_of(audit))


def alarms_of(audit: Audit) -> tuple[tuple[str, int | None], ...]:
    """Return name and step of the findings that count as alarms, in the audit's order."""
    return tuple((finding.name, finding.step) for finding in audit.findings if _is_alarm(finding))


def _is_alarm(finding: Finding) -> bool:
    least = Severity.LOW if finding.name in QUIET else Severity.MEDIUM
    return finding.severity.rank <= least.rank


def judge_all(cases: Iterable[Case], folder: Path, jobs: int) -> list[Judged]:
    """Judge all cases that are trained, in the order given."""
    trained = [case for case in cases if is_done(case, folder)]
    found = {case.id: judged for case, judged in each(judge_case, trained, folder, jobs, "judging")}
    return [found[case.id] for case in trained]


def markdown(judged: Sequence[Judged], splits: Sequence[Split] = SPLITS) -> str:
    """Return the tables of each split."""
    return "\n".join(
        line for split in splits for line in _of_split([j for j in judged if j.case.split == split], split)
    )


def _of_split(judged: Sequence[Judged], split: Split) -> Iterator[str]:
    use = "not used to choose any threshold" if split == "report" else "thresholds were chosen on these"
    yield f"## {split.capitalize()} ({len(judged)} runs, {use})\n"
    yield from _faults([j for j in judged if j.case.kind == "fault"])
    yield from _healthy(judged)
    yield from _lists(judged)


def _faults(judged: Sequence[Judged]) -> Iterator[str]:
    yield "| fault | runs | detected | rightly named | median steps to the finding |\n|---|---|---|---|---|"
    for name in BY_NAME:
        if found := [j for j in judged if j.case.fault == name]:
            yield _fault_row(name, found)
    if judged:
        yield _fault_row("**all**", judged)
    yield ""


def _fault_row(name: str, found: Sequence[Judged]) -> str:
    delays = [j.delay for j in found if j.detected and j.delay is not None]
    delay = f"{statistics.median(delays):.0f}" if delays else "–"
    shares = (
        share(sum(check), len(found)) for check in ([j.detected for j in found], [j.rightly_named for j in found])
    )
    return f"| {name} | {len(found)} | {' | '.join(shares)} | {delay} |"


def share(events: int, n: int) -> str:
    """Return a count and what share of `n` it is."""
    return f"{events} ({events / n:.1%})"


def _healthy(judged: Sequence[Judged]) -> Iterator[str]:
    yield "| healthy runs | runs | false alarms | at most (95 %) | alarms of other families |\n|---|---|---|---|---|"
    for kind in HEALTHY:
        if found := [j for j in judged if j.case.kind == kind]:
            yield _healthy_row(GROUPS[kind], found)
    for name in dict.fromkeys(j.case.name for j in judged if j.case.kind == "negative"):
        yield _healthy_row(f"– {name}", [j for j in judged if j.case.name == name])
    yield ""


GROUPS = {"healthy": "healthy", "twin": "clean twins", "negative": "hard negatives"}


def _healthy_row(name: str, found: Sequence[Judged]) -> str:
    false = sum(bool(j.of_optimisation) for j in found)
    others = sum(bool(set(j.names) - set(j.of_optimisation)) for j in found)
    bound = proportion_upper_bound(false, len(found))
    return f"| {name} | {len(found)} | {share(false, len(found))} | {bound:.1%} | {others} |"


def _lists(judged: Sequence[Judged]) -> Iterator[str]:
    faulty = [j for j in judged if j.case.kind == "fault"]
    yield from _list("Missed", faulty, lambda j: None if j.detected else ", ".join(j.names) or "nothing")
    yield from _list("Detected, but named otherwise first", faulty, _other_name)
    healthy = [j for j in judged if j.case.kind != "fault"]
    yield from _list("False alarms", healthy, lambda j: ", ".join(j.of_optimisation) or None)


def _other_name(judged: Judged) -> str | None:
    return judged.names[0] if judged.detected and not judged.rightly_named else None


def _list(title: str, judged: Sequence[Judged], said: Callable[[Judged], str | None]) -> Iterator[str]:
    found = [f"{j.case.id} ({text})" for j in judged if (text := said(j))]
    if found:
        more = f" … and {len(found) - NAMED} more" if len(found) > NAMED else ""
        yield f"{title}: {', '.join(found[:NAMED])}{more}.\n"
