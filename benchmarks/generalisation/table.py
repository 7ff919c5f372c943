"""What the audit says of the trained cases, beside what the test set says, as Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from groundwire.audit.judge import judge
from groundwire.audit.model import Audit, Outcome
from groundwire.audit.record import Record

from ..faults.running import each
from .running import DONE, Case

NAMING = ("GEN001", "GEN002")
CLEARLY, HARDLY = 5.0, 2.0  # % above the lowest test loss: what makes a run overfit, and what a healthy one may have


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A case, what the audit found, and the truth.

    Attributes:
        case: The case.
        fired: Codes of the family's rules that fired.
        open: Reasons of the naming rules that could not tell, by code.
        risen: How far the test loss stands above its lowest at the end, means over an eighth of the validations (%).
        falling: Whether the test loss was falling again at the end, after a rise.
        seconds: That training took.
    """

    case: Case
    fired: tuple[str, ...]
    open: dict[str, str]
    risen: float
    falling: bool
    seconds: float

    @property
    def named(self) -> bool:
        """Whether the audit says that the run overfits or was trained too long."""
        return any(code in NAMING for code in self.fired)

    @property
    def as_built(self) -> bool:
        """Whether the test set agrees with what the case is meant to be."""
        if self.case.kind == "overfit":
            return self.risen > CLEARLY and not self.falling
        return self.risen <= HARDLY or self.falling


def judge_case(case: Case, folder: Path) -> Judged:
    """Judge the record of a trained case."""
    place = folder / case.id
    truth = json.loads((place / DONE).read_text())
    audit = judge(Record.open(next(place.glob("*/run.json")).parent))
    risen, falling = course(np.array(truth["losses"]))
    return Judged(
        case=case, fired=tuple(f.rule for f in audit.findings if f.rule.startswith("GEN")),
        open=_open(audit), risen=risen, falling=falling, seconds=truth["seconds"],
    )  # fmt: skip


def _open(audit: Audit) -> dict[str, str]:
    """Return why a naming rule could not tell."""
    return {
        said.rule: said.reason or ""
        for said in audit.rules
        if said.rule in NAMING and said.outcome in (Outcome.UNKNOWN, Outcome.ERROR)
    }


def course(losses: np.ndarray) -> tuple[float, bool]:
    """Return by how many per cent the last eighth's mean stands above the lowest, and whether it comes down again.

    It does where it has come down by more than a tenth of its rise since the lowest, and in the last eighth by more
    than a fiftieth of it.
    """
    width = max(3, losses.size // 8)
    levels = np.convolve(losses, np.ones(width) / width, mode="valid")
    lowest, last = int(levels.argmin()), float(levels[-1])
    peak = float(levels[lowest:].max())
    back = peak - last > 0.1 * (peak - float(levels[lowest]))
    still = levels[-1 - width] - last > 0.02 * (peak - float(levels[lowest]))
    return 100 * (last / float(levels[lowest]) - 1), bool(back and still)


def judge_all(chosen: Sequence[Case], folder: Path, jobs: int) -> list[Judged]:
    """Judge all cases, in the order given."""
    found = {case.id: judged for case, judged in each(judge_case, chosen, folder, jobs, "judging")}
    return [found[case.id] for case in chosen]


def markdown(judged: Sequence[Judged]) -> str:
    """Return the tables."""
    return "\n".join([*_summary(judged), "", *_rows(judged), "", *_lists(judged)])


def _summary(judged: Sequence[Judged]) -> Iterator[str]:
    yield "| runs | of | GEN001 or GEN002 | GEN001 | GEN002 | neither, and one cannot tell |"
    yield "|---|---|---|---|---|---|"
    for kind in ("overfit", "healthy"):
        of = [one for one in judged if one.case.kind == kind]
        counts = [sum(code in one.fired for one in of) for code in NAMING]
        unsure = sum(bool(one.open) and not one.named for one in of)
        yield f"| {kind} | {len(of)} | {sum(one.named for one in of)} | {counts[0]} | {counts[1]} | {unsure} |"


def _rows(judged: Sequence[Judged]) -> Iterator[str]:
    yield "| run | test loss above its lowest | GEN001 or GEN002 | cannot tell | further findings |"
    yield "|---|---|---|---|---|"
    setups = dict.fromkeys((one.case.kind, one.case.setup.name) for one in judged)
    for kind, name in setups:
        yield _row(kind, name, [one for one in judged if (one.case.kind, one.case.setup.name) == (kind, name)])


def _row(kind: str, name: str, of: Sequence[Judged]) -> str:
    risen = ", ".join(f"{one.risen:.0f} %{' falling' * one.falling}" for one in of)
    further = Counter(code for one in of for code in one.fired if code not in NAMING)
    told = ", ".join(f"{code} {count}" for code, count in sorted(further.items())) or "–"
    unsure = sum(bool(one.open) and not one.named for one in of)
    return f"| {kind}: {name} | {risen} | {sum(one.named for one in of)} of {len(of)} | {unsure} | {told} |"


def _lists(judged: Sequence[Judged]) -> Iterator[str]:
    lists = {
        "Missed": [one for one in judged if one.case.kind == "overfit" and not one.named],
        "Falsely named": [one for one in judged if one.case.kind == "healthy" and one.named],
        "Not as meant, by the test set": [one for one in judged if not one.as_built],
    }
    for title, found in lists.items():
        told = (f"{one.case.id} ({one.risen:.1f} %; {', '.join(one.fired) or 'nothing'})" for one in found)
        yield f"{title}: {', '.join(told) or 'none'}."
    seconds = sum(one.seconds for one in judged)
    yield f"Training took {seconds:,.0f} s of one core, at most {max(one.seconds for one in judged):.0f} s a run."
